"""One approval request on one page, and the decision on it."""

from __future__ import annotations

import re
from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from playbooks import access
from playbooks.access.glass import BREAK
from playbooks.domain.profiles import Profile
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.domain.stepup import need_of_decision
from playbooks.operations import approvals as operations
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.queries import approvals, break_glass
from playbooks.queries.approvals import RequestView
from playbooks.queries.runs import run_view
from playbooks.web.callers import caller_of, person_of, text_of
from playbooks.web.graphs import graph_of_run
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.stepping_up import Ways, take_proof, ways

DIGEST = re.compile("[0-9a-f]{64}")
DONE = {
    RequestStatus.OPEN: "Your approval is recorded. Others still have to decide.",
    RequestStatus.GRANTED: "Your approval filled the last seat: the run goes on.",
    RequestStatus.DENIED: "Your denial is recorded: nothing behind this gate runs.",
}

ALONE = (
    "You have confirmed it alone. It begins in a minute; cancel the run until then to keep it from beginning."
)


@require_safe
@login_required
def approval(request: HttpRequest, pk: UUID) -> HttpResponse:
    return page(request, pk)


@require_POST
@login_required
def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Decides on the digest that the page has shown; a refusal leaves the comment where it was."""
    try:
        verdict = _verdict(request)
        if verdict is Verdict.APPROVE and _takes_proof(request, pk):
            take_proof(request, need_of_decision(digest_of(request), verdict.value, "bound"))
        decided = operations.decide(
            pk,
            caller=caller_of(request),
            verdict=verdict,
            shown_digest=digest_of(request),
            comment=text_of(request, "comment"),
        )
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return page(request, pk, refusal=refusal_of(request, error))
    is_alone = decided.profile == Profile.SOLO and decided.status == RequestStatus.GRANTED
    messages.success(request, ALONE if is_alone else _done(verdict, RequestStatus(decided.status)))
    return redirect("approval", pk=pk)


def _done(verdict: Verdict, status: RequestStatus) -> str:
    if verdict is Verdict.DENY and status is RequestStatus.OPEN:
        return "Your denial is recorded. It takes more denials than yours to deny it."
    return DONE[status]


def page(request: HttpRequest, pk: UUID, *, refusal: Refusal | None = None) -> HttpResponse:
    person = person_of(request)
    view = approvals.request_view(pk, person)
    if view is None:
        raise Http404(f"There is no approval request {pk}.")
    run = run_view(view.run, person)
    context = {
        "approval": view,
        "graph": graph_of_run(run, url=reverse("run", args=[run.id])) if run else "",
        "refusal": refusal,
        "comment": request.POST.get("comment", ""),
        "ways": _ways(request, view),
        "glass": break_glass.of_request(view.id, person) if view.status == RequestStatus.PASSED else None,
        "may_break": view.status == RequestStatus.OPEN
        and not view.countersigns
        and access.may(person, BREAK),
        "may_start": view.may_ask_again and access.may(person, "start_run"),
        "may_see_people": access.may(person, "see_people"),
        "printed_at": timezone.now(),
        "given": request.POST,
        "struck_before": request.POST.getlist("step"),
    }
    return render(request, "approval.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _ways(request: HttpRequest, view: RequestView) -> Ways | None:
    """How the reader gives the proof that an approval takes; None where it takes none of them."""
    if not view.step_up or not view.may_decide:
        return None
    need = need_of_decision(view.digest, Verdict.APPROVE.value, view.step_up)
    return ways(request, need, back=reverse("approval", args=[view.id]))


def _takes_proof(request: HttpRequest, pk: UUID) -> bool:
    """No proof is asked of whoever may not decide anyway, so that none is lost on it."""
    view = approvals.request_view(pk, person_of(request))
    return view is not None and bool(view.step_up) and view.may_decide


def digest_of(request: HttpRequest) -> str:
    """That of the subject which the page has shown. Raises Invalid for what is no digest."""
    digest = request.POST.get("digest", "")
    if not DIGEST.fullmatch(digest):
        raise Invalid([("/digest", "The form does not say what it is about. Open the page again.")])
    return digest


def _verdict(request: HttpRequest) -> Verdict:
    try:
        return Verdict(request.POST.get("verdict", ""))
    except ValueError:
        raise Invalid([("/verdict", "Press Approve or Deny; nothing else decides.")]) from None
