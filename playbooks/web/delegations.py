"""Delegations: who stands in for me, for whom I stand in, naming a substitute and ending a delegation."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from playbooks.models import Principal
from playbooks.operations import delegations as operations
from playbooks.operations.delegations import Period
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.queries import delegations as queries
from playbooks.queries.delegations import DelegationView
from playbooks.web.callers import caller_of, person_of, require, text_of
from playbooks.web.listing import page_of
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.stepping_up import GIVING, take_proof, ways

AT_ONCE = 100
SEE = ("see_people", "see who stands in for whom")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delegations(request: HttpRequest) -> HttpResponse:
    """The person's delegations. A POST names a substitute."""
    require(request, *SEE)
    if request.method != "POST":
        return _page(request)
    try:
        take_proof(request, GIVING)
        row = operations.name(
            request.POST.get("substitute", "")[:64],
            caller=caller_of(request),
            period=_period(request),
            reason=text_of(request, "reason"),
        )
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return _page(request, refusal=refusal_of(request, error))
    messages.success(request, f"{row.substitute} stands in for you until {row.ends_at:%d %b %Y, %H:%M} UTC.")
    return redirect("delegations")


@require_POST
@login_required
def end(request: HttpRequest, pk: UUID) -> HttpResponse:
    require(request, *SEE)
    try:
        operations.end(pk, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, LostRace) as error:
        return _page(request, refusal=refusal_of(request, error))
    messages.success(request, "It is ended. What was decided meanwhile stands.")
    return redirect("delegations")


def _page(request: HttpRequest, *, refusal: Refusal | None = None) -> HttpResponse:
    person, now = person_of(request), timezone.now()
    rows = queries.concerning(queries.delegations(person), person)
    views = [queries.view(each, now) for each in rows.filter(ends_at__gt=now)[:AT_ONCE]]
    current = [each for each in views if each.standing != "over"]
    context = {
        "mine": _of(current, person, is_mine=True),
        "for_me": _of(current, person, is_mine=False),
        "page": page_of(
            rows.filter(ends_at__lte=now), request, lambda found: [queries.view(each, now) for each in found]
        ),
        "candidates": queries.candidates(person),
        "given": request.POST,
        "ways": ways(request, GIVING, back=reverse("delegations")),
        "refusal": refusal,
    }
    return render(request, "delegations.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _of(views: list[DelegationView], person: Principal, *, is_mine: bool) -> list[DelegationView]:
    return [view for view in views if (view.person is not None and view.person.id == person.pk) == is_mine]


def _period(request: HttpRequest) -> Period:
    """What the form says, in UTC; from now on where it leaves the beginning out."""
    begins_at = moment_of(request, "begins_at", required=False)
    ends_at = moment_of(request, "ends_at", required=True)
    return Period(begins_at or timezone.now(), ends_at or timezone.now())


def moment_of(request: HttpRequest, field: str, *, required: bool) -> datetime | None:
    """What a field of the form says, in UTC. Raises Invalid."""
    try:
        found: datetime | None = forms.DateTimeField(required=required).clean(request.POST.get(field, ""))
    except forms.ValidationError:
        raise Invalid([(f"/{field}", "Say from when and until when, such as 2026-12-24 17:00.")]) from None
    return found
