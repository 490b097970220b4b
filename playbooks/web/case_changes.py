"""Who may see a case, and whom it is about: the changes that its page offers to whoever works on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.urls import reverse

from playbooks.operations import confidences
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Missing
from playbooks.operations.rights import Blocked
from playbooks.web.changing import COUNTS, HISTORY, WAITS, Change, Form


def _restrict(caller: Caller, form: Form) -> Sequence[Blocked]:
    return confidences.restrict(_key(form), caller=caller, named=(), reason=form["reason"])


def _release(caller: Caller, form: Form) -> None:
    confidences.release(_key(form), caller=caller, reason=form["reason"])


def _name_on_case(caller: Caller, form: Form) -> Sequence[Blocked]:
    return confidences.restrict(_key(form), caller=caller, named=[form["person"]], reason=form["reason"])


def _name_subject(caller: Caller, form: Form) -> Sequence[Blocked]:
    return confidences.name_subject(_key(form), form["person"], caller=caller, reason=form["reason"])


def _clear_subject(caller: Caller, form: Form) -> None:
    confidences.clear_subject(_key(form), form["person"], caller=caller, reason=form["reason"])


def _case(form: Form) -> str:
    return reverse("case", args=[_key(form)])


def _key(form: Form) -> UUID:
    try:
        return UUID(form["case"])
    except ValueError:
        raise Missing(f"There is no case {form['case'][:40]}.") from None


OF_CASES: Mapping[str, Change] = {
    "restrict-case": Change(
        "Keep everybody else out of this case?",
        ("From now on you see it, and whom you name afterwards. No role and no team opens it.", WAITS),
        "The case is restricted. Name on it who is to see it.",
        ("case", "reason"),
        _restrict,
        _case,
        is_taking=True,
    ),
    "release-case": Change(
        "Let this case be seen again?",
        ("Whoever's role and team allow it sees it at once. Who was named stays named.",),
        "The case is released.",
        ("case", "reason"),
        _release,
        _case,
    ),
    "name-on-case": Change(
        "Name {person} on this case?",
        ("They see it, and decide what their roles let them decide in it.", COUNTS),
        "{person} is named on the case.",
        ("case", "person", "reason"),
        _name_on_case,
        _case,
        is_giving=True,
    ),
    "name-subject": Change(
        "Is this case about {person}?",
        ("They neither see it nor decide anything in it from now on, whatever their roles are.", WAITS),
        "The case is about {person}.",
        ("case", "person", "reason"),
        _name_subject,
        _case,
        is_taking=True,
    ),
    "clear-subject": Change(
        "Is this case not about {person}?",
        ("They see it again, and decide what their roles let them decide in it.", HISTORY),
        "The case is not about {person}.",
        ("case", "person", "reason"),
        _clear_subject,
        _case,
    ),
}
