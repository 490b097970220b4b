"""Claim: a short transaction that records the intent before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.audit import Heads
from playbooks.domain.actions import Action, Effect
from playbooks.domain.canonical import digest
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError
from playbooks.domain.policies.asking import as_asked, as_told
from playbooks.domain.statuses import AttemptStatus, RunStatus, StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.executor import timers
from playbooks.executor.authority import Forbidden, Granted, authorize, frozen_at
from playbooks.executor.intents import intent_of
from playbooks.models import Attempt, Connection, Run, Step
from playbooks.operations import children, doubts, holds, limits, moves, rollbacks, stopping, telling
from playbooks.operations.actions import Call, actions
from playbooks.operations.caller import worker as worker_actor
from playbooks.operations.change import Change, anything_is_held, lock_run
from playbooks.operations.definitions import definition_of
from playbooks.operations.progress import advance
from playbooks.operations.rounds import Frame, open_frame, round_of

LEASE_BEYOND_DEADLINE = timedelta(seconds=10)
UNWANTED = "The step that waits for this run is to stop."
LIVE = frozenset(
    {RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.ROLLING_BACK, RunStatus.CANCELLING}
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A step that this worker, and nobody else, performs now."""

    run: UUID
    frame: Frame  # as it was when the step was claimed
    attempt: Attempt
    action: Action
    connection: Connection | None
    parameters: Mapping[str, object]
    is_simulated: bool
    deadline: datetime
    recovers: bool  # an earlier attempt's answer was lost
    undoes: Mapping[str, object] | None  # the outputs of the step that this one takes back
    handle: Mapping[str, object] | None  # of a job at the far side that is asked about
    is_stopping: bool  # that job is to stop


def claim_next(run: UUID, *, worker: str, driver: str = "", heads: Heads | None = None) -> Claim | None:
    """Claims one ready step of the run, or None when nothing is ready. `driver` names this drive among all; `heads`
    are what it knows of the ends of audit streams.
    """
    with transaction.atomic(durable=True):
        change = Change(lock_run(run), timezone.now(), worker_actor(worker), driver=driver, heads=heads)
        frame = _hear(change)
        claim = claim_ready(change, frame, worker=worker)
        if claim is None:
            change.driver = ""  # and nobody keeps a picture
            change.finish()
        else:
            change.ready = _left_ready(change, claim.frame)
            change.finish()
    return claim


def claim_ready(change: Change, frame: Frame, *, worker: str) -> Claim | None:
    """Claims the first step that is ready and may run, in the caller's transaction.

    A step that cannot run fails or waits here, and the run moves on.
    """
    while change.run.status in LIVE:
        step = _first_ready(change, frame)
        if step is None:
            return None
        if step.frame != frame.path:
            frame = open_frame(change.run, step.frame)
            step = next(each for each in frame.steps.values() if each.pk == step.pk)
        claim = _claim(change, frame, step, worker)
        if claim is not None:
            return claim
        change.write_ready()
        frame = advance(change, step.frame)
    return None


def _left_ready(change: Change, frame: Frame) -> int:
    """How many steps somebody else may claim meanwhile."""
    run = change.run
    if definition_of(run.version_id).has_blocks:
        change.write_ready()
        return run.steps.filter(round=round_of(run), status=StepStatus.READY).count()
    return sum(step.status == StepStatus.READY for step in frame.steps.values())


def _hear(change: Change) -> Frame:
    """What the parent of the run wants of it, and what has become due. Returns how the run then stands."""
    run = change.run
    if run.parent_id:
        if run.status in stopping.CANCELLABLE and children.is_unwanted(run):
            stopping.stop(change, UNWANTED)
        elif run.status in rollbacks.MAY_ROLL_BACK and children.is_to_be_rolled_back(run):
            rollbacks.begin(change)
    timers.fire_due(change)
    return advance(change) if run.status == RunStatus.QUEUED else open_frame(run)


def _first_ready(change: Change, frame: Frame) -> Step | None:
    run = change.run
    ready = next((step for step in frame.steps.values() if step.status == StepStatus.READY), None)
    if ready is not None or not definition_of(run.version_id).has_blocks:
        return ready
    change.write_ready()
    return run.steps.filter(round=round_of(run), status=StepStatus.READY).order_by("changed_at", "pk").first()


