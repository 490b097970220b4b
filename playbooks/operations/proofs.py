"""What a decision takes beyond a session: looked for, and used up, inside the transaction that decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from playbooks.domain.duty_facts import Facts
from playbooks.domain.statuses import Verdict
from playbooks.domain.stepup import Need, demanded, need_of_decision
from playbooks.models import ApprovalRequest
from playbooks.operations import stepup
from playbooks.operations.caller import Caller
from playbooks.operations.requests import stored_subject


def with_step_up(facts: Facts, request: ApprovalRequest, *, caller: Caller, now: datetime) -> Facts:
    """The facts with what an approval of this takes, and what the person has proven of it. A denial takes nothing."""
    facts = replace(facts, step_up=demanded(stored_subject(request)))
    if not facts.step_up or facts.verdict != Verdict.APPROVE:
        return facts
    proof = stepup.proof_for(_need(facts), caller=caller, now=now)
    if proof is None:
        return facts
    return replace(facts, decider=replace(facts.decider, step_up=facts.step_up, step_up_method=proof.method))


def use_proof(facts: Facts, *, caller: Caller, now: datetime) -> None:
    """Uses the proof up that the facts tell of. Raises Refused when a rival was faster."""
    if facts.decider.step_up:
        stepup.require(_need(facts), caller=caller, now=now)


def _need(facts: Facts) -> Need:
    return need_of_decision(facts.shown_digest, facts.verdict, facts.step_up)
