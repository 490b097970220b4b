"""Claim: a short transaction that records the intent before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.domain.actions import Action
from playbooks.domain.canonical import digest
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError
from playbooks.domain.rollback import UndoCall
from playbooks.domain.statuses import AttemptStatus, RunStatus, StepStatus
from playbooks.domain.verbs import Verb
from playbooks.executor.authority import Forbidden, Granted, Waits, authorize, frozen_at
from playbooks.models import Attempt, Connection, Run, Step
from playbooks.operations import moves
from playbooks.operations.actions import Call, actions, connection_for, resolve
from playbooks.operations.caller import worker as worker_actor
from playbooks.operations.change import Change, lock_run
from playbooks.operations.definitions import definition_of
from playbooks.operations.progress import advance
from playbooks.operations.rollbacks import undo_of
from playbooks.operations.rounds import Steps, current_steps, scope_of, states_of

LEASE_BEYOND_DEADLINE = timedelta(seconds=10)
SWITCHED = (
    "The connection {connection} was switched between simulated and real since {step} ran, so {step} cannot be undone "
    "through it. Switch it back and roll back again, or undo it by hand."
)
LIVE = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.ROLLING_BACK})


@dataclass(frozen=True, slots=True)
class Claim:
    """A step that this worker, and nobody else, performs now."""

    run: UUID
    attempt: Attempt
    action: Action
    connection: Connection
    parameters: Mapping[str, object]
    is_simulated: bool
    deadline: datetime
    recovers: bool  # an earlier attempt's answer was lost
    undoes: Mapping[str, object] | None  # the outputs of the step that this one takes back


def claim_next(run: UUID, *, worker: str) -> Claim | None:
    """Claims one ready step of the run, or None when nothing is ready."""
    with transaction.atomic(durable=True):
        change = Change(lock_run(run), timezone.now(), worker_actor(worker))
        claim = claim_ready(change, current_steps(change.run), worker=worker)
        change.finish()
    return claim


def claim_ready(change: Change, steps: Steps, *, worker: str) -> Claim | None:
    """Claims the first step that is ready and may run, in the caller's transaction.

    A step that cannot run fails or waits here, and the run moves on.
    """
    while change.run.status in LIVE:
        step = next((s for s in steps.values() if s.status == StepStatus.READY), None)
        if step is None:
            return None
        claim = _claim(change, step, steps, worker)
        if claim is not None:
            return claim
        steps = advance(change)
    return None


def _claim(change: Change, step: Step, steps: Steps, worker: str) -> Claim | None:
    now = frozen_at(change, step, steps)
    try:
        call = _call(change, step, steps, now)
    except ExpressionError as error:
        _fail(change, step, str(error))
        return None
    match authorize(change, step, steps, call, now):
        case Forbidden(sentence=sentence):
            _fail(change, step, sentence)
            return None
        case Waits():
            return None
        case Granted(requests=granted):
            if change.run.status == RunStatus.QUEUED:
                moves.move(change.run, RunStatus.RUNNING)
            attempt = _attempt(change, step, call, worker)
            _note_claimed(change, step, call, attempt, [request.digest for request in granted])
            return _claimed(change.run, step, call, attempt)


def _call(change: Change, step: Step, steps: Steps, now: str) -> Call:
    """What would be sent, resolved afresh at the same frozen moment that the approval showed."""
    run = change.run
    if step.undoes is not None:
        return _undo_call(run, step.undoes)
    document = definition_of(run.version_id).steps[step.key]
    return resolve(run, document, scope_of(run, states_of(steps), now))


def _undo_call(run: Run, original: Step) -> Call:
    """Raises ExpressionError where there is no undo, or where the connection has become a simulator since, or real:
    what one did the other cannot take back.
    """
    done = original.attempts.order_by("-number")[0]
    undo = undo_of(run, original, done)
    if not isinstance(undo, UndoCall):
        raise ExpressionError(undo)
    action = actions()[undo.action]
    connection = connection_for(action, undo.connection)
    is_simulated = run.simulates_all or connection.is_simulated
    if connection.pk == done.connection_id and is_simulated != done.is_simulated:
        raise ExpressionError(SWITCHED.format(connection=connection.name, step=original.key))
    return Call(
        action=action,
        connection=connection,
        parameters=undo.parameters,
        is_simulated=is_simulated,
    )


def _attempt(change: Change, step: Step, call: Call, worker: str) -> Attempt:
    previous = step.attempts.order_by("-number").first() if step.attempt_count else None
    lost = previous if previous and previous.status == AttemptStatus.LOST else None
    number = step.attempt_count + 1
    attempt = Attempt(
        step=step,
        number=number,
        worker=worker,
        idempotency_key=lost.idempotency_key if lost else f"{step.pk.hex}-{number}",
        recovers=lost,
        connection=call.connection,
        connection_revision=call.connection.revision,
        is_simulated=call.is_simulated,
        parameters=dict(call.parameters),
        parameters_digest=digest(dict(call.parameters)),
        started_at=change.now,
        lease_until=change.now + _timeout(change.run, step, call.action) + LEASE_BEYOND_DEADLINE,
    )
    return moves.claim(step, attempt, now=change.now)


def _timeout(run: Run, step: Step, action: Action) -> timedelta:
    """The step's own, else the action's default."""
    document = definition_of(run.version_id).steps[step.key]
    if document.timeout is None or step.undoes_id is not None:
        return timedelta(seconds=action.timeout.default)
    return parse_duration(document.timeout)


def _note_claimed(change: Change, step: Step, call: Call, attempt: Attempt, digests: list[str]) -> None:
    change.note_step(
        Verb.STEP_CLAIMED,
        step,
        attempt=attempt.number,
        action=call.action.key,
        effect=call.action.effect.value,
        connection=call.connection.name,
        connection_revision=call.connection.revision,
        simulated=call.is_simulated,
        parameters=dict(call.parameters),
        parameters_digest=attempt.parameters_digest,
        subject_digests=digests,
    )


def _claimed(run: Run, step: Step, call: Call, attempt: Attempt) -> Claim:
    return Claim(
        run=run.pk,
        attempt=attempt,
        action=call.action,
        connection=call.connection,
        parameters=call.parameters,
        is_simulated=call.is_simulated,
        deadline=attempt.lease_until - LEASE_BEYOND_DEADLINE,
        recovers=attempt.recovers_id is not None,
        undoes=step.undoes.outputs if step.undoes else None,
    )


def _fail(change: Change, step: Step, sentence: str) -> None:
    moves.move_step(step, StepStatus.FAILED, now=change.now, sentence=sentence)
    change.note_step(Verb.STEP_FAILED, step, sentence=sentence)
