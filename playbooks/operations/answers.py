"""Answers to the questions that runs put to people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import access
from playbooks.domain.canonical import is_exact
from playbooks.domain.duties import Denial
from playbooks.domain.inputs import accept_inputs
from playbooks.domain.playbook import Input
from playbooks.domain.statuses import QuestionStatus, StepStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Question
from playbooks.operations import idempotency
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.change import Change, lock_run
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move, move_step
from playbooks.operations.progress import advance
from playbooks.operations.questions import question_subject
from playbooks.operations.refusals import Invalid, Missing, Refused

NOT_OPEN = Denial(
    "closed", "This question is closed; its answer, if there is one, is on the page of the run."
)
BY_TOKEN = Denial(
    "token_not_person",
    "A question is answered by a person in their own session, never by a token or a service account.",
)


def answer(
    question: UUID, *, caller: Caller, answers: Mapping[str, object], idempotency_key: str = ""
) -> Question:
    """Takes one person's answers, checked against the types of the fields, as the outputs of the step.

    Raises Refused for a token, for somebody without the role, and when it is closed; Invalid for answers that do not
    fit; Missing for an unknown question.
    """
    expire(question, now=timezone.now())  # a deadline holds whether or not the sweep has come by
    person, call = str(caller.principal.pk), {"answer": str(question), "answers": dict(answers)}
    with transaction.atomic(durable=True):
        row, change = _open_change(question, now=timezone.now(), caller=caller)
        if idempotency.recall(person, idempotency_key, call):
            return row
        caller.require_within_reach(row, f"question {question}")
        _require_entitled(row, caller)
        values = _accepted(row, answers)
        move(row, QuestionStatus.ANSWERED, closed_at=change.now, answered_by=caller.principal)
        outputs = {**values, "answered_by": str(caller.principal)}
        move_step(row.step, StepStatus.SUCCEEDED, now=change.now, outputs=outputs)
        change.note(
            Verb.QUESTION_ANSWERED,
            subject=question_subject(row),
            facts={"question": str(row.pk), "step": row.step.key, "answers": values},
        )
        advance(change, row.step.frame)
        idempotency.keep(person, idempotency_key, call, {"question": str(row.pk)}, now=change.now)
        change.finish()
    return row


def expire(question: UUID, *, now: datetime) -> None:
    """What happens when nobody has answered in time: the step fails, or the question stays open without a deadline."""
    with transaction.atomic(durable=True):
        row, change = _open_change(question, now=now, caller=None)
        if row.status != QuestionStatus.OPEN or row.due_at is None or row.due_at > now:
            return
        if definition_of(change.run.version_id).steps[row.step.name].late == "hold":
            _stay_open(change, row)
            change.finish()
            return
        move(row, QuestionStatus.EXPIRED, closed_at=now)
        sentence = "Nobody answered in time."
        move_step(row.step, StepStatus.FAILED, now=now, sentence=sentence)
        change.note_step(Verb.STEP_FAILED, row.step, sentence=sentence)
        advance(change, row.step.frame)
        change.finish()


def _open_change(question: UUID, *, now: datetime, caller: Caller | None) -> tuple[Question, Change]:
    run = Question.objects.filter(pk=question).values_list("run", flat=True).first()
    if run is None:
        raise Missing(f"There is no question {question}.")
    locked = lock_run(run)
    row = Question.objects.select_related("step").get(pk=question)
    row.run = row.step.run = locked
    return row, Change(locked, now, caller.actor if caller else SYSTEM)


def _require_entitled(question: Question, caller: Caller) -> None:
    """Roles are read inside the transaction that takes the answer."""
    if caller.token is not None or not caller.principal.is_person:
        raise Refused(BY_TOKEN)
    held = access.roles_of([caller.principal.pk])[caller.principal.pk]
    if question.role not in held:
        sentence = f"This asks somebody with the role {question.role}, which you do not have."
        raise Refused(Denial("not_in_seat", sentence))
    if question.status != QuestionStatus.OPEN:
        raise Refused(NOT_OPEN)


def _accepted(question: Question, answers: Mapping[str, object]) -> dict[str, object]:
    fields = {name: Input.model_validate(field) for name, field in question.fields.items()}
    values, errors = accept_inputs(fields, answers, default=lambda value: value)
    errors = [(f"/answers/{name}", sentence) for name, sentence in errors]
    errors += [
        (f"/answers/{name}", "It holds a number that is too large to be exact; write it as text.")
        for name, value in values.items()
        if not is_exact(value)
    ]
    if errors:
        raise Invalid(errors)
    return values


def _stay_open(change: Change, question: Question) -> None:
    """It is marked as late, and nothing happens to it any more by time."""
    question.due_at = question.step.due_at = None
    question.save(update_fields=["due_at"])
    question.step.save(update_fields=["due_at"])
    change.note(
        Verb.QUESTION_CLOSED,
        subject=question_subject(question),
        outcome="late",
        facts={"question": str(question.pk), "step": question.step.key},
    )
