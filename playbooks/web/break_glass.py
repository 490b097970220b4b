"""Break-glass by form: running past a gate, standing by, and the reviews that follow."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from playbooks.access.glass import BREAK
from playbooks.domain.break_glass import MOST_MINUTES, USUAL_MINUTES
from playbooks.domain.stepup import Purpose, need_of
from playbooks.models import Finding
from playbooks.operations import break_glass as operations
from playbooks.operations import reviews as review_operations
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.queries import approvals, break_glass
from playbooks.queries.approvals import RequestView
from playbooks.queries.break_glass import GlassView
from playbooks.web.approvals import digest_of
from playbooks.web.callers import caller_of, person_of, require, text_of
from playbooks.web.holds import tabs_of_operations
from playbooks.web.listing import page_of
from playbooks.web.refusing import NoAnswer, Refusal, refusal_of
from playbooks.web.stepping_up import take_proof, ways

PURPOSES = {"break": Purpose.BREAK_GLASS, "stand-by": Purpose.SECOND}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def confirm(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Says what would run past which gate. A POST breaks the glass, or stands by somebody who does."""
    require(request, BREAK, "break the glass: that takes a role of its own")
    view = approvals.request_view(pk, person_of(request))
    if view is None:
        raise Http404(f"There is no approval request {pk}.")
    if request.method != "POST":
        return _confirm_page(request, view)
    try:
        return _act(request, view)
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return _refused(request, view, error)


@require_safe
@login_required
def reviews(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    require(request, "see_request", "see what was passed by break-glass")
    page = page_of(break_glass.passed(person), request, lambda found: break_glass.views(found, person))
    context = {"tabs": tabs_of_operations("reviews"), "page": page, "overdue": break_glass.overdue()}
    return render(request, "reviews.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def review(request: HttpRequest, pk: UUID) -> HttpResponse:
    view = break_glass.glass_view(pk, person_of(request))
    if view is None:
        raise Http404(f"There is no break-glass {pk}.")
    if request.method != "POST":
        return _review_page(request, view)
    try:
        finding = _finding(request)
        review_operations.review(
            pk, caller=caller_of(request), finding=finding, comment=text_of(request, "comment")
        )
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return _review_page(request, view, refusal_of(request, error))
    messages.success(request, "Your review is recorded.")
    return redirect("review", pk=pk)


def _act(request: HttpRequest, view: RequestView) -> HttpResponse:
    purpose = PURPOSES.get(request.POST.get("act", ""), Purpose.BREAK_GLASS)
    need = need_of(purpose, digest_of(request))
    take_proof(request, need)
    if purpose is Purpose.SECOND:
        if not ways(request, need).is_proven:
            raise Refused(ways(request, need).denial)
        messages.success(request, "You stand by for five minutes. The other holder can break the glass now.")
        return redirect("break-glass", pk=view.id)
    operations.use(
        view.id,
        caller=caller_of(request),
        shown_digest=need.digest,
        reason=text_of(request, "reason"),
        minutes=_minutes(request),
    )
    messages.success(
        request, "You ran past the gate. Everybody concerned can see it, and somebody else will review it."
    )
    return redirect("approval", pk=view.id)


def _minutes(request: HttpRequest) -> int:
    given = request.POST.get("minutes", "") or str(USUAL_MINUTES)
    if not (given.isascii() and given.isdigit() and len(given) < 6):
        raise Invalid([("/minutes", f"Say for how many minutes, from 1 to {MOST_MINUTES}.")])
    return int(given)


def _finding(request: HttpRequest) -> Finding:
    try:
        return Finding(request.POST.get("finding", ""))
    except ValueError:
        raise Invalid([("/finding", "Say whether it was justified or not.")]) from None


def _refused(request: HttpRequest, view: RequestView, error: NoAnswer) -> HttpResponse:
    refusal = refusal_of(request, error)
    now = approvals.request_view(view.id, person_of(request)) or view
    return _confirm_page(request, now, refusal)


def _confirm_page(request: HttpRequest, view: RequestView, refusal: Refusal | None = None) -> HttpResponse:
    overdue, here = break_glass.overdue(), reverse("break-glass", args=[view.id])
    own, second = (need_of(purpose, view.digest) for purpose in (Purpose.BREAK_GLASS, Purpose.SECOND))
    context = {
        "approval": view,
        "ways": ways(request, own, back=here),
        "second_ways": ways(request, second, back=here),
        "overdue": overdue,
        "most_minutes": MOST_MINUTES,
        "minutes": request.POST.get("minutes") or USUAL_MINUTES,
        "reason": request.POST.get("reason", ""),
        "refusal": refusal,
    }
    return render(request, "break_glass.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _review_page(request: HttpRequest, view: GlassView, refusal: Refusal | None = None) -> HttpResponse:
    now = break_glass.glass_view(view.id, person_of(request)) or view
    context = {
        "glass": now,
        "approval": approvals.request_view(view.request, person_of(request)),
        "comment": request.POST.get("comment", ""),
        "refusal": refusal,
    }
    return render(request, "review.html", context, status=refusal.status if refusal else HTTPStatus.OK)
