"""Operations: what is held, placing and releasing holds, and what is to be taken back by itself."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from playbooks import access
from playbooks.domain.statuses import EXPIRY_OVER, ExpiryStatus
from playbooks.models import HoldScope
from playbooks.operations import holds as operations
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.queries import expiries as expiry_queries
from playbooks.queries import holds as queries
from playbooks.queries.holds import Holdable
from playbooks.web.callers import caller_of, person_of, require, text_of
from playbooks.web.listing import Filter, choice, filters, page_of
from playbooks.web.refusing import Refusal, refusal_of

EXPIRIES = {"": "To come", "tried": "Tried in vain", "over": "Over"}
SEE = ("see_run", "see what is held and what expires")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def holds(request: HttpRequest) -> HttpResponse:
    """What is held. A POST places a hold: the first shows what it would meet, the confirmed one places it."""
    require(request, *SEE)
    if request.method != "POST":
        return _page(request)
    try:
        scope, name = _what(request)
        reason = text_of(request, "reason")
        if not reason.strip():
            raise Invalid([("/reason", "Say why, for those who will wonder why nothing goes on.")])
        if not request.POST.get("confirmed"):
            return _confirm(request, scope, name, reason)
        operations.place(scope, caller=caller_of(request), name=name, reason=reason)
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return _page(request, refusal=refusal_of(request, error))
    messages.success(
        request, "It is held: nothing that it covers begins any more until somebody releases it."
    )
    return redirect("holds")


@require_POST
@login_required
def release(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        operations.release(pk, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, LostRace) as error:
        return _page(request, refusal=refusal_of(request, error))
    messages.success(request, "It is released: what was held back goes on within seconds.")
    return redirect("holds")


@require_safe
@login_required
def expiries(request: HttpRequest) -> HttpResponse:
    require(request, *SEE)
    person = person_of(request)
    rows = expiry_queries.expiries(person)
    shown = choice(request, "show", EXPIRIES)
    coming = rows.filter(status__in=[ExpiryStatus.ACTIVE, ExpiryStatus.UNDOING])
    if shown == "over":
        rows = rows.filter(status__in=[ExpiryStatus.RELEASED, *EXPIRY_OVER]).order_by("-due_at", "pk")
    else:
        rows = coming.filter(tries__gt=0) if shown else coming
    context = {
        "tabs": tabs_of_operations("expiries"),
        "page": page_of(rows, request, lambda found: expiry_queries.views(found, person)),
        "filters": filters(request, "show", EXPIRIES),
        "is_over": shown == "over",
    }
    return render(request, "expiries.html", context)


def _page(request: HttpRequest, *, refusal: Refusal | None = None) -> HttpResponse:
    person = person_of(request)
    released = queries.holds(person).filter(released_at__isnull=False).order_by("-released_at", "-pk")
    may_place = access.may(person, "place_hold")
    context = {
        "tabs": tabs_of_operations("holds"),
        "held": [queries.view(each) for each in queries.in_force(person)],
        "page": page_of(released, request, lambda found: [queries.view(each) for each in found]),
        "may_place": may_place,
        "groups": _groups(queries.holdables(person)) if may_place else [],
        "what": request.POST.get("what") or request.GET.get("what", ""),
        "reason": request.POST.get("reason", ""),
        "refusal": refusal,
    }
    return render(request, "holds.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _confirm(request: HttpRequest, scope: HoldScope, name: str, reason: str) -> HttpResponse:
    """What the hold would meet, so that nobody stops everything by a slip."""
    require(request, "place_hold", "place holds")
    chosen = [
        each for each in queries.holdables(person_of(request)) if (each.scope, each.name) == (scope, name)
    ]
    if not chosen:
        raise Missing(f"There is no {scope.value} {name}.")
    context = {
        "chosen": chosen[0],
        "what": request.POST["what"],
        "reason": reason,
        "reach": queries.reach(scope, name),
    }
    return render(request, "hold_confirm.html", context)


def _what(request: HttpRequest) -> tuple[HoldScope, str]:
    """`everything`, `playbook:SLUG` or `connection:NAME`, as the form's choices say."""
    scope, _, name = request.POST.get("what", "").partition(":")
    try:
        return HoldScope(scope), name
    except ValueError:
        raise Invalid([("/what", "Choose what to hold.")]) from None


def _groups(rows: list[Holdable]) -> list[tuple[str, list[Holdable]]]:
    """The choices of the form, under their headings."""
    titles = {HoldScope.EVERYTHING: "", HoldScope.PLAYBOOK: "Playbooks", HoldScope.CONNECTION: "Connections"}
    return [(title, [each for each in rows if each.scope == scope]) for scope, title in titles.items()]


def tabs_of_operations(active: str) -> list[Filter]:
    pages = {"holds": "Holds", "expiries": "Expiries", "reviews": "Reviews", "profile": "Profile"}
    return [Filter(label, reverse(name), name == active) for name, label in pages.items()]
