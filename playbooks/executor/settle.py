"""Settle: a short transaction that stores the outcome once, moves the run on, and claims the next step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from zlib import crc32

from django.db import transaction
from django.utils import timezone
from rfc8785 import CanonicalizationError

from playbooks.audit import Heads
from playbooks.domain.actions import Effect, Repeat
from playbooks.domain.canonical import digest
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import GREATEST
from playbooks.domain.outcomes import Failed, Lost, Outcome, Pending, Succeeded
from playbooks.domain.statuses import AttemptStatus, RunStatus, StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.executor.claims import Claim, claim_ready
from playbooks.executor.seams import Seam, reached
from playbooks.models import Attempt, Step
from playbooks.operations import bell, doubts, limits, moves, provisionals, secrecy
from playbooks.operations.actions import actions
from playbooks.operations.caller import worker as worker_actor
from playbooks.operations.change import Change, lock_known
from playbooks.operations.definitions import definition_of
from playbooks.operations.progress import move_on
from playbooks.operations.rounds import Frame, open_frame

MOST_LOSSES = 5  # answers of one step that may get lost before a person is asked
AGAIN = frozenset({Repeat.SAFE, Repeat.KEYED, Repeat.LOOKUP})


def settle(
    claim: Claim, outcome: Outcome, *, worker: str, driver: str = "", heads: Heads | None = None
) -> Claim | None:
    """Stores `outcome` and returns the next claim of the same run, if there is one.

    An answer that comes after its lease ran out changes nothing, unless a person is still asked what happened.
    """
    with transaction.atomic(durable=True):
        change = Change(
            lock_known(claim.frame.run, driver),
            timezone.now(),
            worker_actor(worker),
            driver=driver,
            heads=heads,
        )
        known = _picture(change, claim)
        attempt = claim.attempt if known else _read(change, claim.attempt)
        if not _is_awaited(attempt):
            return None
        _store(change, attempt, outcome)
        frame = known or open_frame(change.run, claim.frame.path)
        move_on(change, frame)
        following = claim_ready(change, frame, worker=worker)
        _pass_on_slot(attempt)
        change.finish(taken=1 if following else 0)
        reached(Seam.SETTLING)
    return following


def _picture(change: Change, claim: Claim) -> Frame | None:
    """What this drive knows of the steps, if nobody else has changed the run since, and no step holds others."""
    run, frame = change.run, claim.frame
    is_known = run is frame.run
    return frame if is_known and not definition_of(run.version_id).has_blocks else None


def _read(change: Change, attempt: Attempt) -> Attempt:
    row = Attempt.objects.select_related("step", "connection").get(pk=attempt.pk)
    row.step.run = change.run
    return row


def lose(change: Change, attempt: Attempt, sentence: str) -> None:
    """The answer is lost. What may be repeated is tried again: the first time at once, then after growing pauses,
    and not for ever. Of anything else a person is asked.
    """
    step = attempt.step
    if attempt.handle is not None:  # the worker was lost that asked how a job stands; the job was not
        _wait_for_job(change, attempt, Pending(attempt.handle, 0.0, sentence))
        return
    moves.settle(attempt, AttemptStatus.LOST, now=change.now, sentence=sentence)
    change.note_step(Verb.STEP_LOST, step, attempt=attempt.number, sentence=sentence)
    losses = step.attempts.filter(status=AttemptStatus.LOST).count()
    may_repeat = actions()[step.action].repeat in AGAIN and not _is_stopping(change, step)
    if may_repeat and losses == 1:
        moves.move_step(step, StepStatus.READY, now=change.now, sentence=sentence)
        change.ready += 1
        return
    if may_repeat and losses <= MOST_LOSSES:
        due_at = change.now + timedelta(seconds=2**losses)
        moves.wait(step, WaitReason.RETRY, now=change.now, due_at=due_at, sentence=sentence)
        return
    doubts.ask_a_person(change, attempt.step, attempt, sentence)


def _is_stopping(change: Change, step: Step) -> bool:
    """Whether nothing is to be begun any more where the step runs."""
    is_over = step.is_stopping or change.run.status == RunStatus.CANCELLING
    return is_over or bool(step.frame and open_frame(change.run, step.frame).is_stopping)


def _pass_on_slot(attempt: Attempt) -> None:
    """A connection that serves a few at a time has room again: whoever has waited longest hears the bell."""
    connection = attempt.connection
    if connection is None or connection.most_at_once is None:
        return
    if (step := limits.next_in_line(connection)) is not None:
        bell.ring(step.run_id)


def _is_awaited(attempt: Attempt) -> bool:
    if attempt.status == AttemptStatus.RUNNING:
        return True
    is_last = attempt.number == attempt.step.attempt_count
    return attempt.status == AttemptStatus.LOST and attempt.step.status == StepStatus.UNKNOWN and is_last


def _store(change: Change, attempt: Attempt, outcome: Outcome) -> None:
    match outcome:
        case Succeeded():
            _succeed(change, attempt, outcome)
        case Failed():
            _fail(change, attempt, outcome)
        case Pending():
            _wait_for_job(change, attempt, outcome)
        case Lost() if attempt.status == AttemptStatus.RUNNING:
            lose(change, attempt, outcome.sentence)


def _succeed(change: Change, attempt: Attempt, outcome: Succeeded) -> None:
    step = attempt.step
    outputs, sealed = secrecy.sealed(step, outcome.outputs, secrecy.names_of(step))
    moves.settle_with_step(attempt, step, outputs, now=change.now, sealed=sealed)
    provisionals.follow(change, step, attempt)
    change.note_step(
        Verb.STEP_UNDONE if step.undoes_id else Verb.STEP_SUCCEEDED,
        step,
        attempt=attempt.number,
        outputs_digest=_digest(outputs),
        changed=outputs.get("changed"),
        simulated=attempt.is_simulated,
    )


def _wait_for_job(change: Change, attempt: Attempt, outcome: Pending) -> None:
    """A job goes on at the far side: it is asked about again. It has the step's whole time, counted from its start."""
    step = attempt.step
    if attempt.handle is None:
        change.note_step(Verb.STEP_PENDING, step, attempt=attempt.number, sentence=outcome.sentence)
    moves.move(attempt, AttemptStatus.PENDING, handle=dict(outcome.handle))
    due_at = change.now + timedelta(seconds=outcome.poll_after)
    is_stopping = _is_stopping(change, step)
    moves.wait(
        step,
        WaitReason.JOB,
        now=change.now,
        due_at=due_at,
        sentence=outcome.sentence,
        is_stopping=is_stopping,
        deadline_at=None if is_stopping else attempt.started_at + _time_of_job(change, step),
    )


