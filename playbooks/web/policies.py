"""Policies: the list, one version with what it changes and who may move it on, and drafts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from playbooks import access
from playbooks.domain.duties import Denial
from playbooks.domain.problems import Problem
from playbooks.domain.seat_names import seat_name
from playbooks.operations import policies as operations
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused, Unsound
from playbooks.queries import policies as queries
from playbooks.queries.policies import PolicyDifferences, PolicyVersionRow, PolicyVersionView
from playbooks.queries.references import role_title
from playbooks.web.callers import caller_of, person_of, require, text_of
from playbooks.web.listing import Filter, page_of, search_of, searched
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.reviewing import Line, Point, line_of, point_of

MOVES: Mapping[str, tuple[Callable[..., object], str]] = {
    "submit": (operations.submit, "The version waits for its reviewer."),
    "second": (operations.second, "You have agreed. Somebody else puts it in force."),
    "publish": (operations.publish, "The version is in force, for every step that is claimed from now on."),
    "send_back": (operations.send_back, "The version is a draft again, with your reason in its history."),
    "retire": (operations.retire, "Your word is in its history."),
}
WITH_REASON = frozenset({"send_back", "retire"})
SEE = ("see_policy", "see policies")
TABS = {"policies": "Policies", "policy-explain": "Explain", "never-touch": "Never touch"}


@dataclass(frozen=True, slots=True)
class Editor:
    """What is in the editor. `problems` is None before the text was checked."""

    text: str
    problems: tuple[Problem, ...] | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """From version `old` to version `new`, as partials/changes.html shows them."""

    old: int
    new: int
    points: tuple[Point, ...]
    lines: tuple[Line, ...]
    steps: tuple[()] = ()


def tabs(active: str) -> list[Filter]:
    return [Filter(label, reverse(name), active=name == active) for name, label in TABS.items()]


@require_safe
@login_required
def policies(request: HttpRequest) -> HttpResponse:
    require(request, *SEE)
    person, search = person_of(request), search_of(request)
    rows = searched(queries.policies(person), search, "title", "slug")
    context = {
        "tabs": tabs("policies"),
        "page": page_of(rows, request, queries.rows),
        "search": search,
        "may_write": access.may(person, "write_policy"),
    }
    return render(request, "policies.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def policy(request: HttpRequest, slug: str, number: int | None = None) -> HttpResponse:
    """A version, the one in force unless a number is named. A POST moves it on, or stores a new draft."""
    require(request, *SEE)
    if request.method != "POST":
        return _page(request, slug, number)
    try:
        if "move" in request.POST and number is not None:
            return _move(request, slug, number)
        return _edit(request, slug, number)
    except Missing as error:
        raise Http404(str(error)) from error
    except Unsound as error:
        sentences = (f"Line {each.line}: {each.message}." for each in error.problems)
        refusal = Refusal(HTTPStatus.BAD_REQUEST, tuple(Denial("", each) for each in sentences))
        return _page(request, slug, number, refusal=refusal)
    except (Refused, Invalid, LostRace) as error:
        text = request.POST.get("text")
        editor = Editor(text) if text is not None else None
        return _page(request, slug, number, refusal=refusal_of(request, error), editor=editor)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new_policy(request: HttpRequest) -> HttpResponse:
    """The editor alone: its first draft makes the policy."""
    require(request, "write_policy", "write policies")
    if request.method != "POST":
        return render(request, "new_policy.html", {"editor": Editor("")})
    text = request.POST.get("text", "")
    if "check" in request.POST:
        return render(request, "new_policy.html", {"editor": _checked(text)})
    try:
        version = operations.draft(text, caller=caller_of(request))
    except Unsound as error:
        context = {"editor": Editor(text, error.problems)}
        return render(request, "new_policy.html", context, status=HTTPStatus.BAD_REQUEST)
    except Refused as error:
        refusal = refusal_of(request, error)
        page = {"editor": Editor(text), "refusal": refusal}
        return render(request, "new_policy.html", page, status=refusal.status)
    return redirect("policy-version", slug=version.policy.slug, number=version.number)


@require_POST
@login_required
def check_policy(request: HttpRequest) -> HttpResponse:
    """The problems of the text in the editor, for the page that asks while somebody types."""
    require(request, "write_policy", "write policies")
    problems = _checked(request.POST.get("text", "")).problems
    return render(request, "partials/problems.html", {"problems": problems})


def _move(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    name = request.POST["move"]
    if name not in MOVES:
        raise Invalid([("/move", "Choose one of the moves on the page.")])
    move, sentence = MOVES[name]
    more = {"reason": text_of(request, "reason")} if name in WITH_REASON else {}
    move(slug, number, caller=caller_of(request), **more)
    messages.success(request, sentence)
    return redirect("policy-version", slug=slug, number=number)


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
    return redirect("policy-version", slug=slug, number=version.number)


def _checked(text: str) -> Editor:
    return Editor(text, operations.checked(text).problems)


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
    view = queries.policy_view(slug, person)
    if view is None:
        raise Http404(f"There is no policy {slug}.")
    version = queries.version_view(slug, number or view.in_force or view.latest, person)
    if version is None:
        raise Http404(f"There is no version {number} of {slug}.")
    context = {
        "policy": view,
        "version": version,
        "seats": _seats(version, "require"),
        "seats_of_limit": _seats(version, "limit"),
        "countersigners": _seats(version, "provisional"),
        "told": [role_title(seat_name(each)) for each in version.document.get("notify", {}).get("to", [])],
        "denials": _denials(request, version),
        "changes": _changes(request, version, view.versions),
        "editor": editor or Editor(version.source),
        "is_editing": editor is not None or "edit" in request.GET,
        "refusal": refusal,
        "may_simulate": access.may(person, "see_run"),
    }
    return render(request, "policy.html", context, status=refusal.status if refusal else status)


def _seats(version: PolicyVersionView, part: str) -> list[tuple[str, list[str]]]:
    """(who, the roles of a gate that will do as well) of each seat that this part of it asks, by their titles."""
    seats = version.document.get(part, {}).get("seats", [])
    return [
        (role_title(seat_name(each)), [role_title(role) for role in each.get("met_by", [])]) for each in seats
    ]


def _denials(request: HttpRequest, version: PolicyVersionView) -> Sequence[Denial]:
    """Why this person cannot put the version in force, though a role would let them."""
    if "publish" not in version.may:
        return ()
    return operations.publishing_denials(version.policy, version.number, caller=caller_of(request))


def _changes(
    request: HttpRequest, version: PolicyVersionView, versions: Sequence[PolicyVersionRow]
) -> Changes | None:
    """Against the version that the address names, else the newest earlier one that was in force."""
    named = request.GET.get("against", "")
    other = next((each.number for each in versions if str(each.number) == named), None) or next(
        (each.number for each in versions if each.number < version.number and each.published_at), None
    )
    if other is None or other == version.number:
        return None
    view = queries.differences(version.policy, version.number, other, person_of(request))
    return _shown(view) if view else None


def _shown(view: PolicyDifferences) -> Changes:
    return Changes(
        old=view.old,
        new=view.new,
        points=tuple(point_of(each) for each in view.governance),
        lines=tuple(line_of(each) for each in view.text.splitlines()[2:]),
    )
