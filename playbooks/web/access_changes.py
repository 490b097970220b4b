"""Giving and taking of roles, teams and rights: each asks once more and says what follows, then does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from playbooks.operations import grants, roles, teams
from playbooks.operations.caller import Caller
from playbooks.operations.grants import To
from playbooks.operations.refusals import Invalid, LostRace, Missing, Refused
from playbooks.operations.rights import Blocked
from playbooks.web.callers import caller_of, require, text_of
from playbooks.web.case_changes import OF_CASES
from playbooks.web.changing import COUNTS, HISTORY, STAYS, WAITS, Change, Form
from playbooks.web.refusing import Refusal, refusal_of
from playbooks.web.stepping_up import GIVING, take_proof, ways


@require_POST
@login_required
def change(request: HttpRequest) -> HttpResponse:
    """The first POST shows what would follow, the confirmed one does it."""
    wanted = CHANGES.get(request.POST.get("do", ""))
    if wanted is None:
        raise Http404("There is no such change.")
    if request.POST["do"] not in ON_OBJECTS:
        require(request, "manage_people", "give and take roles and teams")
    form: dict[str, str] = {}
    try:
        form = {name: " ".join(request.POST.getlist(name)) for name in wanted.fields}
        form |= {name: text_of(request, name) for name in wanted.fields if name == "reason"}
        if not request.POST.get("confirmed"):
            return _confirm(request, wanted, form)
        if wanted.is_giving:
            take_proof(request, GIVING)
        blocked = wanted.perform(caller_of(request), form)
    except Missing as error:
        raise Http404(str(error)) from error
    except (Refused, Invalid, LostRace) as error:
        return _confirm(request, wanted, form, refusal=refusal_of(request, error))
    messages.success(request, wanted.done.format(**form))
    for each in blocked or ():
        messages.warning(
            request, f"Nobody can grant this any more as people and roles are now: “{each.question}”"
        )
    return redirect(wanted.back(form))


def _confirm(
    request: HttpRequest, wanted: Change, form: Form, *, refusal: Refusal | None = None
) -> HttpResponse:
    back = wanted.back(form)
    context = {
        "question": wanted.question.format(**form),
        "points": wanted.points,
        "do": request.POST["do"],
        "form": {name: value for name, value in form.items() if name != "permissions"},
        "permissions": form.get("permissions", "").split(),
        "back": back,
        "ways": ways(request, GIVING, back=back) if wanted.is_giving else None,
        "is_taking": wanted.is_taking,
        "reason": form.get("reason", ""),
        "refusal": refusal,
    }
    status = refusal.status if refusal else HTTPStatus.OK
    return render(request, "access_confirm.html", context, status=status)


def _person(form: Form) -> str:
    return reverse("access-person", args=[form["person"]]) if _is_slug(form["person"]) else reverse("access")


def _role(form: Form) -> str:
    return reverse("access-role", args=[form["role"]]) if _is_slug(form["role"]) else reverse("access-roles")


def _team(form: Form) -> str:
    return reverse("access-team", args=[form["team"]]) if _is_slug(form["team"]) else reverse("access-teams")


def _rights(_form: Form) -> str:
    return reverse("access-rights")


def _is_slug(text: str) -> bool:
    return bool(text) and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def _give_role(caller: Caller, form: Form) -> None:
    roles.give(form["person"], form["role"], caller=caller)


def _take_role(caller: Caller, form: Form) -> Sequence[Blocked]:
    return roles.take(form["person"], form["role"], caller=caller)


def _join(caller: Caller, form: Form) -> None:
    teams.add(form["team"], form["person"], caller=caller)


def _leave(caller: Caller, form: Form) -> Sequence[Blocked]:
    return teams.remove(form["team"], form["person"], caller=caller)


def _make_team(caller: Caller, form: Form) -> None:
    teams.create(form["team"], caller=caller, name=form["name"])


def _rename_team(caller: Caller, form: Form) -> None:
    teams.rename(form["team"], caller=caller, name=form["name"])


def _end_team(caller: Caller, form: Form) -> Sequence[Blocked]:
    return teams.end(form["team"], caller=caller)[1]


def _assign(caller: Caller, form: Form) -> Sequence[Blocked]:
    return teams.assign(form["kind"], form["key"], caller=caller, team=form["team"])


def _make_role(caller: Caller, form: Form) -> None:
    roles.create(form["role"], caller=caller, title=form["name"], permissions=form["permissions"].split())


def _change_role(caller: Caller, form: Form) -> None:
    roles.change(form["role"], caller=caller, title=form["name"], permissions=form["permissions"].split())


def _end_role(caller: Caller, form: Form) -> Sequence[Blocked]:
    return roles.end(form["role"], caller=caller)


def _deactivate(caller: Caller, form: Form) -> Sequence[Blocked]:
    return roles.deactivate(form["person"], caller=caller)


def _give_right(caller: Caller, form: Form) -> None:
    to = To(person=form["person"], role="" if form["person"] else form["role"])
    grants.give(
        form["kind"],
        form["key"],
        caller=caller,
        to=to,
        permission=form["permission"],
        reason=form["reason"],
        until=_moment(form["until"]),
    )


def _take_right(caller: Caller, form: Form) -> Sequence[Blocked]:
    to = To(person=form["person"], role=form["role"])
    return grants.take(form["kind"], form["key"], caller=caller, to=to, permission=form["permission"])


def _moment(text: str) -> datetime | None:
    """What a field of the kind datetime-local says, as UTC, as all times are shown."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        raise Invalid([("/until", f"{text[:40]} is no moment.")]) from None


