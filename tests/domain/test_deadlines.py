"""How long people have: by the gravity of the case, and in business hours alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.domain.calendars import LOOKS_AHEAD, Calendar
from playbooks.domain.check import check
from playbooks.domain.deadlines import LEVELS, deadline, due_at, level_of, time_named
from tests.domain.language import CATALOGUE

BERLIN = {"zone": "Europe/Berlin", "from": "08:00", "to": "18:00"}
MINUTE = timedelta(minutes=1)


def calendar(**given: object) -> Calendar:
    return Calendar.model_validate(given)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "hours", "ends", "hours_of"),
    [
        ("2026-11-27T16:00+01:00", 8, "2026-11-30T14:00+01:00", {}),  # over a weekend
        ("2026-11-28T03:00+01:00", 1, "2026-11-30T09:00+01:00", {}),  # begun when nobody is there
        ("2026-11-30T08:00+01:00", 10, "2026-11-30T18:00+01:00", {}),  # a whole day ends with it
        (
            "2026-11-30T18:00+01:00",
            1,
            "2026-12-01T09:00+01:00",
            {},
        ),  # the last moment is no longer in the hours
        ("2026-12-24T17:00+01:00", 2, "2026-12-28T09:00+01:00", {"holidays": ["2026-12-25"]}),
        ("2026-11-28T03:00+01:00", 2, "2026-11-28T10:00+01:00", {"days": ["saturday"]}),
        # The night on which the clock is set back has an hour more.
        ("2026-10-25T00:00+02:00", 3, "2026-10-25T02:00+01:00", {"from": "00:00", "days": ["sunday"]}),
    ],
)
def test_only_business_hours_count(start: str, hours: int, ends: str, hours_of: dict[str, object]) -> None:
    found = calendar(**{**BERLIN, **hours_of}).after(at(start), timedelta(hours=hours))
    assert found == at(ends)


@settings(deadline=None, max_examples=50)
@given(
    begins=st.integers(0, 2 * 366 * 24 * 60),
    minutes=st.integers(1, 1_500),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
    days=st.sets(st.sampled_from(["monday", "tuesday", "saturday", "sunday"]), min_size=1),
    hours=st.sampled_from([("00:00", "23:59"), ("01:30", "03:30"), ("09:00", "17:00")]),
)
def test_as_many_minutes_of_business_hours_go_by_as_were_given(
    begins: int, minutes: int, zone: str, days: set[str], hours: tuple[str, str]
) -> None:
    """Told by conditions of policies, which look at one moment: every minute is counted by itself."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + begins * MINUTE
    known = calendar(zone=zone, days=sorted(days), **dict(zip(("from", "to"), hours, strict=True)))
    end = known.after(start, minutes * MINUTE)
    gone = sum(
        bool(known.at(start + number * MINUTE)["business_hours"]) for number in range((end - start) // MINUTE)
    )
    assert gone == minutes
    assert known.at(end - MINUTE)["business_hours"]


def test_hours_that_hardly_ever_come_end_the_look_ahead() -> None:
    rare = calendar(**{"from": "00:00", "to": "00:01", "days": ["monday"]})
    start = at("2026-11-28T00:00Z")
    assert rare.after(start, timedelta(days=365)) == start + LOOKS_AHEAD


def test_without_a_calendar_every_hour_counts() -> None:
    start = at("2026-11-28T03:00Z")
    assert due_at(start, timedelta(hours=8), None) == at("2026-11-28T11:00Z")


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (0, "low"),
        (34, "low"),
        (35, "medium"),
        (59, "medium"),
        (60, "high"),
        (84, "high"),
        (85, "critical"),
        (100, "critical"),
    ],
)
def test_the_word_for_a_severity(severity: int, level: str) -> None:
    assert level_of(severity) == level


def test_what_is_named_for_a_level_holds_from_there_on() -> None:
    named = {level: str(time_named("8h", {"medium": "2h", "critical": "15m"}, level)) for level in LEVELS}
    assert named == {"low": "8:00:00", "medium": "2:00:00", "high": "2:00:00", "critical": "0:15:00"}


def gate(keys: str) -> str:
    head = "playbook: sample\ntitle: A sample\nsteps:\n  - id: gate\n    approve: Go?\n    seats: [{role: tier-2}]\n"
    return head + "".join(f"    {line}\n" for line in keys.splitlines())


def test_a_gate_gives_the_time_that_it_names() -> None:
    checked = check(
        gate(
            "within: 8h\nby_severity: {high: 1h}\ncalendar: {zone: Europe/Berlin, from: '08:00', to: '18:00'}"
        ),
        CATALOGUE,
    )
    assert checked.playbook is not None, checked.problems
    step, friday = checked.playbook.steps[0], at("2026-11-27T17:30+01:00")
    ends = [deadline(step, {"case": {"severity": severity}}, friday) for severity in (10, 90)]
    assert ends == [at("2026-11-30T15:30+01:00"), at("2026-11-30T08:30+01:00")]


@pytest.mark.parametrize(
    ("keys", "line", "message"),
    [
        ("by_severity: {grave: 1h}", 7, "unknown key 'grave'"),
        ("by_severity: {high: 400d}", 7, "a gate is open for 365d at most"),
        ("calendar: {zone: Europe/Berln}", 7, "did you mean 'Europe/Berlin'?"),
        ("calendar: {from: '18:00', to: '08:00'}", 7, "business hours end after they begin, on the same day"),
        ("calendar: {holidays: [Christmas]}", 7, "'Christmas' is no day; write \"2026-12-25\", for example"),
        ("calendar: {hour: 8}", 7, "unknown key 'hour'"),
        ("within: 100d\ncalendar: {zone: UTC}", 7, "and 100d of its business hours take longer"),
    ],
)
def test_a_time_that_cannot_be_is_named_with_its_place(keys: str, line: int, message: str) -> None:
    problems = check(gate(keys), CATALOGUE).problems
    assert [each.line for each in problems] == [line]
    assert message in problems[0].message
