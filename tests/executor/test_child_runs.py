"""Playbooks that run others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RunStatus, Verdict
from playbooks.models import Run, Step
from playbooks.operations import approvals, rollbacks, stopping
from tests.cast import Cast, publish
from tests.executor.world import BROKEN, World

pytestmark = pytest.mark.usefixtures("any_time")

Begin = Callable[..., Run]

CHILD = """
playbook: the-child
title: The child
inputs:
  target: {type: string}
steps:
  - id: act
    do: fake.keyed
    using: fake
    with: {target: "${ inputs.target }"}
outputs:
  acted: ${ inputs.target }
"""
PARENT = """
  - id: contain
    run: the-child
    with: {target: "it"}
  - id: after
    set: {acted: "${ steps.contain.outputs.acted }"}
"""


@pytest.fixture
def child(fake: object, cast: Cast) -> None:
    publish(cast, CHILD)


def drive(run: Run) -> None:
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()


def later(run: Run, **delta: float) -> None:
    executor.sweep(now=timezone.now() + timedelta(**delta))
    drive(run)


def step(run: Run, key: str) -> Step:
    return run.steps.get(key=key, round=0)


def child_of(run: Run, key: str = "contain") -> Run:
    return step(run, key).children.get()


def test_a_playbook_runs_another_and_reads_what_it_gives(child: None, begin: Begin, world: World) -> None:
    run = begin(PARENT)
    drive(run)
    assert (run.status, step(run, "contain").wait_reason) == (RunStatus.WAITING, "child")
    drive(child_of(run))
    drive(run)
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {"it": 1})
    assert step(run, "after").outputs == {"acted": "it"}


def test_a_run_whose_bells_were_all_lost_goes_on_by_the_sweep(
    child: None, begin: Begin, world: World
) -> None:
    run = begin(PARENT)
    drive(run)
    drive(child_of(run))
    executor.sweep()
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED


def test_a_version_that_was_pinned_runs_although_a_later_one_is_published(
    child: None, begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(PARENT)
    publish(cast, CHILD.replace("${ inputs.target }", "other"))
    drive(run)
    assert child_of(run).version.number == 1


def test_a_child_that_fails_fails_its_step(child: None, begin: Begin, world: World) -> None:
    run = begin(PARENT)
    world.outcomes = [BROKEN]
    drive(run)
    drive(child_of(run))
    drive(run)
    assert run.status == RunStatus.FAILED
    assert run.sentence == f"contain: The run of the-child ended: act: {BROKEN.sentence}"


def test_a_detached_child_is_not_waited_for(child: None, begin: Begin, world: World) -> None:
    run = begin("""
  - id: contain
    run: the-child
    detached: true
    with: {target: "it"}
""")
    drive(run)
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {})
    drive(child_of(run))
    assert world.effects == {"it": 1}


def test_cancelling_the_parent_cancels_the_child(child: None, begin: Begin, world: World, cast: Cast) -> None:
    run = begin(PARENT)
    drive(run)
    stopping.cancel(run.pk, caller=cast.caller("tier2"))
    assert run.steps.get(key="contain").is_stopping
    inner = child_of(run)
    drive(inner)
    drive(run)
    assert (inner.status, run.status, world.effects) == (RunStatus.CANCELLED, RunStatus.CANCELLED, {})


def test_a_child_that_takes_too_long_is_cancelled(child: None, begin: Begin, world: World) -> None:
    run = begin(PARENT.replace("    with:", "    timeout: 10m\n    with:"))
    drive(run)
    later(run, minutes=11)
    inner = child_of(run)
    drive(inner)
    later(run)
    assert (inner.status, run.status) == (RunStatus.CANCELLED, RunStatus.FAILED)
    assert run.sentence == "contain: It took longer than its timeout, so it was stopped."


def test_rolling_the_parent_back_rolls_the_child_back(
    child: None, begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(PARENT)
    drive(run)
    inner = child_of(run)
    drive(inner)
    drive(run)
    plan = rollbacks.plan_of(run)
    rollbacks.start(run.pk, caller=cast.caller("tier2"), plan_digest=plan.digest)
    drive(run)
    drive(inner)
    drive(run)
    assert (inner.status, run.status) == (RunStatus.ROLLED_BACK, RunStatus.ROLLED_BACK)
    assert world.order == ["it", "undo it"]


def test_a_gate_shows_the_playbook_that_it_lets_run(
    child: None, begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(
        """
  - id: gate
    approve: Contain it?
    seats: [{role: tier-2}]
"""
        + PARENT
    )
    request = run.requests.get()
    assert '"action":"playbook.run"' in request.subject
    assert '"effect":"change"' in request.subject
    approvals.decide(
        request.pk,
        caller=cast.caller("tier2"),
        verdict=Verdict.DENY,
        shown_digest=request.digest,
        comment="No.",
    )
    drive(run)
    assert (run.status, Run.objects.count()) == (RunStatus.FAILED, 1)


def test_children_do_not_go_on_for_ever_inside_each_other(begin: Begin, world: World, cast: Cast) -> None:
    publish(cast, CHILD.replace("the-child", "level-0"))
    for level in range(1, 7):
        publish(
            cast,
            f"""
playbook: level-{level}
title: Level
inputs:
  target: {{type: string}}
steps:
  - id: deeper
    run: level-{level - 1}
    with: {{target: "${{ inputs.target }}"}}
""",
        )
    run = begin(PARENT.replace("the-child", "level-6").replace(".outputs.acted", ".state"))
    drive(run)
    for _ in range(8):
        for each in Run.objects.order_by("depth"):
            drive(each)
    assert max(Run.objects.values_list("depth", flat=True)) == 7


ASKING = """
playbook: the-child
title: The child
inputs:
  target: {type: string}
steps:
  - id: scope
    ask: Which?
    fields: {which: {type: string}}
    who: {role: tier-2}
    within: 1m
    late: hold
outputs:
  acted: ${ steps.scope.outputs.which }
"""


def test_a_child_that_waits_for_people_without_end_is_stopped_with_its_step(
    fake: object, begin: Begin, world: World, cast: Cast
) -> None:
    publish(cast, ASKING)
    run = begin(PARENT.replace("    with:", "    timeout: 10m\n    with:"))
    drive(run)
    drive(child_of(run))
    later(run, minutes=2)
    later(run, minutes=11)
    inner = child_of(run)
    drive(inner)
    later(run, minutes=12)
    assert (inner.status, run.status) == (RunStatus.CANCELLED, RunStatus.FAILED)
