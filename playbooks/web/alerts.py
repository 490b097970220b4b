"""Alerts: the list, and one alert with what came of it."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from playbooks import access
from playbooks.domain.statuses import AlertStatus
from playbooks.models import Principal
from playbooks.operations import alerts as operations
from playbooks.operations.refusals import LostRace, Missing, Refused
from playbooks.queries import alerts as queries
from playbooks.queries import playbooks
from playbooks.queries.playbooks import PlaybookRow
from playbooks.web.callers import caller_of, person_of
from playbooks.web.listing import choice, filters, page_of, search_of, searched
from playbooks.web.refusing import Refusal, refusal_of

STATUSES = {
    "": "All",
    AlertStatus.NEW: "New",
    AlertStatus.TRIAGED: "Triaged",
    AlertStatus.CLOSED: "Closed",
}


@require_safe
@login_required
def alerts(request: HttpRequest) -> HttpResponse:
    status, search = choice(request, "status", STATUSES), search_of(request)
    rows = searched(
        queries.alerts(person_of(request)), search, "title", "source__slug", "category", "observables"
    )
    rows = rows.filter(status=status) if status else rows
    page = page_of(rows, request, lambda found: [queries.row(each) for each in found])
    context = {"page": page, "filters": filters(request, "status", STATUSES), "search": search}
    return render(request, "alerts.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def alert(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One alert; a POST marks it as looked at."""
    if request.method != "POST":
        return _page(request, pk)
    try:
        operations.triage(pk, caller=caller_of(request))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, LostRace) as error:
        return _page(request, pk, refusal=refusal_of(request, error))
    messages.success(request, "Marked as triaged.")
    return redirect("alert", pk=pk)


def _page(request: HttpRequest, pk: UUID, *, refusal: Refusal | None = None) -> HttpResponse:
    person = person_of(request)
    view = queries.alert_view(pk, person)
    if view is None:
        raise Http404(f"There is no alert {pk}.")
    context = {"alert": view, "startable": _startable(person), "refusal": refusal}
    return render(request, "alert.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _startable(person: Principal) -> list[PlaybookRow]:
    """The playbooks in force, for who may start runs."""
    if not access.may(person, "start_run"):
        return []
    rows = [playbooks.row(each) for each in playbooks.playbooks(person)]
    return [each for each in rows if each.published is not None]
