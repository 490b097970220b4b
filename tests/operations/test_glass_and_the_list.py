"""Break-glass past the never-touch list: it alone lets through what nobody may approve, for its gate and its time."""

from __future__ import annotations

from pathlib import Path

import pytest

from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.domain.policies.never_touch import TargetKind
from playbooks.domain.statuses import RequestStatus, StepStatus, Verdict
from playbooks.models import ApprovalRequest, Run
from playbooks.operations import approvals, never_touch, people
from playbooks.operations.caller import SYSTEM
from tests.cast import Cast
from tests.executor.world import World
from tests.operations.test_break_glass import drive, holder, replayed, request_, use
from tests.proving import prove_decision

__all__ = ["request_"]


@pytest.fixture(autouse=True)
def _listed(cast: Cast) -> None:
    never_touch.add(TargetKind.HOST, "disk", caller=cast.caller("author"), reason="The only copy.")


def approve(request: ApprovalRequest, cast: Cast) -> None:
    tier2 = cast.caller("tier2")
    prove_decision(tier2, request)
    approvals.decide(request.pk, caller=tier2, verdict=Verdict.APPROVE, shown_digest=request.digest)


def sentence(run: Run) -> str:
    wipe = run.steps.get(key="wipe")
    assert wipe.status == StepStatus.FAILED
    return wipe.sentence


def test_what_was_approved_does_not_touch_it(
    cast: Cast, request_: ApprovalRequest, world: World, tmp_path: Path
) -> None:
    approve(request_, cast)
    sequence_once(load_signer(tmp_path))
    run = drive(request_)
    assert not world.effects
    assert "The only copy." in sentence(run)
    assert ApprovalRequest.objects.get(pk=request_.pk).status != RequestStatus.CONSUMED


def test_break_glass_at_its_gate_does_and_is_still_no_approval(
    cast: Cast, request_: ApprovalRequest, world: World
) -> None:
    use(request_, holder(cast))
    run = drive(request_)
    assert dict(world.effects) == {"disk": 1}
    told = replayed(run)
    assert (told.passed_actions, told.approved_actions) == (1, 0)


def test_what_comes_onto_the_list_after_it_is_passed_too(
    cast: Cast, request_: ApprovalRequest, world: World
) -> None:
    use(request_, holder(cast))
    never_touch.add(TargetKind.DOMAIN, "disk", caller=cast.caller("author"), reason="As a name too.")
    drive(request_)
    assert dict(world.effects) == {"disk": 1}


def test_when_the_right_is_gone_the_list_holds_again(
    cast: Cast, request_: ApprovalRequest, world: World, tmp_path: Path
) -> None:
    use(request_, holder(cast))
    people.revoke(cast.netowner, "break-glass", actor=SYSTEM)
    run = drive(request_)
    assert not world.effects
    again = run.requests.get(status=RequestStatus.OPEN)
    approve(again, cast)
    sequence_once(load_signer(tmp_path))
    run = drive(again)
    assert not world.effects
    assert "The only copy." in sentence(run)
