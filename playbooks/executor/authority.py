"""Whether a step may run: the approvals that cover it, checked and consumed inside the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from playbooks import access
from playbooks.audit import reading
from playbooks.domain.actions import Effect
from playbooks.domain.coverage import gates_of
from playbooks.domain.planner import CONDITION
from playbooks.domain.seats import Seat, fitting, match
from playbooks.domain.statuses import RequestStatus, StepStatus, Verdict, WaitReason
from playbooks.domain.subject import Covered, first_difference
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Consumption, Step
from playbooks.models.decisions import Decision
from playbooks.operations import requests
from playbooks.operations.actions import Call, covered
from playbooks.operations.change import Change
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move, wait
from playbooks.operations.rounds import Steps, moment

RECEIPT_EVERY = timedelta(seconds=1)  # as often as the sequencer signs
HIDDEN = (
    "The gate {gate} could not show what this would destroy. Give the step a gate of its own, after the steps "
    "that its parameters come from."
)


@dataclass(frozen=True, slots=True)
class Granted:
    """The step may run, under these requests (none for a step that needs no approval)."""

    requests: tuple[ApprovalRequest, ...]


@dataclass(frozen=True, slots=True)
class Waits:
    """Not now: what would run has changed and people are asked again, or the evidence is not signed yet."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    sentence: str


def authorize(change: Change, step: Step, steps: Steps, call: Call, now: str) -> Granted | Waits | Forbidden:
    """Whether `call` may be sent for `step`; consumes what covers it.

    An undo is covered by the approval of what it takes back.
    """
    if step.effect == Effect.READ or step.round > 0:
        return Granted(())
    granted: list[ApprovalRequest] = []
    for gate in _gates(change, step, steps):
        verdict = _verdict_of_gate(change, step, gate, steps, call, now)
        if not isinstance(verdict, Granted):
            return verdict
        granted.extend(verdict.requests)
    if step.effect == Effect.DESTROY and _lacks_receipt(change, granted):
        _wait_for_receipt(change, step)
        return Waits()
    for request in granted:
        _consume(change, request, step)
    return Granted(tuple(granted))


def _lacks_receipt(change: Change, granted: Sequence[ApprovalRequest]) -> bool:
    """No receipt, no action: what a destroying action relies on has to be in a signed checkpoint before."""
    relied_on = [change.run.version_id, *(request.pk for request in granted)]
    return any(reading.awaits_receipt(str(subject)) for subject in relied_on)


def _wait_for_receipt(change: Change, step: Step) -> None:
    due_at = change.now + RECEIPT_EVERY
    wait(step, WaitReason.RECEIPT, now=change.now, due_at=due_at, sentence="")


def frozen_at(change: Change, step: Step, steps: Steps) -> str:
    """The moment that the step's expressions see as `now`: that which its latest approval showed."""
    in_force = [_request_in_force(gate) for gate in _gates(change, step, steps)]
    latest = max((each for each in in_force if each), key=lambda each: each.opened_at, default=None)
    if latest is None:
        return moment(change.now)
    return str(requests.stored_subject(latest)["frozen_at"])


def _gates(change: Change, step: Step, steps: Steps) -> list[Step]:
    if step.round > 0:
        return []
    playbook = definition_of(change.run.version_id).playbook
    return [steps[gate] for gate in gates_of(playbook, step.key)]


def _verdict_of_gate(
    change: Change, step: Step, gate: Step, steps: Steps, call: Call, now: str
) -> Granted | Waits | Forbidden:
    if gate.status != StepStatus.SUCCEEDED:
        return _past_closed_gate(step, gate)
    request = _request_in_force(gate)
    if request is None:
        return Forbidden(f"No approval of the gate {gate.key} is in force.")
    is_shown = step.key not in requests.stored_subject(request)["not_covered"]
    if not is_shown and step.effect == Effect.DESTROY:
        return Forbidden(HIDDEN.format(gate=gate.key))
    document = definition_of(change.run.version_id).steps[step.key]
    changed = _what_changed(request, step, steps, covered(change.run, call, document) if is_shown else None)
    if changed:
        _ask_again(change, request, step, changed, now)
        return Waits()
    if request.status == RequestStatus.OPEN:
        _wait_for(change, request, step, f"The gate {gate.key} is asked about again.")
        return Waits()
    return Granted((request,) if is_shown else ())


def _past_closed_gate(step: Step, gate: Step) -> Granted | Forbidden:
    """A gate that its own condition left out asks for nothing. Past any other gate that did not open, people may be
    told, and nothing may be changed.
    """
    left_out = gate.status == StepStatus.SKIPPED and gate.sentence == CONDITION
    if left_out or step.effect == Effect.MESSAGE:
        return Granted(())
    return Forbidden(f"The gate {gate.key} did not open, so this cannot run.")


def _request_in_force(gate: Step) -> ApprovalRequest | None:
    """The one that was granted, or that is asked again since what was granted has changed."""
    found = ApprovalRequest.objects.select_for_update(of=("self",)).select_related("step", "run")
    return found.filter(step=gate, status__in=requests.IN_FORCE).first()


def _what_changed(request: ApprovalRequest, step: Step, steps: Steps, sent: Covered | None) -> str:
    """The field in which what would be sent, or anything else of the subject, differs from what was approved; or
    that an approver has lost the right to approve. Empty when nothing has changed.

    `sent` is None for what the gate could not show. What was under way when the question was put again is in
    neither of its lists, so it differs.
    """
    approved = requests.stored_subject(request)
    shown = next((item for item in approved["covered"] if item["step"] == step.key), None)
    return (
        first_difference(shown, sent.as_json() if sent else None, f"covered.{step.key}")
        or first_difference(approved, requests.current_subject(request, steps))
        or _lost_approver(request, step)
    )


def _lost_approver(request: ApprovalRequest, step: Step) -> str:
    """An approval is consumed once per step: a retry goes on under it, the next step looks at the people again."""
    if request.status == RequestStatus.OPEN or request.consumptions.filter(step=step).exists():
        return ""
    approvers = Decision.objects.filter(request=request, verdict=Verdict.APPROVE).values_list(
        "person", flat=True
    )
    seats = [Seat(seat.role) for seat in request.seats.order_by("position")]
    entitled = {str(person): fitting(seats, held) for person, held in access.roles_of(approvers).items()}
    return "" if len(match(entitled)) == len(seats) else "the approvers' right to approve"


def _ask_again(change: Change, request: ApprovalRequest, step: Step, changed: str, now: str) -> None:
    """The step waits first, so that the renewed request shows it."""
    _wait_for(
        change, request, step, f"Changed since it was approved: {changed}. It has to be approved again."
    )
    requests.renew(change, request, changed=changed, frozen_at=now)


def _wait_for(change: Change, request: ApprovalRequest, step: Step, sentence: str) -> None:
    wait(step, WaitReason.APPROVAL, now=change.now, due_at=request.due_at, sentence=sentence)


def _consume(change: Change, request: ApprovalRequest, step: Step) -> None:
    """Once per step: a retry of the same step finds its consumption and uses it again."""
    _, first = Consumption.objects.get_or_create(
        request=request, step=step, defaults={"consumed_at": change.now}
    )
    if request.status == RequestStatus.GRANTED:
        move(request, RequestStatus.CONSUMED)
    if first:
        change.note(
            Verb.REQUEST_CONSUMED,
            subject=requests.request_subject(request),
            facts={"request": str(request.pk), "step": step.key, "digest": request.digest},
        )
