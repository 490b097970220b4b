"""What a reviewer looks at before a version is put in force: what it changes, and what that would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from playbooks.domain.change_rules import Governance, Severity
from playbooks.domain.differences import KeyChange, StepChange
from playbooks.domain.seat_names import seat_name
from playbooks.queries import references
from playbooks.queries.differences import DifferencesView, differences_view
from playbooks.queries.playbooks import VersionRow, VersionView
from playbooks.web.callers import person_of

TONES = {
    Severity.WEAKENED: ("weaker", "warning", "alert"),
    Severity.CHANGED: ("different", "info", "info"),
    Severity.STRENGTHENED: ("stronger", "success", "check"),
}


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
class Point:
    """A governance finding as it is shown."""

    word: str
    tone: str
    icon: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Part:
    """A value that changed, by its path in the step, such as with.hours. Which of the two counts, `change` says."""

    name: str
    change: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class StepParts:
    step: str
    change: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """From version `old` to version `new`."""

    old: int
    new: int
    points: tuple[Point, ...]
    steps: tuple[StepParts, ...]
    lines: tuple[Line, ...]


def changes_of(request: HttpRequest, version: VersionView, versions: Sequence[VersionRow]) -> Changes | None:
    """Against the version that the address names, else what a reviewer compares with; None for a first version."""
    other = _named(request, versions) or _before(versions, version.number)
    if other is None or other == version.number:
        return None
    view = differences_view(version.playbook, version.number, other, person_of(request))
    return shown(view) if view else None


def gates_of(version: VersionView) -> Iterator[Gate]:
    """The gates on every level, in the order written."""
    return (_gate(step) for step in _steps(version.document["steps"]) if "approve" in step)


def _named(request: HttpRequest, versions: Sequence[VersionRow]) -> int | None:
    named = request.GET.get("against", "")
    return next((each.number for each in versions if str(each.number) == named), None)


def _before(versions: Sequence[VersionRow], number: int) -> int | None:
    """The newest earlier version that was in force."""
    earlier = (each.number for each in versions if each.number < number and each.published_at)
    return next(earlier, None)


def shown(view: DifferencesView) -> Changes:
    return Changes(
        old=view.old,
        new=view.new,
        points=tuple(point_of(each) for each in view.governance),
        steps=tuple(_step_parts(each) for each in view.steps),
        lines=tuple(line_of(each) for each in view.text.splitlines()[2:]),
    )


def point_of(finding: Governance) -> Point:
    return Point(*TONES[finding.severity], finding.sentence)


def line_of(text: str) -> Line:
    kinds = {"+": "added", "-": "removed"}
    return Line("same", "…") if text[:1] == "@" else Line(kinds.get(text[:1], "same"), text[1:])


def _step_parts(change: StepChange) -> StepParts:
    parts = [part for key in change.keys for part in _parts(key)]
    return StepParts(change.step, change.change, tuple(parts))


def _parts(key: KeyChange) -> Iterator[Part]:
    """Of two mappings only what differs, so that nobody has to compare them by eye."""
    if not (isinstance(key.old, Mapping) and isinstance(key.new, Mapping)):
        yield Part(key.key, key.change, key.old, key.new)
        return
    for name in [*key.new, *(each for each in key.old if each not in key.new)]:
        old, new = key.old.get(name), key.new.get(name)
        change = "added" if name not in key.old else "removed" if name not in key.new else "changed"
        if change != "changed" or old != new or isinstance(old, bool) != isinstance(new, bool):
            yield from _parts(KeyChange(f"{key.key}.{name}", change, old, new))


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for step in steps:
        yield step
        yield from _steps(step.get("steps", []))


def _gate(step: Mapping[str, Any]) -> Gate:
    late = {"deny": "denied", "escalate": "escalated", "hold": "held open"}[step.get("late", "deny")]
    seats = tuple(references.role_title(seat_name(seat)) for seat in step["seats"])
    return Gate(step["approve"], seats, _time(step), late)


def _time(step: Mapping[str, Any]) -> str:
    """How long a gate is open, such as `4h (critical: 15m) of business hours`."""
    graver = [f"{level}: {within}" for level, within in step.get("by_severity", {}).items()]
    hours = " of business hours" if "calendar" in step else ""
    return f"{step.get('within', '4h')}{' (' + ', '.join(graver) + ')' if graver else ''}{hours}"
