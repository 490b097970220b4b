"""Decisions on what destroys: each takes a proof of its own, over this very decision, and no proof serves two."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.domain.stepup import need_of_decision
from playbooks.models import ApprovalRequest, Run
from playbooks.operations import approvals, people
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Refused
from tests.cast import Cast
from tests.executor.test_receipts import STEPS
from tests.operations.test_decisions import bodies
from tests.proving import prove, prove_decision

Begin = Callable[..., Run]


@pytest.fixture
def wiping(begin: Begin) -> ApprovalRequest:
    """A request to wipe a disk."""
    run = begin(STEPS)
    executor.drive(run.pk, worker="test")
    return run.requests.get()


def rules(request: ApprovalRequest, caller: Caller, verdict: Verdict = Verdict.APPROVE) -> list[str]:
    try:
        approvals.decide(
            request.pk, caller=caller, verdict=verdict, shown_digest=request.digest, comment="Because."
        )
    except Refused as refusal:
        return [denial.rule for denial in refusal.denials]
    return []


def test_without_a_proof_it_is_refused_and_recorded(cast: Cast, wiping: ApprovalRequest) -> None:
    assert rules(wiping, cast.caller("tier2")) == ["not_stepped_up"]
    wiping.refresh_from_db()
    assert wiping.status == RequestStatus.OPEN
    (refused,) = bodies("decision.refused")
    assert refused["rule"] == "not_stepped_up"


def test_with_its_own_proof_it_is_taken_and_the_proof_used_up(cast: Cast, wiping: ApprovalRequest) -> None:
    prove_decision(cast.caller("tier2"), wiping)
    assert rules(wiping, cast.caller("tier2")) == []
    (made,) = bodies("decision.made")
    decider = made["duty_facts"]["decider"]  # type: ignore[index]
    assert (decider["step_up"], decider["step_up_method"]) == ("bound", "passkey")
    assert cast.tier2.step_ups.get().used_at is not None


def test_a_denial_needs_no_proof(cast: Cast, wiping: ApprovalRequest) -> None:
    assert rules(wiping, cast.caller("tier2"), Verdict.DENY) == []


@pytest.mark.parametrize(("digest", "verdict"), [("f" * 64, "approve"), ("", "deny")])
def test_a_proof_over_another_digest_or_verdict_does_not_serve(
    cast: Cast, wiping: ApprovalRequest, digest: str, verdict: str
) -> None:
    prove(cast.caller("tier2"), need_of_decision(digest or wiping.digest, verdict, "bound"))
    assert rules(wiping, cast.caller("tier2")) == ["not_stepped_up"]


def test_a_proof_of_somebody_else_or_of_another_session_does_not_serve(
    cast: Cast, wiping: ApprovalRequest
) -> None:
    people.grant(cast.netowner, "tier-2", actor=SYSTEM, granted_by=None)
    prove_decision(cast.caller("netowner"), wiping)
    prove_decision(Caller(cast.tier2, session="another"), wiping)
    assert rules(wiping, cast.caller("tier2")) == ["not_stepped_up"]


def test_case_38_a_proof_that_served_does_not_serve_again(
    cast: Cast, begin: Begin, wiping: ApprovalRequest
) -> None:
    """Not even for a request with the same digest, were there one."""
    prove_decision(cast.caller("tier2"), wiping)
    assert rules(wiping, cast.caller("tier2")) == []
    proof = cast.tier2.step_ups.get()
    assert proof.digest == wiping.digest
    assert "not_stepped_up" in rules(wiping, cast.caller("tier2"))


def test_a_refused_decision_leaves_the_proof_for_the_next(cast: Cast, wiping: ApprovalRequest) -> None:
    prove_decision(cast.caller("tier2"), wiping)
    people.revoke(cast.tier2, "tier-2", actor=SYSTEM)
    assert rules(wiping, cast.caller("tier2")) == ["not_in_seat"]
    people.grant(cast.tier2, "tier-2", actor=SYSTEM, granted_by=None)
    assert rules(wiping, cast.caller("tier2")) == []
