"""Pausing a run, cancelling it, and running it again from where it ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from playbooks import executor
from playbooks.domain.statuses import RunStatus, Verdict
from playbooks.executor import seams
from playbooks.executor.seams import Seam
from playbooks.models import Run, Step
from playbooks.operations import approvals, reruns, rollbacks, stopping
from playbooks.operations.refusals import Refused
from tests.cast import Cast
from tests.executor.world import REFUSED, World

Begin = Callable[..., Run]

TWO = """
  - {id: one, do: fake.keyed, using: fake, with: {target: one}}
  - {id: two, do: fake.keyed, using: fake, with: {target: two}}
"""
CLEANED = """
  - {id: one, do: fake.keyed, using: fake, with: {target: one}}
  - {id: rest, wait: {for: 1h}}
  - {id: two, do: fake.keyed, using: fake, with: {target: two}}
  - {id: clean, after: always, do: fake.keyed, using: fake, with: {target: clean}}
"""
GATED = """
  - {id: first, do: fake.keyed, using: fake, with: {target: first}}
  - {id: gate, approve: Go on?, seats: [{role: tier-2}]}
  - {id: second, do: fake.keyed, using: fake, with: {target: second}}
  - {id: third, do: fake.keyed, using: fake, with: {target: third}}
"""


def drive(run: Run) -> None:
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()


def step(run: Run, key: str) -> Step:
    return run.steps.get(key=key, round=0)


def approve(run: Run, cast: Cast) -> None:
    request = run.requests.order_by("-opened_at")[0]
    approvals.decide(
        request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest
    )


def drive_until_second_fails(run: Run, world: World) -> None:
    def fail_the_second(seam: Seam) -> None:
        if seam is Seam.SETTLED and not world.outcomes:
            world.outcomes = [REFUSED]

    seams.visit(fail_the_second)
    drive(run)
    seams.visit()
    world.outcomes = []


def test_a_paused_run_begins_nothing_until_it_is_resumed(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(TWO)
    stopping.pause(run.pk, caller=cast.caller("tier2"))
    drive(run)
    assert (run.status, step(run, "one").wait_reason, world.effects) == (RunStatus.WAITING, "pause", {})
    executor.sweep()
    drive(run)
    assert world.effects == {}
    stopping.resume(run.pk, caller=cast.caller("tier2"))
    drive(run)
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {"one": 1, "two": 1})


def test_a_paused_run_can_be_cancelled(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(TWO)
    stopping.pause(run.pk, caller=cast.caller("tier2"))
    drive(run)
    stopping.cancel(run.pk, caller=cast.caller("tier2"))
    drive(run)
    assert (run.status, world.effects) == (RunStatus.CANCELLED, {})


def test_only_a_run_that_goes_on_is_paused_and_only_a_paused_one_resumed(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(TWO)
    with pytest.raises(Refused, match="not paused"):
        stopping.resume(run.pk, caller=cast.caller("tier2"))
    drive(run)
    with pytest.raises(Refused, match="cannot be paused"):
        stopping.pause(run.pk, caller=cast.caller("tier2"))


def test_what_is_to_run_in_any_case_runs_after_a_cancellation(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(CLEANED)
    drive(run)
    stopping.cancel(run.pk, caller=cast.caller("tier2"))
    assert Run.objects.get().status == RunStatus.CANCELLING
    drive(run)
    assert (run.status, world.effects) == (RunStatus.CANCELLED, {"one": 1, "clean": 1})


def test_cancelling_again_skips_the_clean_up(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(CLEANED)
    drive(run)
    for _ in range(2):
        stopping.cancel(run.pk, caller=cast.caller("tier2"))
    drive(run)
    assert (run.status, world.effects) == (RunStatus.CANCELLED, {"one": 1})


def test_a_rerun_takes_over_what_succeeded_and_does_the_rest(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(GATED)
    drive(run)
    approve(run, cast)
    world.outcomes = [REFUSED]
    drive(run)
    assert run.status == RunStatus.FAILED
    again = reruns.rerun(run.pk, caller=cast.caller("analyst"))
    drive(again)
    assert (step(again, "first").status, step(again, "first").adopts_id) == (
        "succeeded",
        step(run, "first").pk,
    )
    assert step(again, "gate").status == "waiting"
    approve(again, cast)
    drive(again)
    assert (again.status, world.effects) == (RunStatus.SUCCEEDED, {"first": 1, "second": 1, "third": 1})


def test_a_gate_behind_which_everything_is_done_is_not_asked_again(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(GATED + "  - {id: last, set: {gone: '${ case.nothing }'}}\n")
    drive(run)
    approve(run, cast)
    drive(run)
    assert run.status == RunStatus.FAILED
    again = reruns.rerun(run.pk, caller=cast.caller("analyst"))
    assert (step(again, "gate").status, again.requests.count()) == ("succeeded", 0)


def test_what_was_taken_over_is_undone_where_it_was_done(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(TWO)
    drive_until_second_fails(run, world)
    again = reruns.rerun(run.pk, caller=cast.caller("analyst"))
    drive(again)
    assert [each.key for each in rollbacks.plan_of(again).undoings] == ["two"]
    assert [each.key for each in rollbacks.plan_of(run).undoings] == ["one"]


def test_a_run_that_succeeded_or_was_taken_back_is_not_run_again(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(TWO)
    drive(run)
    with pytest.raises(Refused, match="Only a run that failed"):
        reruns.rerun(run.pk, caller=cast.caller("analyst"))
    plan = rollbacks.plan_of(run)
    rollbacks.start(run.pk, caller=cast.caller("tier2"), plan_digest=plan.digest)
    drive(run)
    with pytest.raises(Refused, match="Only a run that failed"):
        reruns.rerun(run.pk, caller=cast.caller("analyst"))
