"""Jobs that go on at the far side after the call that started them came back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.domain.outcomes import Failed, Succeeded
from playbooks.domain.statuses import AttemptStatus, RunStatus
from playbooks.executor import seams
from playbooks.executor.seams import Seam
from playbooks.models import Run, Step
from playbooks.operations import stopping
from tests.cast import Cast
from tests.executor.world import World

pytestmark = pytest.mark.usefixtures("any_time")

Begin = Callable[..., Run]

JOB = """
  - id: scan
    do: fake.job
    using: fake
    with: {target: scan}
    timeout: 1m
"""
DONE = Succeeded({"target": "scan", "changed": True, "count": 1})


def drive(run: Run) -> None:
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()


def later(run: Run, **delta: float) -> None:
    executor.sweep(now=timezone.now() + timedelta(**delta))
    drive(run)


def scan(run: Run) -> Step:
    return run.steps.get(key="scan")


@pytest.fixture
def run(begin: Begin, world: World) -> Run:
    """Its job has begun."""
    started = begin(JOB)
    drive(started)
    return started


def test_a_job_is_waited_for_and_asked_how_it_stands(run: Run, world: World) -> None:
    waiting = scan(run)
    assert (run.status, waiting.wait_reason, waiting.sentence) == (RunStatus.WAITING, "job", "It has begun.")
    later(run, seconds=6)
    assert (scan(run).wait_reason, world.order) == ("job", ["poll scan"])
    world.jobs["scan"] = DONE
    later(run, seconds=6)
    assert (run.status, scan(run).outputs["changed"]) == (RunStatus.SUCCEEDED, True)
    assert scan(run).attempts.count() == 1


def test_a_job_that_fails_fails_its_step(run: Run, world: World) -> None:
    world.jobs["scan"] = Failed("The scan broke.", permanent=True)
    later(run, seconds=6)
    assert (run.status, run.sentence) == (RunStatus.FAILED, "scan: The scan broke.")


def test_a_worker_that_dies_while_it_asks_loses_nothing(run: Run, world: World) -> None:
    executor.sweep(now=timezone.now() + timedelta(seconds=6))

    class Killed(BaseException):
        pass

    def die(seam: Seam) -> None:
        if seam is Seam.PERFORMED:
            raise Killed

    seams.visit(die)
    with pytest.raises(Killed):
        executor.drive(run.pk, worker="doomed")
    seams.visit()
    later(run, seconds=30)
    assert scan(run).attempts.get().status == AttemptStatus.PENDING
    world.jobs["scan"] = DONE
    later(run, seconds=31)
    assert (scan(run).status, world.order.count("stop scan")) == ("succeeded", 0)


def test_a_job_that_takes_too_long_is_stopped_and_has_stopped_before_the_step_says_so(
    run: Run, world: World
) -> None:
    later(run, seconds=61)
    assert world.order[-1] == "stop scan"
    assert (scan(run).status, scan(run).is_stopping) == ("waiting", True)
    later(run, seconds=40)
    assert run.status == RunStatus.FAILED
    assert run.sentence == "scan: It took longer than its timeout and was stopped. It was stopped."


def test_cancelling_a_run_stops_its_job_first(run: Run, world: World, cast: Cast) -> None:
    stopping.cancel(run.pk, caller=cast.caller("tier2"))
    later(run)
    assert (run.status, world.order) == (RunStatus.CANCELLING, ["stop scan"])
    later(run, seconds=40)
    assert (run.status, scan(run).status) == (RunStatus.CANCELLED, "cancelled")


def test_a_job_that_ended_before_it_could_be_stopped_counts_as_done(
    run: Run, world: World, cast: Cast
) -> None:
    world.jobs["scan"] = DONE
    stopping.cancel(run.pk, caller=cast.caller("tier2"))
    later(run)
    assert (run.status, scan(run).status) == (RunStatus.CANCELLED, "succeeded")
