"""A step is in doubt when an answer was lost and nothing will tell what it was: a person is asked.

What happened may have to be undone, so no such step ends before somebody has looked.
"""

from __future__ import annotations

from playbooks.domain.actions import Effect
from playbooks.domain.statuses import AttemptStatus, StepStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Attempt, Step
from playbooks.operations import telling
from playbooks.operations.change import Change
from playbooks.operations.moves import move_step


def lost_attempt(step: Step) -> Attempt | None:
    """The one in whose place the step was to be tried again. None where that would change nothing."""
    if not step.attempt_count or step.effect == Effect.READ:
        return None
    return step.attempts.filter(number=step.attempt_count, status=AttemptStatus.LOST).first()


def ask_a_person(
    change: Change, step: Step, attempt: Attempt, sentence: str, *, is_over: bool = False
) -> None:
    """Whether it happened. `is_over` when it will not be tried again in any case."""
    columns = {"is_stopping": True} if is_over else {}
    move_step(step, StepStatus.UNKNOWN, now=change.now, sentence=sentence, **columns)
    change.note_step(Verb.STEP_UNKNOWN, step, attempt=attempt.number, sentence=sentence)
    change.tellings += telling.run_stuck(change.run, step)


def fail(change: Change, step: Step, sentence: str) -> None:
    """The step fails, or a person is asked first."""
    lost = lost_attempt(step)
    if lost is not None:
        told = f"{sentence} Of an earlier try nobody knows whether it happened: {lost.sentence}"
        ask_a_person(change, step, lost, told, is_over=True)
        return
    move_step(step, StepStatus.FAILED, now=change.now, sentence=sentence)
    change.note_step(Verb.STEP_FAILED, step, sentence=sentence)
