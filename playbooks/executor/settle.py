"""Settle: a short transaction that stores the outcome once, moves the run on, and claims the next step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from playbooks.domain.actions import Effect, Repeat
from playbooks.domain.canonical import digest
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import GREATEST
from playbooks.domain.outcomes import Failed, Lost, Outcome, Succeeded
from playbooks.domain.statuses import AttemptStatus, RunStatus, StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.executor.claims import Claim, claim_ready
from playbooks.executor.seams import Seam, reached
from playbooks.models import Attempt, Step
from playbooks.operations import moves
from playbooks.operations.actions import actions
from playbooks.operations.caller import worker as worker_actor
from playbooks.operations.change import Change, lock_run
from playbooks.operations.definitions import definition_of
from playbooks.operations.progress import advance

MOST_LOSSES = 5  # answers of one step that may get lost before a person is asked
AGAIN = frozenset({Repeat.SAFE, Repeat.KEYED, Repeat.LOOKUP})


def settle(claim: Claim, outcome: Outcome, *, worker: str) -> Claim | None:
    """Stores `outcome` and returns the next claim of the same run, if there is one.

    An answer that comes after its lease ran out changes nothing, unless a person is still asked what happened.
    """
    with transaction.atomic(durable=True):
        change = Change(lock_run(claim.run), timezone.now(), worker_actor(worker))
        attempt = Attempt.objects.select_related("step").get(pk=claim.attempt.pk)
        if not _is_awaited(attempt):
            return None
        _store(change, attempt, outcome)
        following = claim_ready(change, advance(change), worker=worker)
        change.finish(taken=1 if following else 0)
        reached(Seam.SETTLING)
    return following


def lose(change: Change, attempt: Attempt, sentence: str) -> None:
    """The answer is lost. What may be repeated is tried again: the first time at once, then after growing pauses,
    and not for ever. Of anything else a person is asked.
    """
    step = attempt.step
    moves.settle(attempt, AttemptStatus.LOST, now=change.now, sentence=sentence)
    change.note_step(Verb.STEP_LOST, step, attempt=attempt.number, sentence=sentence)
    losses = step.attempts.filter(status=AttemptStatus.LOST).count()
    may_repeat = actions()[step.action].repeat in AGAIN and change.run.status != RunStatus.CANCELLING
    if may_repeat and losses == 1:
        moves.move_step(step, StepStatus.READY, now=change.now, sentence=sentence)
        change.ready += 1
        return
    if may_repeat and losses <= MOST_LOSSES:
        due_at = change.now + timedelta(seconds=2**losses)
        moves.wait(step, WaitReason.RETRY, now=change.now, due_at=due_at, sentence=sentence)
        return
    _ask_a_person(change, attempt, sentence)


def _ask_a_person(change: Change, attempt: Attempt, sentence: str) -> None:
    moves.move_step(attempt.step, StepStatus.UNKNOWN, now=change.now, sentence=sentence)
    change.note_step(Verb.STEP_UNKNOWN, attempt.step, attempt=attempt.number, sentence=sentence)


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
        case Lost() if attempt.status == AttemptStatus.RUNNING:
            lose(change, attempt, outcome.sentence)


def _succeed(change: Change, attempt: Attempt, outcome: Succeeded) -> None:
    step, outputs = attempt.step, dict(outcome.outputs)
    moves.settle(attempt, AttemptStatus.SUCCEEDED, now=change.now, outputs=outputs)
    moves.move_step(step, StepStatus.SUCCEEDED, now=change.now, outputs=outputs)
    change.note_step(
        Verb.STEP_UNDONE if step.undoes_id else Verb.STEP_SUCCEEDED,
        step,
        attempt=attempt.number,
        outputs_digest=_digest(outputs),
        changed=outputs.get("changed"),
        simulated=attempt.is_simulated,
    )


def _digest(outputs: Mapping[str, object]) -> str:
    """Far sides give 64-bit numbers, which RFC 8785 does not carry exactly: they count as text."""
    exact = json.loads(json.dumps(outputs), parse_int=lambda digits: _exact(int(digits)))
    return digest(exact)


def _exact(number: int) -> int | str:
    return number if abs(number) <= GREATEST else str(number)


def _fail(change: Change, attempt: Attempt, outcome: Failed) -> None:
    step = attempt.step
    pause = None if outcome.permanent else _pause_before_retry(change, step)
    if pause is None and _leaves_open_what_happened(attempt):
        _ask_about_the_lost(change, attempt, outcome.sentence)
        return
    moves.settle(attempt, AttemptStatus.FAILED, now=change.now, sentence=outcome.sentence)
    if pause is None:
        moves.move_step(step, StepStatus.FAILED, now=change.now, sentence=outcome.sentence)
        change.note_step(Verb.STEP_FAILED, step, attempt=attempt.number, sentence=outcome.sentence)
        return
    due_at = change.now + pause
    if step.status == StepStatus.UNKNOWN:  # what it had to wait went by while nobody knew
        moves.move_step(step, StepStatus.READY, now=change.now, sentence=outcome.sentence)
        change.ready += 1
    else:
        moves.wait(step, WaitReason.RETRY, now=change.now, due_at=due_at, sentence=outcome.sentence)
    change.note_step(
        Verb.STEP_RETRIED, step, attempt=attempt.number, sentence=outcome.sentence, due_at=due_at.isoformat()
    )


def _leaves_open_what_happened(attempt: Attempt) -> bool:
    """It failed in the place of another whose answer was lost, and nobody looked whether that one happened."""
    action = actions()[attempt.step.action]
    was_seen = action.repeat is Repeat.LOOKUP or action.effect is Effect.READ
    return attempt.recovers_id is not None and not was_seen


def _ask_about_the_lost(change: Change, attempt: Attempt, sentence: str) -> None:
    """Its failure is no end of the step: the attempt before it may have happened."""
    if attempt.status == AttemptStatus.LOST:  # a person is asked already
        return
    moves.settle(attempt, AttemptStatus.LOST, now=change.now, sentence=sentence)
    change.note_step(Verb.STEP_LOST, attempt.step, attempt=attempt.number, sentence=sentence)
    _ask_a_person(change, attempt, sentence)


def _pause_before_retry(change: Change, step: Step) -> timedelta | None:
    """How long to wait before the next attempt, or None when there is none."""
    if step.undoes_id is not None or change.run.status == RunStatus.CANCELLING:
        return None
    retry = definition_of(change.run.version_id).steps[step.key].retry
    if retry is None or step.attempt_count > retry.times:
        return None
    return parse_duration(retry.every) * retry.backoff ** (step.attempt_count - 1)
