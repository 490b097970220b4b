"""Playbooks: the list, one version with its graph and its text, drafts, and starting a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from playbooks import access
from playbooks.domain.check import check
from playbooks.domain.duties import Denial
from playbooks.domain.problems import Problem
from playbooks.operations import dry_runs
from playbooks.operations import playbooks as operations
from playbooks.operations.actions import actions
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused, Unsound
from playbooks.operations.runs import alert_scope
from playbooks.queries import playbooks as queries
from playbooks.queries.impact import Impact, impact
from playbooks.queries.playbooks import VersionView
from playbooks.web.callers import caller_of, person_of, require, text_of
from playbooks.web.graphs import graph_of_document
from playbooks.web.listing import page_of, search_of, searched
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.reviewing import changes_of, gates_of

MOVES: Mapping[str, tuple[Callable[..., object], str]] = {
    "submit": (operations.submit, "The version waits for its reviewer."),
    "publish": (operations.publish, "The version is in force."),
    "send_back": (operations.send_back, "The version is a draft again, with your reason in its history."),
    "retire": (operations.retire, "The version is out of force."),
}


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
    except Unsound as error:
        return _page(request, slug, number, refusal=_impossible(error))
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
    name = request.POST["move"]
    if name not in MOVES:
        raise Invalid([("/move", "Choose one of the moves on the page.")])
    move, sentence = MOVES[name]
    more = {"reason": text_of(request, "reason")} if name == "send_back" else {}
    move(slug, number, caller=caller_of(request), **more)
    messages.success(request, sentence)
    return redirect("playbook-version", slug=slug, number=number)


def _impossible(error: Unsound) -> Refusal:
    """What stands in the way of publishing a text that was sound when it was stored."""
    sentences = (f"Line {each.line}: {each.message}." for each in error.problems)
    return Refusal(HTTPStatus.BAD_REQUEST, tuple(Denial("", sentence) for sentence in sentences))


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
    context = {
        "playbook": view,
        "version": version,
        "denials": _denials(request, version),
        "impact": _impact(request, version),
        "gates": list(gates_of(version)),
        "graph": graph_of_document(version.document),
        "changes": changes_of(request, version, view.versions),
        "editor": editor or Editor(version.source),
        "is_editing": editor is not None or "edit" in request.GET,
        "refusal": refusal,
        "may_dry_run": bool(dry_runs.MAY & access.permissions_of(person)),
    }
    return render(request, "playbook.html", context, status=refusal.status if refusal else status)


def _denials(request: HttpRequest, version: VersionView) -> Sequence[Denial]:
    """Why this person cannot publish the version, though a role would let them."""
    if "publish" not in version.may:
        return ()
    return operations.publishing_denials(version.playbook, version.number, caller=caller_of(request))


def _impact(request: HttpRequest, version: VersionView) -> Impact | None:
    """For whoever has to move the version on, or may take it out of force."""
    if not {"submit", "publish", "send_back", "retire"} & {*version.may}:
        return None
    return impact(
        version.playbook, version.number, person_of(request), now=timezone.now(), scope_of=alert_scope
    )