def _claim(change: Change, frame: Frame, step: Step, worker: str) -> Claim | None:
    if not _is_plain(change, step):
        change.write_ready()
    if job := _job(step):
        return _ask_about(change, frame, job, worker)
    if change.run.paused_at and not step.undoes_id:
        moves.wait(step, WaitReason.PAUSE, now=change.now, due_at=None)
        return None
    if step.kind == "run":
        _start_run(change, frame, step)
        return None
    now = frozen_at(change, frame, step)
    try:
        call = intent_of(change.run, frame, step, now)
    except ExpressionError as error:
        change.write_ready()
        doubts.fail(change, step, str(error))
        return None
    granted = _permission(change, frame, step, call, now)
    if granted is None:
        return None
    if change.run.status == RunStatus.QUEUED:
        moves.move(change.run, RunStatus.RUNNING)
    attempt = _attempt(change, step, call, worker, is_provisional=bool(granted.provisional))
    _note_claimed(change, step, call, attempt, granted)
    if granted.telling:
        change.tellings += telling.action_begun(change.run, step, attempt, granted.telling)
    return _claimed(frame, step, call.action, attempt)


def _is_plain(change: Change, step: Step) -> bool:
    """Whether nothing but the connection's limits can keep the step from being claimed."""
    run = change.run
    is_free = not run.paused_at and not anything_is_held(run) and step.kind != "run"
    return is_free and (step.effect == Effect.READ or _asks_nobody(run, step))


def _asks_nobody(run: Run, step: Step) -> bool:
    return step.effect != Effect.DESTROY and not definition_of(run.version_id).gates[step.name]


def _permission(change: Change, frame: Frame, step: Step, call: Call, now: str) -> Granted | None:
    """Under which approvals the step may be performed now. None where it waits, or has failed."""
    if _is_held(change, step, call.connection):
        return None
    granted = _authority(change, frame, step, call, now)
    if granted is None or _waits_for_connection(change, step, call.connection):
        return None
    return granted


def _is_held(change: Change, step: Step, connection: Connection | None) -> bool:
    hold = holds.holding(step, connection) if anything_is_held(change.run) else None
    if hold is None:
        return False
    sentence = f"{hold.placed_by} holds {hold.playbook or hold.connection or 'everything'}: {hold.reason}"
    moves.wait(step, WaitReason.HOLD, now=change.now, due_at=None, sentence=sentence, connection=connection)
    return True


def _waits_for_connection(change: Change, step: Step, connection: Connection | None) -> bool:
    found = limits.reason_to_wait(step, connection, change.now)
    if found is None:
        return False
    change.write_ready()
    reason, due_at = found
    place = step.changed_at  # in the line: since when it is ready
    moves.wait(step, reason, now=change.now, due_at=due_at, connection=connection, changed_at=place)
    return True


def _authority(change: Change, frame: Frame, step: Step, call: Call | None, now: str) -> Granted | None:
    """None where the step waits, or has failed."""
    verdict = authorize(change, frame, step, call, now)
    if isinstance(verdict, Forbidden):
        change.write_ready()
        doubts.fail(change, step, verdict.sentence)
    return verdict if isinstance(verdict, Granted) else None


def _start_run(change: Change, frame: Frame, step: Step) -> None:
    """The run of another playbook begins, or, in a rollback, the rollback of the run that was started."""
    if step.undoes_id:
        children.ask_to_roll_back(change, step)
        return
    if _is_held(change, step, None):
        return
    try:
        now = frozen_at(change, frame, step)
        if granted := _authority(change, frame, step, None, now):
            given = children.inputs_of(frame, step, now)
            _note_run(change, step, given, granted)
            children.start(change, frame, step, given)
    except ExpressionError as error:
        doubts.fail(change, step, str(error))


def _job(step: Step) -> Attempt | None:
    """The attempt that left a job at the far side, which goes on."""
    if not step.attempt_count:
        return None
    return step.attempts.select_related("connection").filter(status=AttemptStatus.PENDING).first()


