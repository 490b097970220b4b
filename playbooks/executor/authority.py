"""Whether a step may run: the approvals that cover it, checked and consumed inside the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils import timezone

from playbooks.access.facts import seats_of, standing_of
from playbooks.audit import reading
from playbooks.domain.actions import Effect
from playbooks.domain.planner import CONDITION
from playbooks.domain.policies.asking import beyond_limit, together
from playbooks.domain.policies.judging import Matched
from playbooks.domain.profiles import TIME_TO_THINK, Profile
from playbooks.domain.seats import fitting, match
from playbooks.domain.statuses import RequestStatus, StepStatus, WaitReason
from playbooks.domain.subject import Covered, first_difference
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Consumption, Step
from playbooks.operations import break_glass, never_touch, owed_receipts, permits, provisionals, requests
from playbooks.operations.actions import Call
from playbooks.operations.change import Change, is_governed
from playbooks.operations.limits import is_beyond_blast_radius
from playbooks.operations.moves import move, wait
from playbooks.operations.policy_rules import in_force, of_call, verdict_of
from playbooks.operations.rounds import Frame, moment

NOBODY_APPROVED = frozenset({RequestStatus.OPEN, RequestStatus.PASSED})
RECEIPT_EVERY = timedelta(seconds=1)  # as often as the sequencer signs
HIDDEN = (
    "The gate {gate} could not show what this would destroy. Give the step a gate of its own, after the steps "
    "that its parameters come from."
)


@dataclass(frozen=True, slots=True)
class Granted:
    """The step may run, under these requests (none for a step that needs no approval). `asked` is what policies asked
    for it, `permit` the one under which it runs without an approval, `telling` are those of which people are told,
    `provisional` the one under which it runs before anybody is asked.
    """

    requests: tuple[ApprovalRequest, ...]
    asked: tuple[Matched, ...] = ()
    permit: str = ""
    telling: tuple[Matched, ...] = ()
    provisional: str = ""


@dataclass(frozen=True, slots=True)
class Waits:
    """Not now: what would run has changed and people are asked again, or the evidence is not signed yet."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    sentence: str


@dataclass(frozen=True, slots=True)
class Ruled:
    """What policies ask for a call, the permits that apply to it, and those that tell of it. `touches` says why nobody
    may approve it: only break-glass at its gate lets it run.
    """

    touches: str = ""
    asking: tuple[Matched, ...] = ()
    permits: tuple[Matched, ...] = ()
    telling: tuple[Matched, ...] = ()
    provisionals: tuple[Matched, ...] = ()


def authorize(
    change: Change, frame: Frame, step: Step, call: Call | None, now: str
) -> Granted | Waits | Forbidden:
    """Whether `call` may be sent for `step`, or, without a call, the playbook be run that it runs; consumes what
    covers it.

    An undo is covered by the approval of what it takes back, unless a policy looks at undos.
    """
    if step.effect == Effect.READ:
        return Granted(())
    ruled = _ruled(change, step, call)
    if isinstance(ruled, Forbidden):
        return ruled
    by_gates = _verdict_of_gates(change, frame, step, ruled, now)
    if not isinstance(by_gates, Granted):
        return by_gates
    by_itself = _verdict_of_itself(change, frame, step, call, ruled=ruled, by_gates=by_gates, now=now)
    if not isinstance(by_itself, Granted):
        return by_itself
    granted = (*by_gates.requests, *by_itself.requests)
    if _has_to_wait(change, step, granted):
        return Waits()
    for request in granted:
        _consume(change, request, step)
    return replace(by_itself, requests=granted, asked=ruled.asking, telling=ruled.telling)


def _ruled(change: Change, step: Step, call: Call | None) -> Ruled | Forbidden:
    """What the policies in force say now. The start of another playbook is not ruled: what that run does is."""
    if call is None or not is_governed(change.run):
        return Ruled()
    acting, phase = of_call(call), "undo" if step.undoes_id else "do"
    touches = never_touch.why_never(acting, never_touch.protected(change.now)) if phase == "do" else ""
    rules = in_force(change.now)
    verdict = verdict_of(change.run, acting, rules, change.now, phase=phase, locks=True)
    if verdict.forbidden:
        return Forbidden(verdict.forbidden)
    asking = together(verdict.asking)
    return Ruled(touches, asking, verdict.permits, verdict.telling, verdict.provisionals)


def _verdict_of_gates(
    change: Change, frame: Frame, step: Step, ruled: Ruled, now: str
) -> Granted | Waits | Forbidden:
    granted: list[ApprovalRequest] = []
    for gate in [] if step.undoes_id else requests.gates_before(frame, step):
        verdict = _verdict_of_gate(change, frame, step, gate, ruled.asking, now)
        if not isinstance(verdict, Granted):
            return verdict
        granted.extend(verdict.requests)
    if ruled.touches and not any(each.status == RequestStatus.PASSED for each in granted):
        return Forbidden(ruled.touches)
    return Granted(tuple(granted))


def _has_to_wait(change: Change, step: Step, granted: Sequence[ApprovalRequest]) -> bool:
    if until := _time_to_think(granted, change.now):
        wait(step, WaitReason.DELAY, now=change.now, due_at=until, sentence="")
        return True
    if (
        step.effect == Effect.DESTROY
        and _lacks_receipt(change, granted)
        and not owed_receipts.owe(change, step, granted)
    ):
        _wait_for_receipt(change, step)
        return True
    return False


