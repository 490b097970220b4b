"""On call: who is, who will be, and publishing and withdrawing shifts."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_POST

from playbooks import access
from playbooks.operations import rotas as operations
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.operations.rotas import Planned
from playbooks.queries import rotas as queries
from playbooks.queries.delegations import everybody
from playbooks.web.callers import caller_of, person_of, require
from playbooks.web.delegations import moment_of
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.stepping_up import GIVING, take_proof, ways

SEE = ("see_people", "see who is on call")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def rotas(request: HttpRequest) -> HttpResponse:
    """The rotas. A POST publishes one shift."""
    require(request, *SEE)
    if request.method != "POST":
        return _page(request)
    try:
        title = request.POST.get("rota", "").strip()[:64]
        take_proof(request, GIVING)
        operations.publish(_name(title), caller=caller_of(request), title=title, shifts=[_planned(request)])
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return _page(request, refusal=refusal_of(request, error))
    messages.success(request, "It is published. It counts once it has been known for a day.")
    return redirect("rotas")


@require_POST
@login_required
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        operations.withdraw(pk, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, LostRace) as error:
        return _page(request, refusal=refusal_of(request, error))
    messages.success(request, "The shift is withdrawn, at once.")
    return redirect("rotas")


def _page(request: HttpRequest, *, refusal: Refusal | None = None) -> HttpResponse:
    require(request, *SEE)
    person, now = person_of(request), timezone.now()
    may_publish = access.may(person, "manage_people")
    context = {
        "rotas": [queries.view(row, now) for row in queries.rotas(person, now)],
        "may_publish": may_publish,
        "candidates": everybody(person) if may_publish else [],
        "given": request.POST,
        "ways": ways(request, GIVING, back=reverse("rotas")) if may_publish else None,
        "refusal": refusal,
    }
    return render(request, "rotas.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _name(title: str) -> str:
    name = slugify(title)
    if not name or not name[0].isalpha():
        raise Invalid(
            [("/rota", "Name the rota by a word such as network, as a gate names it in its seats.")]
        )
    return name


def _planned(request: HttpRequest) -> Planned:
    begins_at = moment_of(request, "begins_at", required=True)
    ends_at = moment_of(request, "ends_at", required=True)
    return Planned(
        request.POST.get("person", "")[:64], begins_at or timezone.now(), ends_at or timezone.now()
    )