def _ask_about(change: Change, frame: Frame, attempt: Attempt, worker: str) -> Claim:
    step = attempt.step
    action = actions()[step.action]
    until = change.now + timedelta(seconds=action.timeout.default) + LEASE_BEYOND_DEADLINE
    moves.move_step(step, StepStatus.RUNNING, now=change.now)
    moves.move(attempt, AttemptStatus.RUNNING, worker=worker, lease_until=until)
    return _claimed(frame, step, action, attempt)


def _attempt(change: Change, step: Step, call: Call, worker: str, *, is_provisional: bool) -> Attempt:
    previous = step.attempts.order_by("-number").first() if step.attempt_count else None
    lost = previous if previous and _leaves_doubt(previous) else None
    number = step.attempt_count + 1
    attempt = Attempt(
        step=step,
        number=number,
        worker=worker,
        idempotency_key=lost.idempotency_key if lost else f"{step.pk.hex}-{number}",
        recovers=lost,
        connection=call.connection,
        connection_revision=call.connection.revision if call.connection else 0,
        is_simulated=call.is_simulated,
        is_provisional=is_provisional,
        target=call.target[:200],
        breadth=call.breadth,
        parameters=dict(call.parameters),
        parameters_digest=digest(dict(call.parameters)),
        started_at=change.now,
        lease_until=change.now + _timeout(change.run, step, call.action) + LEASE_BEYOND_DEADLINE,
    )
    change.take(step)
    return moves.claim(step, attempt, now=change.now)


def _leaves_doubt(attempt: Attempt) -> bool:
    """Its answer was lost, or it failed in the place of another whose answer was lost."""
    failed_again = attempt.status == AttemptStatus.FAILED and attempt.recovers_id is not None
    return attempt.status == AttemptStatus.LOST or failed_again


def _timeout(run: Run, step: Step, action: Action) -> timedelta:
    """How long the call may take: the step's own time, else the action's default. A job is started by a call, and
    then has the time of the step.
    """
    document = definition_of(run.version_id).steps[step.name]
    if document.timeout is None or step.undoes_id is not None:
        return timedelta(seconds=action.timeout.default)
    own = parse_duration(document.timeout)
    return min(own, timedelta(seconds=action.timeout.default)) if action.is_job else own


def _note_claimed(change: Change, step: Step, call: Call, attempt: Attempt, granted: Granted) -> None:
    change.note_step(
        Verb.STEP_CLAIMED,
        step,
        attempt=attempt.number,
        action=call.action.key,
        effect=call.action.effect.value,
        connection=call.connection.name if call.connection else "",
        connection_revision=attempt.connection_revision,
        simulated=call.is_simulated,
        parameters=dict(call.parameters),
        parameters_digest=attempt.parameters_digest,
        subject_digests=[request.digest for request in granted.requests],
        policies=as_asked(granted.asked),
        permit=granted.permit,
        **({"provisional": granted.provisional} if granted.provisional else {}),
        **({"tells": as_told(granted.telling)} if granted.telling else {}),
    )


def _note_run(change: Change, step: Step, given: Mapping[str, object], granted: Granted) -> None:
    """As an approval shows it: the version that was pinned stands where else the connection does."""
    definition = definition_of(change.run.version_id)
    slug = str(definition.steps[step.name].run)
    change.note_step(
        Verb.STEP_CLAIMED,
        step,
        action="playbook.run",
        effect=step.effect,
        connection=slug,
        connection_revision=definition.pins[slug]["number"],
        simulated=change.run.simulates_all,
        parameters=dict(given),
        parameters_digest=digest(dict(given)),
        subject_digests=[request.digest for request in granted.requests],
    )


def _claimed(frame: Frame, step: Step, action: Action, attempt: Attempt) -> Claim:
    return Claim(
        run=frame.run.pk,
        frame=frame,
        attempt=attempt,
        action=action,
        connection=attempt.connection,
        parameters=attempt.parameters,
        is_simulated=attempt.is_simulated,
        deadline=attempt.lease_until - LEASE_BEYOND_DEADLINE,
        recovers=attempt.recovers_id is not None,
        undoes=step.undoes.outputs if step.undoes else None,
        handle=attempt.handle,
        is_stopping=step.is_stopping,
    )
