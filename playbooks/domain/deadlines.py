"""Until when people have time: as the step says, by how grave the case is, and in its business hours if it has any."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from playbooks.domain.calendars import Calendar
from playbooks.domain.durations import parse_duration

if TYPE_CHECKING:
    from playbooks.domain.playbook import Step

Level = Literal["low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)
_FROM: Mapping[Level, int] = {
    "critical": 85,
    "high": 60,
    "medium": 35,
    "low": 0,
}  # of the 100 that an alert can have


def level_of(severity: int) -> Level:
    """The word for a severity between 0 and 100."""
    return next(level for level, least in _FROM.items() if severity >= least)


def time_named(within: str, by_severity: Mapping[Level, str], level: Level) -> timedelta:
    """`within`, unless something else is named for the level, or for the nearest one that is less grave."""
    less_grave = LEVELS[: LEVELS.index(level) + 1]
    named = [by_severity[each] for each in less_grave if each in by_severity]
    return parse_duration(named[-1] if named else within)


def time_given(document: Step, context: Mapping[str, Any]) -> timedelta:
    """What a step gives to people in a run, whose context says how grave the case is."""
    severity = context.get("case", {}).get("severity", 0)
    return time_named(document.within, document.by_severity, level_of(severity))


def deadline(document: Step, context: Mapping[str, Any], start: datetime) -> datetime:
    """Until when a step that asks people at `start` waits for them."""
    return due_at(start, time_given(document, context), document.calendar)


def due_at(start: datetime, time: timedelta, calendar: Calendar | None) -> datetime:
    """When that much time has gone by: of business hours where there is a calendar, else of all hours."""
    return calendar.after(start, time) if calendar else start + time
