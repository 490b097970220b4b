"""Questions that a run puts to people: a form of typed fields, answered once by one person of a role.

All functions work inside the caller's transaction, with the run row locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from playbooks.audit import Subject
from playbooks.domain.deadlines import deadline
from playbooks.domain.expressions import render
from playbooks.domain.playbook import Input, SeatEntry
from playbooks.domain.statuses import QuestionStatus, StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Question, Step
from playbooks.operations import telling
from playbooks.operations.change import Change
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move, wait
from playbooks.operations.rounds import Frame, moment


def put(change: Change, frame: Frame, step: Step) -> None:
    """The step waits, and a question says what is asked of whom. Raises ExpressionError."""
    document = definition_of(frame.run.version_id).steps[step.name]
    scope = frame.scope(moment(change.now))
    due_at = deadline(document, frame.run.context, change.now)
    question = Question.objects.create(
        run=frame.run,
        step=step,
        text=str(render(document.ask, scope)),
        fields={name: _field(each, scope) for name, each in document.fields.items()},
        shown=shown_to_people(frame, document.show),
        role=cast("SeatEntry", document.who).name,
        opened_at=change.now,
        due_at=due_at,
    )
    wait(step, WaitReason.ANSWER, now=change.now, due_at=due_at)
    change.note(
        Verb.QUESTION_OPENED,
        subject=question_subject(question),
        facts={
            "question": str(question.pk),
            "step": step.key,
            "role": question.role,
            "fields": question.fields,
        },
    )
    change.tellings += telling.question_opened(question)


def shown_to_people(frame: Frame, names: tuple[str, ...]) -> dict[str, object]:
    """The outputs of the named steps that succeeded: {step: outputs}."""
    known = {step.name: step for step in [*frame.outer, *frame.steps.values()]}
    return {name: known[name].outputs for name in names if known[name].status == StepStatus.SUCCEEDED}


def withdraw(change: Change, step: Step) -> None:
    """The question of a step that is not to go on."""
    question = Question.objects.filter(step=step, status=QuestionStatus.OPEN).first()
    if question is not None:
        move(question, QuestionStatus.WITHDRAWN, closed_at=change.now)
        change.note(
            Verb.QUESTION_CLOSED,
            subject=question_subject(question),
            outcome=question.status,
            facts={"question": str(question.pk), "step": step.key},
        )


def question_subject(question: Question) -> Subject:
    return Subject("question", str(question.pk), question.text[:200])


def _field(field: Input, scope: Mapping[str, object]) -> dict[str, object]:
    described: dict[str, object] = {"type": field.type, "title": field.title}
    return described if field.default is None else {**described, "default": render(field.default, scope)}
