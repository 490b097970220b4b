"""Questions of runs as a person sees them: what is asked, of whom, until when, and what was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from playbooks import access
from playbooks.domain.duties import Denial
from playbooks.domain.statuses import QuestionStatus
from playbooks.models import Principal, Question, Run
from playbooks.queries import references
from playbooks.queries.references import AlertReference, CaseReference, Person, VersionReference

LATE_SENTENCES: Mapping[str, str] = {
    "fail": "If nobody answers in time, the step fails.",
    "hold": "If nobody answers in time, it stays open, marked as late.",
}
DEFAULT_LATE = "deny"  # of a step that says nothing, and then its question fails


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRow:
    """`denial` says why the viewer cannot answer it, though it is open. `is_late`: it is open past its time."""

    id: UUID
    run: UUID
    step: str
    status: str
    text: str
    role: str
    role_title: str
    version: VersionReference
    case: CaseReference
    alert: AlertReference | None
    simulated: bool
    opened_at: datetime
    due_at: datetime | None
    is_late: bool
    closed_at: datetime | None
    answered_by: Person | None
    may_answer: bool
    denial: Denial | None


@dataclass(frozen=True, slots=True)
class FieldView:
    """`default` is None for a field that has to be filled in."""

    name: str
    title: str
    type: str
    default: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionView(QuestionRow):
    """`shown` are outputs that the author chose to show: {step: outputs}. `answers` are empty until it is answered."""

    fields: tuple[FieldView, ...]
    shown: Mapping[str, Any]
    answers: Mapping[str, Any]
    late_sentence: str


def questions(person: Principal) -> QuerySet[Question]:
    """The questions of the runs that the person may see, the newest first."""
    runs = access.visible(person, "see_run", Run.objects.all())
    about = ("step", "run__version__playbook", "run__case", "run__alert", "answered_by")
    rows = Question.objects.filter(run__in=runs).select_related(*about)
    return rows.defer("run__version__document", "run__version__source").order_by("-opened_at", "-pk")


def asked_of(person: Principal) -> QuerySet[Question]:
    """The open ones that one of the person's roles may answer: by deadline, those without one at the end."""
    roles = access.roles_of([person.pk])[person.pk] if person.is_person else frozenset()
    rows = questions(person).filter(status=QuestionStatus.OPEN, role__in=roles)
    return rows.order_by(F("due_at").asc(nulls_last=True), "pk")


def rows(found: Sequence[Question], person: Principal) -> list[QuestionRow]:
    """As `person` sees them, in one query for all."""
    roles = access.roles_of([person.pk])[person.pk]
    return [QuestionRow(**_head(each, person, roles)) for each in found]


def question_view(question: UUID, person: Principal) -> QuestionView | None:
    """None where there is no such question or the person may not know of it."""
    found = questions(person).defer(None).filter(pk=question).first()
    if found is None:
        return None
    roles = access.roles_of([person.pk])[person.pk]
    outputs = found.step.outputs if found.status == QuestionStatus.ANSWERED else {}
    return QuestionView(
        **_head(found, person, roles),
        fields=tuple(_field(name, each) for name, each in found.fields.items()),
        shown=found.shown,
        answers={name: outputs[name] for name in found.fields if name in outputs},
        late_sentence=LATE_SENTENCES["hold" if _holds(found) else "fail"],
    )


def _head(question: Question, person: Principal, roles: frozenset[str]) -> dict[str, Any]:
    denial = _denial(question, person, roles)
    is_open = question.status == QuestionStatus.OPEN
    return {
        "id": question.pk,
        "run": question.run_id,
        "step": question.step.key,
        "status": question.status,
        "text": question.text,
        "role": question.role,
        "role_title": references.role_title(question.role),
        "version": references.version(question.run.version),
        "case": references.case(question.run.case),
        "alert": references.alert(question.run.alert),
        "simulated": question.run.is_simulated,
        "opened_at": question.opened_at,
        "due_at": question.due_at,
        "is_late": is_open and question.due_at is None,
        "closed_at": question.closed_at,
        "answered_by": references.person(question.answered_by),
        "may_answer": is_open and denial is None,
        "denial": denial if is_open else None,
    }


def _denial(question: Question, person: Principal, roles: frozenset[str]) -> Denial | None:
    """What the operation would refuse an answer for; it decides again."""
    if not person.is_person:
        return Denial("token_not_person", "A question is answered by a person.")
    if question.role in roles:
        return None
    title = references.role_title(question.role)
    return Denial("not_in_seat", f"This asks somebody with the role {title}, which you do not have.")


def _field(name: str, field: Mapping[str, Any]) -> FieldView:
    title = field.get("title") or name.replace("_", " ").capitalize()
    return FieldView(name, title, field["type"], field.get("default"))


def _holds(question: Question) -> bool:
    """Whether it stays open when nobody answers in time, as the playbook says."""
    step = _step_of(question.run.version.document["steps"], question.step.name)
    return bool(step and step.get("late", DEFAULT_LATE) == "hold")


def _step_of(steps: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The step with this id, on whatever level it is written."""
    for step in steps:
        found = step if step["id"] == name else _step_of(step.get("steps", ()), name)
        if found is not None:
            return found
    return None
