"""The profile: how far duties are segregated here, and changing that."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from playbooks import access
from playbooks.domain.profiles import Profile
from playbooks.operations import profiles as operations
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.queries import profiles as queries
from playbooks.queries.quorums import unfillable_gates
from playbooks.web.callers import caller_of, person_of, require, text_of
from playbooks.web.holds import tabs_of_operations
from playbooks.web.listing import page_of
from playbooks.web.refusing import Refusal, refusal_of

DONE = {
    "confirm": "It holds from now on, and every page says so.",
    "withdraw": "It is withdrawn; nothing changes.",
}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """What holds. A POST proposes another profile."""
    require(request, "see_run", "see which profile holds")
    if request.method != "POST":
        return _page(request)
    try:
        reason = text_of(request, "reason")
        operations.propose(_chosen(request), caller=caller_of(request), reason=reason)
    except (Refused, Invalid) as error:
        return _page(request, refusal_of(request, error))
    messages.success(request, "It is proposed, and every page says so.")
    return redirect("profile")


@require_POST
@login_required
def settle(request: HttpRequest, pk: UUID, act: str) -> HttpResponse:
    acts = {"confirm": operations.confirm, "withdraw": operations.withdraw}
    try:
        acts[act](pk, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    except Refused as error:
        return _page(request, refusal_of(request, error))
    messages.success(request, DONE[act])
    return redirect("profile")


def _page(request: HttpRequest, refusal: Refusal | None = None) -> HttpResponse:
    person = person_of(request)
    is_bound = queries.is_bound(person)
    context = {
        "here": queries.profile(),
        "choices": list(Profile),
        "page": page_of(
            queries.changes(person), request, lambda rows: [queries.change_view(each) for each in rows]
        ),
        "is_bound": is_bound,
        "may_withdraw": is_bound or access.may(person, "manage_people"),
        "is_alone": queries.is_alone(),
        "unfillable": unfillable_gates(),
        "tabs": tabs_of_operations("profile"),
        "chosen": request.POST.get("profile", ""),
        "reason": request.POST.get("reason", ""),
        "refusal": refusal,
    }
    return render(request, "profile.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _chosen(request: HttpRequest) -> Profile:
    try:
        return Profile(request.POST.get("profile", ""))
    except ValueError:
        raise Invalid([("/profile", "Choose a profile.")]) from None
