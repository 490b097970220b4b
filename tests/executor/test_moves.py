"""Several moves at once: the same table of transitions, the same compare-and-set, fewer statements."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from uuid6 import uuid7

from playbooks.domain.statuses import AttemptStatus, StepStatus, WaitReason
from playbooks.models import Attempt, Run, Step
from playbooks.operations.moves import ForbiddenMove, claim, move_steps, settle_with_step, wait
from playbooks.operations.refusals import LostRace
from playbooks.operations.statements import fetch, key

Begin = Callable[..., Run]

FIVE = "".join(f"  - {{id: s{number}, do: fake.keyed, using: fake, needs: []}}\n" for number in range(5))
TWO = "  - {id: s1, do: fake.keyed, using: fake}\n  - {id: s2, do: fake.keyed, using: fake}\n"


def steps_of(run: Run) -> list[Step]:
    return list(run.steps.order_by("position"))


def attempt_at(step: Step, number: int = 1) -> Attempt:
    now = timezone.now()
    return Attempt(
        id=uuid7(), step=step, number=number, worker="w", idempotency_key="k", started_at=now, lease_until=now
    )


def test_many_steps_in_several_statuses_move_together(begin: Begin) -> None:
    steps = steps_of(begin(FIVE))
    now = timezone.now()
    wait(steps[0], WaitReason.RETRY, now=now, due_at=now)
    with CaptureQueriesContext(connection) as captured:
        move_steps(steps, StepStatus.CANCELLED, now=now, sentence="Enough.")
    assert len(captured) == (1 if connection.vendor == "postgresql" else 2)
    for row in [*steps, *Step.objects.all()]:
        assert (row.status, row.sentence, row.wait_reason, row.due_at) == ("cancelled", "Enough.", "", None)


def test_when_one_of_many_was_moved_by_a_rival_the_mover_learns_that_it_lost(begin: Begin) -> None:
    steps = steps_of(begin(FIVE))
    Step.objects.filter(pk=steps[3].pk).update(status=StepStatus.SKIPPED)
    with pytest.raises(LostRace):
        move_steps(steps, StepStatus.CANCELLED, now=timezone.now())
    assert steps[0].status == StepStatus.READY


def test_moving_nothing_asks_the_database_nothing(begin: Begin) -> None:
    with CaptureQueriesContext(connection) as captured:
        move_steps([], StepStatus.CANCELLED, now=timezone.now())
    assert len(captured) == 0


def test_a_pending_step_passes_through_ready_when_it_is_claimed(begin: Begin) -> None:
    _, second = steps_of(begin(TWO))
    assert second.status == StepStatus.PENDING
    claim(second, attempt_at(second), now=timezone.now())
    second.refresh_from_db()
    assert (second.status, second.attempt_count) == (StepStatus.RUNNING, 1)
    assert second.attempts.get().status == AttemptStatus.RUNNING


@pytest.mark.parametrize("status", [StepStatus.WAITING, StepStatus.RUNNING, StepStatus.SUCCEEDED], ids=str)
def test_no_other_step_is_claimed(begin: Begin, status: StepStatus) -> None:
    step = steps_of(begin(TWO))[0]
    step.status = status
    with pytest.raises(ForbiddenMove):
        claim(step, attempt_at(step), now=timezone.now())
    assert not Attempt.objects.exists()


def test_a_step_that_was_claimed_by_a_rival_is_not_claimed_again(begin: Begin) -> None:
    step = steps_of(begin(TWO))[0]
    again = Step.objects.get(pk=step.pk)
    claim(step, attempt_at(step), now=timezone.now())
    with pytest.raises(LostRace):
        claim(again, attempt_at(again, 2), now=timezone.now())


def test_an_attempt_and_its_step_succeed_together(begin: Begin) -> None:
    step = steps_of(begin(TWO))[0]
    attempt = claim(step, attempt_at(step), now=timezone.now())
    settle_with_step(attempt, step, {"changed": True}, now=timezone.now())
    for row in (attempt, step, Attempt.objects.get(), Step.objects.get(pk=step.pk)):
        assert (row.status, row.outputs) == ("succeeded", {"changed": True})


def test_of_two_who_settle_the_second_learns_that_it_lost(begin: Begin) -> None:
    step = steps_of(begin(TWO))[0]
    attempt = claim(step, attempt_at(step), now=timezone.now())
    other, same = Attempt.objects.get(), Step.objects.get(pk=step.pk)
    settle_with_step(attempt, step, {}, now=timezone.now())
    with pytest.raises(LostRace):
        settle_with_step(other, same, {"changed": True}, now=timezone.now())


def test_rows_that_are_fetched_are_those_of_the_orm(begin: Begin) -> None:
    run = begin(TWO)
    expected = steps_of(run)
    found = fetch(Step, "run_id = %s ORDER BY position", [key(Run, run.pk)])
    for row, same in zip(found, expected, strict=True):
        columns = [field.attname for field in row._meta.concrete_fields]
        assert [getattr(row, name) for name in columns] == [getattr(same, name) for name in columns]
    assert fetch(Step, "run_id = %s", [key(Run, uuid7())]) == []
