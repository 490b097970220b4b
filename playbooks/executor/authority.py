"""Whether a step may run: the approvals that cover it, checked and consumed inside the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from playbooks.access.facts import seats_of, standing_of
from playbooks.audit import reading
from playbooks.domain.actions import Effect
from playbooks.domain.planner import CONDITION
from playbooks.domain.profiles import TIME_TO_THINK, Profile
from playbooks.domain.seats import fitting, match
from playbooks.domain.statuses import RequestStatus, StepStatus, WaitReason
from playbooks.domain.subject import Covered, first_difference
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Consumption, Step
from playbooks.operations import requests
from playbooks.operations.actions import Call
from playbooks.operations.change import Change
from playbooks.operations.limits import is_beyond_blast_radius
from playbooks.operations.moves import move, wait
from playbooks.operations.rounds import Frame, moment

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


def authorize(
    change: Change, frame: Frame, step: Step, call: Call | None, now: str
) -> Granted | Waits | Forbidden:
    """Whether `call` may be sent for `step`, or, without a call, the playbook be run that it runs; consumes what
    covers it.

    An undo is covered by the approval of what it takes back.
    """
    if step.effect == Effect.READ or step.undoes_id:
        return Granted(())
    granted: list[ApprovalRequest] = []
    for gate in requests.gates_before(frame, step):
        verdict = _verdict_of_gate(change, frame, step, gate, now)
        if not isinstance(verdict, Granted):
            return verdict
        granted.extend(verdict.requests)
    if call is not None and is_beyond_blast_radius(step, call, change.now):
        verdict = _verdict_of_own_request(change, frame, step, now)
        if not isinstance(verdict, Granted):
            return verdict
        granted.extend(verdict.requests)
    if until := _time_to_think(granted, change.now):
        wait(step, WaitReason.DELAY, now=change.now, due_at=until, sentence="")
        return Waits()
    if step.effect == Effect.DESTROY and _lacks_receipt(change, granted):
        _wait_for_receipt(change, step)
        return Waits()
    for request in granted:
        _consume(change, request, step)
    return Granted(tuple(granted))


def _time_to_think(granted: Sequence[ApprovalRequest], now: datetime) -> datetime | None:
    """Until when what one person alone has confirmed can still be cancelled; None once that is over."""
    alone = [each.closed_at for each in granted if each.profile == Profile.SOLO and each.closed_at]
    until = max(alone, default=now - TIME_TO_THINK) + TIME_TO_THINK
    return until if until > now else None


def _lacks_receipt(change: Change, granted: Sequence[ApprovalRequest]) -> bool:
    """No receipt, no action: what a destroying action relies on has to be in a signed checkpoint before."""
    relied_on = [change.run.version_id, *(request.pk for request in granted)]
    return any(reading.awaits_receipt(str(subject)) for subject in relied_on)


def _wait_for_receipt(change: Change, step: Step) -> None:
    due_at = change.now + RECEIPT_EVERY
    wait(step, WaitReason.RECEIPT, now=change.now, due_at=due_at, sentence="")


def frozen_at(change: Change, frame: Frame, step: Step) -> str:
    """The moment that the step's expressions see as `now`: that which its latest approval showed."""
    if step.undoes_id:
        return moment(change.now)
    has_asked_itself = bool(step.sentence)
    asked = [*requests.gates_before(frame, step), *([step] if has_asked_itself else [])]
    return requests.shown_moment(asked, change.now)


def _verdict_of_gate(
    change: Change, frame: Frame, step: Step, gate: Step, now: str
) -> Granted | Waits | Forbidden:
    if gate.status != StepStatus.SUCCEEDED:
        return _past_closed_gate(frame, step, gate)
    request = _request_in_force(gate)
    if request is None:
        return Forbidden(f"No approval of the gate {gate.key} is in force.")
    return _verdict_of_request(change, frame, step, request, now)


def _verdict_of_own_request(
    change: Change, frame: Frame, step: Step, now: str
) -> Granted | Waits | Forbidden:
    """The connection has changed as many targets as it may in a while, so people are asked about this one."""
    request = _request_in_force(step)
    if request is None:
        change.write_ready()
        requests.open_own(change, frame, step)
        return Waits()
    return _verdict_of_request(change, frame, step, request, now)


def _verdict_of_request(
    change: Change, frame: Frame, step: Step, request: ApprovalRequest, now: str
) -> Granted | Waits | Forbidden:
    is_shown = requests.is_shown(request, step)
    if not is_shown and step.effect == Effect.DESTROY:
        return Forbidden(HIDDEN.format(gate=request.step.key))
    sent = requests.covered_now(frame, step, now) if is_shown else None
    changed = _what_changed(request, step, sent)
    if changed:
        _ask_again(change, request, step, changed, now)
        return Waits()
    if request.status == RequestStatus.OPEN:
        _wait_for(change, request, step, f"The gate {request.step.key} is asked about again.")
        return Waits()
    return Granted((request,) if is_shown else ())


def _past_closed_gate(frame: Frame, step: Step, gate: Step) -> Granted | Forbidden:
    """A gate that its own condition left out asks for nothing, and does not stand before those that come before it.
    Past any other gate that did not open, people may be told, and nothing may be changed.
    """
    if gate.status == StepStatus.SUCCEEDED or step.effect == Effect.MESSAGE:
        return Granted(())
    if gate.status == StepStatus.SKIPPED and gate.sentence == CONDITION:
        verdicts = [_past_closed_gate(frame, step, before) for before in requests.gates_before(frame, gate)]
        return next((each for each in verdicts if isinstance(each, Forbidden)), Granted(()))
    return Forbidden(f"The gate {gate.key} did not open, so this cannot run.")


def _request_in_force(gate: Step) -> ApprovalRequest | None:
    """The one that was granted, or that is asked again since what was granted has changed."""
    found = ApprovalRequest.objects.select_for_update(of=("self",)).select_related("step", "run")
    request = found.filter(step=gate, status__in=requests.IN_FORCE).first()
    if request is not None:
        request.run = request.step.run = gate.run
    return request


def _what_changed(request: ApprovalRequest, step: Step, sent: Covered | None) -> str:
    """The field in which what would be sent differs from what was approved, or the version or the seats do; or that
    an approver has lost the right to approve. Empty when nothing has changed.

    `sent` is None for what the gate could not show. What was under way when the question was put again, and what was
    added to a list since, is in neither of its lists, so it differs. What else the request covers is looked at when
    it is to run itself.
    """
    approved = requests.stored_subject(request)
    shown = next((item for item in approved["covered"] if item["step"] == step.key), None)
    return (
        first_difference(shown, sent.as_json() if sent else None, f"covered.{step.key}")
        or first_difference(approved, {**approved, **requests.terms(request.step)})
        or _lost_approver(request, step, timezone.now())
    )


def _lost_approver(request: ApprovalRequest, step: Step, now: datetime) -> str:
    """An approval is consumed once per step: a retry goes on under it, the next step looks at the people again."""
    if request.status == RequestStatus.OPEN or request.consumptions.filter(step=step).exists():
        return ""
    seats = seats_of([request], now)[request.pk]
    entitled = {person: fitting(seats, held) for person, held in standing_of([request])[request.pk].items()}
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
