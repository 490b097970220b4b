"""The table of transitions is complete, leads nowhere out of an end, and `move` obeys nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import pytest
from django.db.models import Model

from playbooks.domain.statuses import (
    RUN_ENDED,
    STEP_ENDED,
    TRANSITIONS,
    AttemptStatus,
    RunStatus,
    StepStatus,
)
from playbooks.models import Step
from playbooks.operations.moves import STATUSES, ForbiddenMove, move
from playbooks.operations.refusals import LostRace
from tests.models.rows import make_rows

Pair = tuple[type[Model], StrEnum, StrEnum]


def pairs() -> Iterator[Pair]:
    """Every two statuses of every model, a status with itself too."""
    for model, statuses in STATUSES.items():
        yield from ((model, old, new) for old in statuses for new in statuses)


def named(pair: Pair) -> str:
    model, old, new = pair
    return f"{model.__name__}: {old} -> {new}"


IN_TABLE = [(model, old, new) for model, old, new in pairs() if new in TRANSITIONS[type(old)][old]]
NOT_IN_TABLE = [pair for pair in pairs() if pair not in IN_TABLE]


def reachable(first: StrEnum) -> set[StrEnum]:
    """The statuses in which something that is `first` can come to be, and `first` itself."""
    found, table = {first}, TRANSITIONS[type(first)]
    while more := set().union(*(table[each] for each in found)) - found:
        found |= more
    return found


def test_every_model_with_a_status_has_its_table() -> None:
    assert set(STATUSES.values()) == set(TRANSITIONS)


@pytest.mark.parametrize("statuses", TRANSITIONS, ids=lambda statuses: statuses.__name__)
def test_every_status_has_a_row_and_leads_only_to_statuses_of_its_kind(statuses: type[StrEnum]) -> None:
    assert set(TRANSITIONS[statuses]) == set(statuses)
    assert set().union(*TRANSITIONS[statuses].values()) <= set(statuses)


@pytest.mark.parametrize("model", STATUSES, ids=lambda model: model.__name__)
def test_every_status_can_be_reached_from_the_one_that_a_new_row_has(model: type[Model]) -> None:
    statuses = STATUSES[model]
    first = statuses(model().status)  # type: ignore[attr-defined]
    assert reachable(first) == set(statuses)


@pytest.mark.parametrize(
    "status", [*sorted(set(RunStatus) - RUN_ENDED), *sorted(set(StepStatus) - STEP_ENDED)], ids=str
)
def test_whatever_has_not_ended_can_end(status: StrEnum) -> None:
    assert reachable(status) & (RUN_ENDED | STEP_ENDED)


@pytest.mark.parametrize("status", sorted(STEP_ENDED), ids=str)
def test_nothing_leads_out_of_an_ended_step(status: StepStatus) -> None:
    assert not TRANSITIONS[StepStatus][status]


@pytest.mark.parametrize("status", sorted(RUN_ENDED), ids=str)
def test_an_ended_run_is_rolled_back_and_nothing_else(status: RunStatus) -> None:
    assert TRANSITIONS[RunStatus][status] <= {RunStatus.ROLLING_BACK}


def test_an_attempt_has_one_outcome() -> None:
    for status in (AttemptStatus.SUCCEEDED, AttemptStatus.FAILED):
        assert not TRANSITIONS[AttemptStatus][status]


@pytest.mark.parametrize("pair", NOT_IN_TABLE, ids=named)
def test_no_move_outside_the_table_reaches_the_database(pair: Pair) -> None:
    """This test has no database: to ask it would fail in another way."""
    model, old, new = pair
    row = model(status=old.value)
    with pytest.raises(ForbiddenMove):
        move(row, new)
    assert row.status == old.value  # type: ignore[attr-defined]


@pytest.mark.parametrize("pair", IN_TABLE, ids=named)
def test_of_two_who_make_the_same_move_the_second_learns_that_it_lost(pair: Pair, db: None) -> None:
    model, old, new = pair
    key = make_rows()[model].pk
    rows = model._default_manager.filter(pk=key)
    rows.update(status=old.value, **about(model, old))
    winner, loser = rows.get(), rows.get()
    move(winner, new, **about(model, new))
    with pytest.raises(LostRace):
        move(loser, new, **about(model, new))
    assert rows.values_list("status", flat=True).get() == new.value
    assert (winner.status, loser.status) == (new.value, old.value)  # type: ignore[attr-defined]


def about(model: type[Model], status: StrEnum) -> dict[str, str]:
    """A step that waits has to say for what."""
    return {"wait_reason": "time" if status is StepStatus.WAITING else ""} if model is Step else {}
