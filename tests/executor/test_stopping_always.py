"""What is to run in any case when its run is cancelled, and blocks that look at the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict
from playbooks.executor import timers
from playbooks.models import Run
from playbooks.operations import approvals, stopping
from tests.cast import Cast
from tests.executor.world import World

Begin = Callable[..., Run]

ALWAYS = """\
  - id: gate
    after: always
    approve: Clean up?
    seats: [{role: tier-2}]
  - id: clean
    after: always
    do: fake.keyed
    using: fake
    with: {target: one}
"""
LATE = """\
  - id: block
    each: [a]
    timeout: 30s
    steps:
      - {id: gate, approve: Go on?, seats: [{role: tier-2}], within: 4h}
"""
WATCH = """\
  - id: watch
    repeat: {until: "turn >= 2", most: 2, every: 10s}
    steps:
      - {id: gate, approve: Go on?, seats: [{role: tier-2}], within: 4h}
"""


def approve(run: Run, cast: Cast) -> None:
    request = run.requests.get(status=RequestStatus.OPEN)
    approvals.decide(
        request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest
    )


def test_a_gate_that_is_asked_in_any_case_keeps_its_request_when_the_run_is_cancelled(
    begin: Begin, world: World, cast: Cast
) -> None:
    """It would wait for ever for an approval that nobody is asked for."""
    run = begin(ALWAYS)
    stopping.cancel(run.pk, caller=cast.caller("analyst"))
    approve(run, cast)
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert world.effects == {"one": 1}


def test_cancelling_again_withdraws_that_request_as_well(begin: Begin, cast: Cast) -> None:
    run = begin(ALWAYS)
    for _ in range(2):
        stopping.cancel(run.pk, caller=cast.caller("analyst"))
    run.refresh_from_db()
    assert (run.status, run.requests.get().status) == (RunStatus.CANCELLED, RequestStatus.WITHDRAWN)


def test_nobody_is_asked_any_more_about_a_block_that_took_too_long(begin: Begin) -> None:
    run = begin(LATE)
    executor.sweep(now=timezone.now() + timedelta(seconds=31))
    run.refresh_from_db()
    assert (run.status, run.requests.get().status) == (RunStatus.FAILED, RequestStatus.WITHDRAWN)


def test_a_run_that_ends_with_the_turn_of_a_block_is_cancelled_once(begin: Begin, cast: Cast) -> None:
    run = begin(LATE)
    stopping.cancel(run.pk, caller=cast.caller("analyst"))
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert {step.status for step in run.steps.all()} == {StepStatus.CANCELLED}


def test_a_block_whose_turn_goes_on_is_not_due_any_more(begin: Begin, cast: Cast) -> None:
    """The sweep looks at the oldest first and at so many at once: what stays due would be in everybody's way."""
    run = begin(WATCH)
    approve(run, cast)
    later = timezone.now() + timedelta(seconds=11)
    executor.sweep(now=later)
    assert run.steps.get(key="watch[1].gate").status == StepStatus.WAITING
    assert not timers.due(later).exists()
