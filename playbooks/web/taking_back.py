"""Taking back a decision or a request, striking items, asking again what was denied: forms on the page of a request."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from playbooks.operations import denied, strikes, withdrawals
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.web.approvals import digest_of, page
from playbooks.web.callers import caller_of, text_of
from playbooks.web.refusing import refusal_of


@require_POST
@login_required
def withdraw_decision(request: HttpRequest, pk: UUID) -> HttpResponse:
    def act() -> HttpResponse:
        withdrawals.withdraw_decision(pk, caller=caller_of(request), reason=text_of(request, "reason"))
        messages.success(request, "Your decision counts no more. It stays in the log, with your reason.")
        return redirect("approval", pk=pk)

    return _answered(request, pk, act)


@require_POST
@login_required
def withdraw_request(request: HttpRequest, pk: UUID) -> HttpResponse:
    def act() -> HttpResponse:
        withdrawals.withdraw_request(pk, caller=caller_of(request), reason=text_of(request, "reason"))
        messages.success(request, "The request is taken back: nothing behind this gate runs.")
        return redirect("approval", pk=pk)

    return _answered(request, pk, act)


@require_POST
@login_required
def strike(request: HttpRequest, pk: UUID) -> HttpResponse:
    def act() -> HttpResponse:
        left = strikes.strike(
            pk,
            caller=caller_of(request),
            steps=request.POST.getlist("step"),
            shown_digest=digest_of(request),
            reason=text_of(request, "reason"),
        )
        messages.success(request, "They are struck. This is what is left to decide.")
        return redirect("approval", pk=left.pk)

    return _answered(request, pk, act)


@require_POST
@login_required
def ask_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    def act() -> HttpResponse:
        run = denied.ask_again(pk, caller=caller_of(request), evidence=text_of(request, "evidence"))
        messages.success(request, "It is asked again, of other people. This run takes over what was done.")
        return redirect("run", pk=run.pk)

    return _answered(request, pk, act)


def _answered(request: HttpRequest, pk: UUID, act: Callable[[], HttpResponse]) -> HttpResponse:
    """What `act` answers, or the page of the request with the refusal."""
    try:
        return act()
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return page(request, pk, refusal=refusal_of(request, error))