def _time_of_job(change: Change, step: Step) -> timedelta:
    document = definition_of(change.run.version_id).steps[step.name]
    if document.timeout is None or step.undoes_id:
        return timedelta(seconds=actions()[step.action].timeout.maximum)
    return parse_duration(document.timeout)


def _digest(outputs: Mapping[str, object]) -> str:
    """Far sides give 64-bit numbers, which RFC 8785 does not carry exactly: they count as text."""
    try:
        return digest(outputs)
    except CanonicalizationError:
        return digest(json.loads(json.dumps(outputs), parse_int=lambda digits: _exact(int(digits))))


def _exact(number: int) -> int | str:
    return number if abs(number) <= GREATEST else str(number)


def _fail(change: Change, attempt: Attempt, outcome: Failed) -> None:
    step = attempt.step
    if step.is_stopping:
        moves.settle(attempt, AttemptStatus.FAILED, now=change.now, sentence=outcome.sentence)
        _stopped(change, attempt, outcome)
        return
    pause = None if outcome.permanent else _pause_before_retry(change, step, outcome.retry_after)
    if _leaves_open_what_happened(attempt):
        _stay_in_doubt(change, attempt, outcome.sentence, pause)
        return
    moves.settle(attempt, AttemptStatus.FAILED, now=change.now, sentence=outcome.sentence)
    if pause is None:
        moves.move_step(step, StepStatus.FAILED, now=change.now, sentence=outcome.sentence)
        change.note_step(Verb.STEP_FAILED, step, attempt=attempt.number, sentence=outcome.sentence)
        return
    _try_again(change, attempt, outcome.sentence, pause)


def _try_again(change: Change, attempt: Attempt, sentence: str, pause: timedelta) -> None:
    step, due_at = attempt.step, change.now + pause
    if step.status == StepStatus.UNKNOWN:  # what it had to wait went by while nobody knew
        moves.move_step(step, StepStatus.READY, now=change.now, sentence=sentence)
        change.ready += 1
    else:
        moves.wait(step, WaitReason.RETRY, now=change.now, due_at=due_at, sentence=sentence)
    change.note_step(
        Verb.STEP_RETRIED, step, attempt=attempt.number, sentence=sentence, due_at=due_at.isoformat()
    )


def _leaves_open_what_happened(attempt: Attempt) -> bool:
    """It failed in the place of another whose answer was lost, and nobody looked whether that one happened."""
    action = actions()[attempt.step.action]
    was_seen = action.repeat is Repeat.LOOKUP or action.effect is Effect.READ
    return attempt.recovers_id is not None and not was_seen


def _stay_in_doubt(change: Change, attempt: Attempt, sentence: str, pause: timedelta | None) -> None:
    """Its failure does not tell what became of the attempt before it, so that it counts as lost, too: whoever stops
    the step while it waits for another try has to ask a person.
    """
    if attempt.status == AttemptStatus.LOST:  # a person is asked already
        return
    moves.settle(attempt, AttemptStatus.LOST, now=change.now, sentence=sentence)
    change.note_step(Verb.STEP_LOST, attempt.step, attempt=attempt.number, sentence=sentence)
    if pause is None:
        doubts.ask_a_person(change, attempt.step, attempt, sentence)
    else:
        _try_again(change, attempt, sentence, pause)


def _stopped(change: Change, attempt: Attempt, outcome: Failed) -> None:
    """A job that was to stop has stopped."""
    step = attempt.step
    if change.run.status == RunStatus.CANCELLING:
        moves.move_step(
            step, StepStatus.CANCELLED, now=change.now, sentence=outcome.sentence, is_stopping=False
        )
        return
    sentence = f"It took longer than its timeout and was stopped. {outcome.sentence}"
    moves.move_step(step, StepStatus.FAILED, now=change.now, sentence=sentence, is_stopping=False)
    change.note_step(Verb.STEP_FAILED, step, attempt=attempt.number, sentence=sentence)


def _pause_before_retry(change: Change, step: Step, asked: float | None) -> timedelta | None:
    """How long to wait before the next attempt, or None when there is none.

    The pause grows, and is longer by up to a quarter, differently for each step, so that what failed together is not
    tried again together. The far side may ask for a longer one.
    """
    if step.undoes_id is not None or _is_stopping(change, step):
        return None
    retry = definition_of(change.run.version_id).steps[step.name].retry
    if retry is None or step.attempt_count > retry.times:
        return None
    pause = parse_duration(retry.every) * retry.backoff ** (step.attempt_count - 1)
    return max(pause * (1 + _jitter(step)), timedelta(seconds=asked or 0))


def _jitter(step: Step) -> float:
    """0 to 0.25, the same whenever it is computed."""
    return crc32(f"{step.pk}-{step.attempt_count}".encode()) / 2**34
