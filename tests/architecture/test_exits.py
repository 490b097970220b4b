"""Stuck is impossible: whatever does not move has a sentence that says why, and a way out that exists.

A new reason to wait, or a new status that is no end, fails here until somebody says how it ends.
"""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib import import_module

import pytest

from playbooks.domain.exits import (
    EXITS,
    OF_RUN,
    OF_STEP,
    ByPerson,
    ByTime,
    ByWorker,
    Exit,
    Reason,
    Standing,
)
from playbooks.domain.roles import ROLES
from playbooks.domain.statuses import RUN_ENDED, STEP_ENDED, RunStatus, StepStatus, WaitReason
from playbooks.domain.waiting import LATE, URGENCY, Facts, Turns, why
from playbooks.executor import timers
from playbooks.executor.sweep import FINDERS
from playbooks.models import Late

REASONS: tuple[Reason, ...] = (*WaitReason, *Standing)
SWEPT = {each.__name__ for each in FINDERS} | {"_ring_for_ready"}
NOW = datetime(2026, 11, 23, 13, 35, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)


def ways() -> list[tuple[StrEnum, Exit]]:
    tables = (EXITS, OF_STEP, OF_RUN)
    return [(each, way) for table in tables for each, ways in table.items() for way in ways]


def facts(**changed: object) -> Facts:
    known: dict[str, object] = {
        "step": "block",
        "since": NOW,
        "until": LATER,
        "deadline": LATER + timedelta(hours=1),
        "question": "Block 203.0.113.9?",
        "seats": ("Tier 2 analyst", "Network owner"),
        "late": "deny",
        "event": "mail.replied",
        "event_key": "m-1",
        "connection": "edge-firewall",
        "limit": "2 steps at once",
        "by": "Nadia Reyes",
        "child": "block-at-gateway",
        "child_status": "waiting",
        "turns": Turns(count=5, running=2, succeeded=2, failed=1),
        "under_way": ("block",),
    }
    return Facts(**{**known, **changed})  # type: ignore[arg-type]


def test_every_reason_and_every_status_that_is_no_end_has_a_way_out() -> None:
    assert set(EXITS) == set(REASONS)
    assert set(OF_STEP) == set(StepStatus) - STEP_ENDED
    assert set(OF_RUN) == set(RunStatus) - RUN_ENDED
    assert all(ways for table in (EXITS, OF_STEP, OF_RUN) for ways in table.values())


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_every_reason_has_a_sentence_an_owner_and_a_place_among_the_others(reason: Reason) -> None:
    told = why(reason, facts(), NOW)
    assert told.sentence[0].isupper() or told.sentence.startswith("edge-firewall")
    assert told.sentence.endswith((".", "”"))
    assert "None" not in told.sentence + told.owner
    assert told.owner
    assert bool(told.until) == bool(told.then)
    assert URGENCY.count(reason) == 1


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_a_sentence_does_without_what_is_not_known(reason: Reason) -> None:
    told = why(reason, Facts(since=NOW, late="deny"), NOW)
    assert "None" not in told.sentence
    assert told.until is None


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_time_or_one_person_by_a_right_ends_it_without_cancelling_the_run(reason: Reason) -> None:
    """Cancelling ends everything, so that alone would prove little."""
    own = [way for way in EXITS[reason] if way != ByPerson("stopping.cancel", "stop_run")]
    assert own or reason is Standing.CANCELLING


@pytest.mark.parametrize(("what", "way"), ways(), ids=str)
def test_the_way_out_exists(what: StrEnum, way: Exit) -> None:
    match way:
        case ByTime(finder=finder):
            assert finder in SWEPT
        case ByWorker(operation=operation, finder=finder):
            assert callable(found("executor", operation))
            assert finder in SWEPT
        case ByPerson(operation=operation, permission=permission):
            source = inspect.getsource(found("operations", operation))
            assert not permission or f'caller.require("{permission}"' in source
            assert not permission or any(permission in role.permissions for role in ROLES.values())


@pytest.mark.parametrize("reason", WaitReason, ids=str)
def test_the_timers_act_on_what_is_to_end_by_a_timer(reason: WaitReason) -> None:
    assert (ByTime("_due_timers") in EXITS[reason]) == (reason in timers.FIRED)


def test_what_happens_to_what_is_late_has_its_words() -> None:
    assert {each.value for each in Late} <= set(LATE)


def test_the_sentence_names_who_until_when_and_what_then() -> None:
    told = why(WaitReason.APPROVAL, facts(), NOW)
    assert told.sentence == (
        "Waits for Tier 2 analyst and Network owner to decide on “Block 203.0.113.9?” until 14:05; "
        "then it counts as denied."
    )
    assert (told.owner, told.since, told.until) == ("Tier 2 analyst and Network owner", NOW, LATER)
    tomorrow = why(WaitReason.TIME, facts(until=NOW + timedelta(days=1)), NOW)
    assert tomorrow.sentence == "Waits until 24 Nov 13:35; then it goes on by itself."


def found(floor: str, name: str) -> object:
    module, function = name.split(".")
    return getattr(import_module(f"playbooks.{floor}.{module}"), function)
