"""No receipt, no action: nothing is destroyed before the evidence of its approval is in a signed checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from playbooks import executor
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.domain.check import check
from playbooks.domain.statuses import RunStatus, StepStatus, Verdict, WaitReason
from playbooks.models import Run
from playbooks.operations import approvals
from playbooks.operations.actions import actions
from tests.cast import Cast
from tests.executor.world import World
from tests.proving import prove_decision

STEPS = """\
  - id: gate
    approve: Really?
    seats: [{role: tier-2}]
  - id: wipe
    do: fake.destroy
    using: fake
    with: {target: disk}
"""


def test_a_destroying_action_waits_for_its_receipt(
    begin: Callable[..., Run], world: World, cast: Cast, tmp_path: Path
) -> None:
    run = begin(STEPS)
    request = run.requests.get()
    prove_decision(cast.caller("tier2"), request)
    approvals.decide(
        request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest
    )
    executor.drive(run.pk, worker="test")
    wipe = run.steps.get(key="wipe")
    assert (wipe.status, wipe.wait_reason, dict(world.effects)) == (
        StepStatus.WAITING,
        WaitReason.RECEIPT,
        {},
    )
    executor.sweep(now=timezone.now() + timedelta(seconds=2))
    executor.drive(run.pk, worker="test")
    assert not world.effects
    sequence_once(load_signer(tmp_path))
    executor.sweep(now=timezone.now() + timedelta(seconds=4))
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    assert (run.status, dict(world.effects)) == (RunStatus.SUCCEEDED, {"disk": 1})


def test_an_undo_that_destroys_is_refused_before_it_is_published(world: World) -> None:
    text = f"playbook: under-test\ntitle: Under test\nsteps:\n{STEPS}"
    undone = (
        text.replace("fake.destroy", "fake.keyed") + "    undo: {do: fake.destroy, with: {target: disk}}\n"
    )
    (problem,) = check(undone, actions()).problems
    assert problem.message.startswith("fake.destroy destroys, and an undo may not")