def _time_to_think(granted: Sequence[ApprovalRequest], now: datetime) -> datetime | None:
    """Until when what one person alone has confirmed can still be cancelled; None once that is over. An emergency
    does not wait.
    """
    alone = [
        each.closed_at
        for each in granted
        if each.profile == Profile.SOLO and each.closed_at and each.status != RequestStatus.PASSED
    ]
    until = max(alone, default=now - TIME_TO_THINK) + TIME_TO_THINK
    return until if until > now else None


def _verdict_of_itself(
    change: Change,
    frame: Frame,
    step: Step,
    call: Call | None,
    *,
    ruled: Ruled,
    by_gates: Granted,
    now: str,
) -> Granted | Waits | Forbidden:
    """What no gate has approved, and what goes beyond a limit, is asked about by itself, unless it may run before: past
    the caps of a provisional its seats are asked like any. Who has asked once, and not run, goes on asking, whatever
    the policies say since.
    """
    wants_seats = any(each.seats for each in ruled.asking)
    asking = list(ruled.asking) if wants_seats and not by_gates.requests else []
    is_offered = bool(ruled.provisionals) and call is not None and not by_gates.requests
    offered = provisionals.lasting(ruled.provisionals, change.now) if is_offered else ()
    if (
        (asking or offered)
        and call is not None
        and (permit := permits.use(change, step, call, ruled.permits))
    ):
        return Granted((), permit=permit)
    if call is not None and call.connection is not None and is_beyond_blast_radius(step, call, change.now):
        asking.append(beyond_limit(call.connection.targets_role))
    elif call is not None and (used := provisionals.use(change, frame, step, call, offered, now)):
        return Granted((), provisional=used)
    asking += [each.beforehand for each in offered]
    if not asking and not _may_have_asked(step):
        return Granted(())
    return _verdict_of_own_request(change, frame, step, asking, now)


def _may_have_asked(step: Step) -> bool:
    return bool(step.sentence) or step.attempt_count > 0


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
    asked = [*requests.gates_before(frame, step), *([step] if _may_have_asked(step) else [])]
    return requests.shown_moment(asked, change.now)


def _verdict_of_gate(
    change: Change, frame: Frame, step: Step, gate: Step, asking: Sequence[Matched], now: str
) -> Granted | Waits | Forbidden:
    if gate.status != StepStatus.SUCCEEDED:
        return _past_closed_gate(frame, step, gate)
    request = _request_in_force(gate)
    if request is None:
        return Forbidden(f"No approval of the gate {gate.key} is in force.")
    return _verdict_of_request(change, frame, step, request, asking, now)


def _verdict_of_own_request(
    change: Change, frame: Frame, step: Step, asking: Sequence[Matched], now: str
) -> Granted | Waits | Forbidden:
    """Policies ask for what no gate has approved, or the connection has changed as many targets as it may in a while,
    so people are asked about this one.
    """
    request = _request_in_force(step)
    if request is None and not asking:
        return Granted(())
    if request is None:
        change.write_ready()
        requests.open_own(change, frame, step, asking)
        return Waits()
    return _verdict_of_request(change, frame, step, request, asking, now)


def _verdict_of_request(
    change: Change,
    frame: Frame,
    step: Step,
    request: ApprovalRequest,
    asking: Sequence[Matched],
    now: str,
) -> Granted | Waits | Forbidden:
    is_shown = requests.is_shown(request, step)
    if not is_shown and step.effect == Effect.DESTROY:
        return Forbidden(HIDDEN.format(gate=request.step.key))
    sent = requests.covered_now(frame, step, now) if is_shown else None
    changed = _what_changed(request, step, sent, asking) or break_glass.over(request, step, change.now)
    if changed:
        _ask_again(change, request, step, asking, changed, now)
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


def _what_changed(
    request: ApprovalRequest, step: Step, sent: Covered | None, asking: Sequence[Matched]
) -> str:
    """The field in which what would be sent differs from what was approved, or the version, the policies or the seats
    do; or that an approver has lost the right to approve. Empty when nothing has changed.

    `sent` is None for what the gate could not show. What was under way when the question was put again, and what was
    added to a list since, is in neither of its lists, so it differs. What else the request covers is looked at when
    it is to run itself.
    """
    approved = requests.stored_subject(request)
    shown = next((item for item in approved["covered"] if item["step"] == step.key), None)
    return (
        first_difference(shown, sent.as_json() if sent else None, f"covered.{step.key}")
        or first_difference(approved, {**approved, **requests.terms(request, asking)})
        or _lost_approver(request, step, timezone.now())
    )


def _lost_approver(request: ApprovalRequest, step: Step, now: datetime) -> str:
    """An approval is consumed once per step: a retry goes on under it, the next step looks at the people again."""
    if request.status in NOBODY_APPROVED or request.consumptions.filter(step=step).exists():
        return ""
    seats = seats_of([request], now)[request.pk]
    entitled = {person: fitting(seats, held) for person, held in standing_of([request])[request.pk].items()}
    return "" if len(match(entitled)) == len(seats) else "the approvers' right to approve"


def _ask_again(
    change: Change,
    request: ApprovalRequest,
    step: Step,
    asking: Sequence[Matched],
    changed: str,
    now: str,
) -> None:
    """The step waits first, so that the renewed request shows it."""
    _wait_for(
        change, request, step, f"Changed since it was approved: {changed}. It has to be approved again."
    )
    requests.renew(change, request, changed=changed, frozen_at=now, asking=asking)


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
