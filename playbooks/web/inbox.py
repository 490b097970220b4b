"""The inbox: what the person may decide now, what others decide, and what the person asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from playbooks.domain.statuses import RequestStatus
from playbooks.models import ApprovalRequest, Principal
from playbooks.queries import approvals, break_glass, questions
from playbooks.queries.approvals import RequestView
from playbooks.queries.unresolved import unresolved
from playbooks.web.callers import person_of
from playbooks.web.listing import choice, filters, page_of, search_of, searched

AT_ONCE = 50
SHOW = {
    "": "Waiting",
    "asked": "I asked for",
    "owed": "My teams owe",
    "all": "All requests",
    "questions": "Questions",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Open requests: each is in exactly one of the three."""

    decidable: tuple[RequestView, ...]
    requested: tuple[RequestView, ...]
    others: tuple[RequestView, ...]


@require_safe
@login_required
def inbox(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    tabs = filters(request, "show", SHOW)
    shown = choice(request, "show", SHOW)
    if not shown:
        context = {
            "filters": tabs,
            "waiting": _waiting(person),
            "questions": questions.rows(list(questions.asked_of(person)[:AT_ONCE]), person),
            "tasks": unresolved(person),
            "glasses": break_glass.views(list(break_glass.to_review(person)[:AT_ONCE]), person),
        }
        return render(request, "inbox.html", context)
    if shown == "questions":
        asked = page_of(questions.questions(person), request, lambda found: questions.rows(found, person))
        return render(request, "questions.html", {"filters": tabs, "page": asked})
    search = search_of(request)
    rows = searched(_rows(shown, person), search, "question", "run__case__title")
    context = {
        "filters": tabs,
        "page": page_of(rows, request, lambda found: approvals.views(found, person)),
        "title": SHOW[shown],
        "search": search,
        "also": {"show": shown},
    }
    return render(request, "requests.html", context)


def _rows(shown: str, person: Principal) -> QuerySet[ApprovalRequest]:
    if shown == "asked":
        return approvals.requested_by(person)
    if shown == "owed":
        return approvals.owed_by_teams(person)
    return approvals.requests(person).order_by("-opened_at", "-pk")


def _waiting(person: Principal) -> Waiting:
    mine = list(approvals.decidable(person)[:AT_ONCE])
    own = approvals.requested_by(person).filter(status=RequestStatus.OPEN)
    seen = approvals.requests(person).filter(status=RequestStatus.OPEN).order_by("due_at", "pk")
    views = approvals.views(_distinct([*mine, *own[:AT_ONCE], *seen[:AT_ONCE]]), person)
    blocked = [view for view in views if not view.may_decide]
    return Waiting(
        decidable=tuple(view for view in views if view.may_decide),
        requested=tuple(view for view in blocked if _asked(view, person)),
        others=tuple(view for view in blocked if not _asked(view, person)),
    )


def _distinct(rows: Sequence[ApprovalRequest]) -> list[ApprovalRequest]:
    return list({row.pk: row for row in rows}.values())


def _asked(view: RequestView, person: Principal) -> bool:
    return view.requested_by is not None and view.requested_by.id == person.pk
