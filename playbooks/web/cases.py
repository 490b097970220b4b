"""Cases: the list, and one case with its alerts, its runs and its timeline."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from playbooks import access
from playbooks.domain.statuses import CaseStatus
from playbooks.models import Principal
from playbooks.operations import cases as operations
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.queries import cases as queries
from playbooks.queries import rights
from playbooks.queries.cases import CaseView
from playbooks.web.callers import caller_of, person_of, text_of
from playbooks.web.listing import choice, filters, page_of, search_of, searched
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.timeline import Event

STATUSES = {
    "": "All",
    CaseStatus.OPEN: "Open",
    CaseStatus.CONTAINED: "Contained",
    CaseStatus.CLOSED: "Closed",
}


@require_safe
@login_required
def cases(request: HttpRequest) -> HttpResponse:
    status, search = choice(request, "status", STATUSES), search_of(request)
    rows = searched(queries.cases(person_of(request)), search, "title", "owner__name")
    rows = rows.filter(status=status) if status else rows
    page = page_of(rows, request, lambda found: [queries.row(each) for each in found])
    context = {"page": page, "filters": filters(request, "status", STATUSES), "search": search}
    return render(request, "cases.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def case(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One case; a POST closes it with a resolution."""
    if request.method != "POST":
        return _page(request, pk)
    try:
        operations.close(pk, caller=caller_of(request), resolution=text_of(request, "resolution"))
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return _page(request, pk, refusal=refusal_of(request, error))
    messages.success(request, "The case is closed.")
    return redirect("case", pk=pk)


def _page(request: HttpRequest, pk: UUID, *, refusal: Refusal | None = None) -> HttpResponse:
    person = person_of(request)
    view = queries.case_view(pk, person)
    if view is None:
        raise Http404(f"There is no case {pk}.")
    context = {
        "case": view,
        "events": sorted(_events(view), key=lambda event: event.at),
        **_confidence(view, person),
        "may_export": access.may(person, "export_audit"),
        "refusal": refusal,
        "resolution": request.POST.get("resolution", ""),
    }
    return render(request, "case.html", context, status=refusal.status if refusal else HTTPStatus.OK)


def _confidence(view: CaseView, person: Principal) -> dict[str, object]:
    """Who is named on a restricted case, and whom one could name, for whoever works on it."""
    if not view.may_work:
        return {}
    named = rights.grants(person, kind="case", key=str(view.id)) if view.is_restricted else ()
    return {"rights": named, "people": rights.people_choices(person)}


def _events(case: CaseView) -> list[Event]:
    events = [Event(case.opened_at, "The case was opened", CaseStatus.OPEN)]
    for alert in case.alerts:
        url = reverse("alert", args=[alert.id])
        events.append(Event(alert.received_at, f"Alert: {alert.title}", alert.status, url))
    for run in case.runs:
        url = reverse("run", args=[run.id])
        events.append(Event(run.created_at, f"Run of {run.version.title} began", "running", url))
        if run.ended_at:
            events.append(Event(run.ended_at, f"Run of {run.version.title} ended", run.status, url))
    if case.closed_at:
        events.append(Event(case.closed_at, "The case was closed", CaseStatus.CLOSED))
    return events