RIGHT = ("kind", "key", "permission", "person", "role")
ON_OBJECTS = frozenset({"give-right", "take-right", *OF_CASES})  # by who works on it, without managing people
CHANGES: Mapping[str, Change] = {
    "give-role": Change(
        "Give {person} the role {role}?",
        (COUNTS, STAYS),
        "{person} has the role {role}.",
        ("person", "role"),
        _give_role,
        _person,
        is_giving=True,
    ),
    "take-role": Change(
        "Take the role {role} from {person}?",
        ("What they approved with it and did not run yet counts no more.", WAITS, HISTORY),
        "{person} has the role {role} no more.",
        ("person", "role"),
        _take_role,
        _person,
        is_taking=True,
    ),
    "join-team": Change(
        "Take {person} into the team {team}?",
        ("They see what belongs to the team, and decide what their roles let them decide there.", COUNTS),
        "{person} belongs to the team {team}.",
        ("team", "person"),
        _join,
        _team,
        is_giving=True,
    ),
    "leave-team": Change(
        "Take {person} out of the team {team}?",
        ("They no longer see what belongs to the team.", WAITS, HISTORY),
        "{person} belongs to the team {team} no more.",
        ("team", "person"),
        _leave,
        _team,
        is_taking=True,
    ),
    "make-team": Change(
        "Make the team {name} ({team})?",
        ("It has nobody and nothing yet. The short name stays with it for ever and is never given again.",),
        "The team {name} is there.",
        ("team", "name"),
        _make_team,
        _team,
    ),
    "rename-team": Change(
        "Call the team {team} {name}?",
        ("It stays the same team: who belongs to it, and what does, stays so.",),
        "The team is called {name}.",
        ("team", "name"),
        _rename_team,
        _team,
    ),
    "end-team": Change(
        "End the team {team}?",
        (
            "Nobody belongs to it any more, and what belongs to it is out of reach until it is given elsewhere.",
            WAITS,
            HISTORY,
        ),
        "The team {team} has ended.",
        ("team",),
        _end_team,
        _team,
        is_taking=True,
    ),
    "assign": Change(
        "Give the {kind} {key} to the team {team}?",
        ("From then on its members see it, and those who read what belongs to any team.", WAITS),
        "The {kind} {key} belongs to the team {team}.",
        ("kind", "key", "team"),
        _assign,
        _team,
    ),
    "make-role": Change(
        "Make the role {name} ({role})?",
        ("Nobody holds it yet. A playbook's seat can name it by its short name.",),
        "The role {name} is there.",
        ("role", "name", "permissions"),
        _make_role,
        _role,
    ),
    "change-role": Change(
        "Change what the role {role} permits?",
        ("It holds at once for everybody who has the role.",),
        "The role {role} is changed.",
        ("role", "name", "permissions"),
        _change_role,
        _role,
        is_giving=True,
    ),
    "end-role": Change(
        "End the role {role}?",
        ("Nobody holds it any more, and its short name is never given again.", WAITS, HISTORY),
        "The role {role} has ended.",
        ("role",),
        _end_role,
        _role,
        is_taking=True,
    ),
    "deactivate": Change(
        "Deactivate {person}?",
        ("They cannot sign in, and no token and no approval of theirs counts any more.", WAITS, HISTORY),
        "{person} is deactivated.",
        ("person",),
        _deactivate,
        _person,
        is_taking=True,
    ),
    "give-right": Change(
        "Give {person}{role} {permission} on the {kind} {key}?",
        ("It opens this object alone, whatever team it belongs to. It is no right to decide an approval.",),
        "The right is given.",
        (*RIGHT, "reason", "until"),
        _give_right,
        _rights,
        is_giving=True,
    ),
    "take-right": Change(
        "Take {permission} on the {kind} {key} from {person}{role}?",
        (WAITS, HISTORY),
        "The right is taken.",
        RIGHT,
        _take_right,
        _rights,
        is_taking=True,
    ),
    **OF_CASES,
}
