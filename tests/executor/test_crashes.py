"""A worker that dies at any named point, with actions of every repeat kind.

After recovery: `NEVER` ran at most once and a person is asked where nobody can know; everything else ran exactly once
and the run ended; and the log is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.audit import verification
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.domain.statuses import RunStatus, StepStatus
from playbooks.executor import seams
from playbooks.executor.seams import Seam
from playbooks.models import Run
from playbooks.operations import runs
from playbooks.operations.runs import Resolution
from tests.cast import Cast
from tests.executor.world import LOST, World

Begin = Callable[..., Run]

STEPS = """\
  - id: first
    do: fake.{kind}
    using: fake
    with: {{target: one}}
  - id: second
    do: fake.{kind}
    using: fake
    with: {{target: two}}
"""


@pytest.fixture(autouse=True)
def _the_log_is_whole(db: None, tmp_path: Path) -> Iterator[None]:
    """Whatever happened in a test, the log verifies after it."""
    yield
    signer = load_signer(tmp_path)
    sequence_once(signer)
    assert list(verification.problems(signer.key)) == []


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and an open transaction rolls back."""


def die_at(seam: Seam, *, visits: int = 1) -> None:
    """The worker dies at its `visits`-th visit of the seam."""
    left = [visits]

    def visitor(reached: Seam) -> None:
        if reached is seam:
            left[0] -= 1
            if left[0] == 0:
                seams.visit()
                raise Killed

    seams.visit(visitor)


def drive_until_killed(run: Run) -> None:
    with pytest.raises(Killed):
        executor.drive(run.pk, worker="doomed")


def recover(run: Run) -> Run:
    """The lease runs out, the sweep looks, and another worker drives on."""
    executor.sweep(now=timezone.now() + timedelta(seconds=20))
    executor.drive(run.pk, worker="heir")
    run.refresh_from_db()
    return run


@pytest.mark.parametrize("visits", [1, 2])
@pytest.mark.parametrize("seam", list(Seam))
@pytest.mark.parametrize("kind", ["safe", "keyed", "lookup"])
def test_case_45_what_may_be_repeated_ends_with_one_effect(
    begin: Begin, world: World, kind: str, seam: Seam, visits: int
) -> None:
    run = begin(STEPS.format(kind=kind))
    die_at(seam, visits=visits)
    drive_until_killed(run)
    recover(run)
    assert run.status == RunStatus.SUCCEEDED
    assert world.effects == {"one": 1, "two": 1}


@pytest.mark.parametrize("seam", list(Seam))
def test_case_45_what_must_never_be_repeated_is_asked_about(begin: Begin, world: World, seam: Seam) -> None:
    run = begin(STEPS.format(kind="never"))
    die_at(seam)
    drive_until_killed(run)
    before = dict(world.effects)
    recover(run)
    assert all(count <= 1 for count in world.effects.values())
    assert world.effects == before
    unknown = run.steps.get(status=StepStatus.UNKNOWN)
    assert run.status == RunStatus.WAITING
    assert unknown.key == ("second" if seam is Seam.SETTLED else "first")


@pytest.mark.parametrize(
    ("resolution", "first", "effects"),
    [
        (Resolution.HAPPENED, StepStatus.SUCCEEDED, {"one": 1, "two": 1}),
        (Resolution.DID_NOT_HAPPEN, StepStatus.SUCCEEDED, {"one": 2, "two": 1}),
        (Resolution.GIVE_UP, StepStatus.FAILED, {"one": 1}),
    ],
)
def test_a_person_resolves_the_unknown(
    begin: Begin, world: World, cast: Cast, resolution: Resolution, first: StepStatus, effects: dict[str, int]
) -> None:
    run = begin(STEPS.format(kind="never"))
    die_at(Seam.PERFORMED)
    drive_until_killed(run)
    recover(run)
    runs.resolve(
        run.pk,
        "first",
        caller=cast.caller("analyst"),
        resolution=resolution,
        comment="Seen in the target's log.",
    )
    executor.drive(run.pk, worker="heir")
    assert run.steps.get(key="first").status == first
    assert world.effects == effects


def test_an_answer_that_comes_after_its_lease_resolves_the_unknown(begin: Begin, world: World) -> None:
    """The worker was not dead, only slow."""
    run = begin(STEPS.format(kind="never"))

    def slow(seam: Seam) -> None:
        if seam is Seam.PERFORMED:
            seams.visit()
            executor.sweep(now=timezone.now() + timedelta(seconds=20))
            assert run.steps.get(key="first").status == StepStatus.UNKNOWN

    seams.visit(slow)
    executor.drive(run.pk, worker="slow")
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED
    assert world.effects == {"one": 1, "two": 1}


def test_a_late_answer_of_an_attempt_that_was_repeated_changes_nothing(begin: Begin, world: World) -> None:
    run = begin(STEPS.format(kind="keyed"))

    def slow(seam: Seam) -> None:
        if seam is Seam.PERFORMED:
            seams.visit()
            recover(run)

    seams.visit(slow)
    executor.drive(run.pk, worker="slow")
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED
    assert world.effects == {"one": 1, "two": 1}
    assert list(run.steps.get(key="first").attempts.values_list("number", "status")) == [
        (1, "lost"),
        (2, "succeeded"),
    ]


def test_a_lost_answer_is_looked_up_before_anything_is_repeated(begin: Begin, world: World) -> None:
    run = begin(STEPS.format(kind="lookup"))
    world.outcomes = [LOST]
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    first = run.steps.get(key="first")
    assert run.status == RunStatus.SUCCEEDED
    assert len({attempt.idempotency_key for attempt in first.attempts.all()}) == 1
    assert world.effects == {"one": 1, "two": 1}
