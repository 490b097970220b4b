"""Playbooks: the list, one version with its graph and its text, drafts, and starting a run."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from playbooks import access
from playbooks.domain.check import check
from playbooks.domain.problems import Problem
from playbooks.operations import playbooks as operations
from playbooks.operations.actions import actions
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused, Unsound
from playbooks.queries import playbooks as queries
from playbooks.queries import references
from playbooks.queries.playbooks import VersionRow, VersionView
from playbooks.web.callers import caller_of, person_of, require
from playbooks.web.graphs import graph_of_document
from playbooks.web.listing import page_of, search_of, searched
from playbooks.web.refusing import Refusal, refusal_of

MOVES = {
    "submit": (operations.submit, "Send to review", "The version waits for its reviewer."),
    "publish": (operations.publish, "Publish", "The version is in force."),
    "retire": (operations.retire, "Retire", "The version is out of force."),
}


@dataclass(frozen=True, slots=True)
class Move:
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Gate:
    """`late` completes "then it is …"."""

    title: str
    seats: tuple[str, ...]
    within: str
    late: str


@dataclass(frozen=True, slots=True)
class Line:
    """`change` is same, added or removed."""

    change: str
    text: str


@dataclass(frozen=True, slots=True)
class Editor:
    """What is in the editor. `problems` is None before the text was checked."""

    text: str
    problems: tuple[Problem, ...] | None = None


@require_safe
@login_required
def playbooks(request: HttpRequest) -> HttpResponse:
    person, search = person_of(request), search_of(request)
    rows = searched(queries.playbooks(person), search, "title", "slug")
    page = page_of(rows, request, lambda found: [queries.row(each) for each in found])
    may_write = access.may(person, "write_playbook")
    return render(request, "playbooks.html", {"page": page, "search": search, "may_write": may_write})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def playbook(request: HttpRequest, slug: str, number: int | None = None) -> HttpResponse:
    """A version, the one in force unless a number is named. A POST moves it on, or stores a new draft."""
    if request.method != "POST":
        return _page(request, slug, number)
    try:
        if "move" in request.POST and number is not None:
            return _move(request, slug, number)
        return _edit(request, slug, number)
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        text = request.POST.get("text")
        editor = Editor(text) if text is not None else None
        return _page(request, slug, number, refusal=refusal_of(request, error), editor=editor)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new_playbook(request: HttpRequest) -> HttpResponse:
    """The editor alone: its first draft makes the playbook."""
    require(request, "write_playbook", "write playbooks")
    if request.method != "POST":
        return render(request, "new_playbook.html", {"editor": Editor("")})
    text = request.POST.get("text", "")
    if "check" in request.POST:
        return render(request, "new_playbook.html", {"editor": _checked(text)})
    try:
        version = operations.draft(text, caller=caller_of(request))
    except Unsound as error:
        context = {"editor": Editor(text, error.problems)}
        return render(request, "new_playbook.html", context, status=HTTPStatus.BAD_REQUEST)
    except Refused as error:
        refusal = refusal_of(request, error)
        page = {"editor": Editor(text), "refusal": refusal}
        return render(request, "new_playbook.html", page, status=refusal.status)
    return redirect("playbook-version", slug=version.playbook.slug, number=version.number)


@require_POST
@login_required
def check_playbook(request: HttpRequest) -> HttpResponse:
    """The problems of the text in the editor, for the page that asks while somebody types."""
    require(request, "write_playbook", "write playbooks")
    return render(
        request, "partials/problems.html", {"problems": _checked(request.POST.get("text", "")).problems}
    )


def _move(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    move, _, sentence = MOVES.get(request.POST["move"], (None, "", ""))
    if move is None:
        raise Invalid([("/move", "Choose one of the moves on the page.")])
    move(slug, number, caller=caller_of(request))
    messages.success(request, sentence)
    return redirect("playbook-version", slug=slug, number=number)


def _edit(request: HttpRequest, slug: str, number: int | None) -> HttpResponse:
    text = request.POST.get("text", "")
    if "check" in request.POST:
        return _page(request, slug, number, editor=_checked(text))
    try:
        version = operations.draft(text, caller=caller_of(request), slug=slug)
    except Unsound as error:
        return _page(
            request, slug, number, editor=Editor(text, error.problems), status=HTTPStatus.BAD_REQUEST
        )
    messages.success(request, f"Stored as version {version.number}, a draft.")
    return redirect("playbook-version", slug=slug, number=version.number)


def _checked(text: str) -> Editor:
    return Editor(text, check(text, actions()).problems)


def _page(
    request: HttpRequest,
    slug: str,
    number: int | None,
    *,
    refusal: Refusal | None = None,
    editor: Editor | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    person = person_of(request)
    view = queries.playbook_view(slug, person)
    if view is None:
        raise Http404(f"There is no playbook {slug}.")
    version = queries.version_view(slug, number or view.published or view.versions[0].number, person)
    if version is None:
        raise Http404(f"There is no version {number} of {slug}.")
    before = _before(view.versions, version.number)
    older = queries.version_view(slug, before, person) if before else None
    context = {
        "playbook": view,
        "version": version,
        "moves": [Move(name, MOVES[name][1]) for name in version.may],
        "gates": list(gates_of(version)),
        "graph": graph_of_document(version.document),
        "before": before,
        "diff": _diff(older, version),
        "editor": editor or Editor(version.source),
        "is_editing": editor is not None,
        "refusal": refusal,
    }
    return render(request, "playbook.html", context, status=refusal.status if refusal else status)


def _before(versions: Sequence[VersionRow], number: int) -> int | None:
    """The newest earlier version that was in force: what a reviewer compares with."""
    earlier = (each.number for each in versions if each.number < number and each.published_at)
    return next(earlier, None)


def _diff(older: VersionView | None, newer: VersionView) -> list[Line]:
    """The changed lines with three around them; empty when there is nothing to compare."""
    if older is None:
        return []
    lines = difflib.unified_diff(older.source.splitlines(), newer.source.splitlines(), lineterm="", n=3)
    kinds = {"+": "added", "-": "removed", " ": "same", "@": "same"}
    return [Line(kinds[line[0]], line[1:] if line[0] != "@" else "…") for line in list(lines)[2:]]


def gates_of(version: VersionView) -> Iterator[Gate]:
    for step in version.document["steps"]:
        if "approve" in step:
            yield _gate(step)


def _gate(step: dict[str, Any]) -> Gate:
    late = {"deny": "denied", "escalate": "escalated", "hold": "held open"}[step.get("late", "deny")]
    seats = tuple(references.role_title(seat["role"]) for seat in step["seats"])
    return Gate(step["approve"], seats, step.get("within", "4h"), late)
