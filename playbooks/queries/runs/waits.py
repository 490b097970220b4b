"""Why a run and its steps do not move: the facts behind the sentences of domain/waiting.py, in few queries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, IntegerField, Q, Value, When

from playbooks.domain.exits import Reason, Standing
from playbooks.domain.statuses import (
    RUN_ENDED,
    AttemptStatus,
    QuestionStatus,
    RequestStatus,
    RunStatus,
    StepStatus,
    WaitReason,
)
from playbooks.domain.waiting import NEED_A_PERSON, URGENCY, Facts, Turns, why
from playbooks.models import ApprovalRequest, Attempt, Hold, HoldScope, Question, Run, RunTrigger, Step
from playbooks.queries import references
from playbooks.queries.runs.turns import counted

MOST = 50  # that are told of one run; there are as many as steps of a hundred turns may wait at once
_ACTIVE = (StepStatus.WAITING, StepStatus.READY, StepStatus.UNKNOWN, StepStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Wait:
    """Why something does not move, in one sentence: who has to act, since when, until when, and what happens then.

    `step` is empty for the run as a whole. `request` and `child` are where one can act or look.
    """

    step: str
    reason: str
    sentence: str
    owner: str
    since: datetime
    until: datetime | None
    then: str
    request: UUID | None = None
    question: UUID | None = None
    child: UUID | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What the active steps of a run wait for; each by the primary key of its step."""

    run: Run
    bodies: Mapping[str, Mapping[str, Any]]
    requests: Sequence[ApprovalRequest]
    holds: Sequence[Hold]
    questions: Mapping[UUID, Question]
    children: Mapping[UUID, Run]
    jobs: Mapping[UUID, str]
    turns: Mapping[UUID, Turns]


def waits_of(
    run: Run,
    bodies: Mapping[str, Mapping[str, Any]],
    requests: Sequence[ApprovalRequest],
    now: datetime,
) -> tuple[Wait, ...]:
    """Whatever does not move in the run, what needs a person first. `bodies` are the steps of the document by id."""
    if run.status in RUN_ENDED:
        return ()
    active = _active(run)
    found = _found(run, active, bodies, requests)
    waits = [wait for step in active if (wait := _wait(step, found, now)) is not None]
    waits += _standings(found, active, {each.reason for each in waits}, now)
    return tuple(sorted(waits, key=lambda each: (_URGENCY[each.reason], each.since)))


def why_of(run: Run, waits: Sequence[Wait]) -> Wait | None:
    """What a reader of the run has to know first; while it moves by itself, only what needs a person."""
    is_moving = run.status == RunStatus.RUNNING
    told = [each for each in waits if not is_moving or each.reason in _NEED_A_PERSON]
    return told[0] if told else None


_URGENCY = {reason.value: place for place, reason in enumerate(URGENCY)}
_NEED_A_PERSON = {reason.value for reason in NEED_A_PERSON}


def _active(run: Run) -> list[Step]:
    reasons = [each for each in URGENCY if isinstance(each, WaitReason)]
    urgency = Case(
        When(status=StepStatus.UNKNOWN, then=Value(-1)),
        *(When(wait_reason=reason.value, then=Value(place)) for place, reason in enumerate(reasons)),
        default=Value(len(reasons)),
        output_field=IntegerField(),
    )
    rows = run.steps.filter(status__in=_ACTIVE).select_related("connection")
    return list(rows.order_by(urgency, "changed_at", "pk")[:MOST])


def _found(
    run: Run,
    active: Sequence[Step],
    bodies: Mapping[str, Mapping[str, Any]],
    requests: Sequence[ApprovalRequest],
) -> Found:
    def waiting(reason: WaitReason) -> list[Step]:
        return [step for step in active if step.wait_reason == reason]

    return Found(
        run,
        bodies,
        [each for each in requests if each.status == RequestStatus.OPEN],
        holds=_holds(run, active),
        questions=_questions(waiting(WaitReason.ANSWER)),
        children=_children(waiting(WaitReason.CHILD)),
        jobs=_jobs(waiting(WaitReason.JOB)),
        turns=counted(step.pk for step in waiting(WaitReason.TURNS)),
    )


def _wait(step: Step, found: Found, now: datetime) -> Wait | None:
    reason = _reason(step)
    if reason is None:
        return None
    facts = Facts(
        step=step.key,
        since=step.changed_at,
        until=step.due_at,
        deadline=step.deadline_at,
        said=step.sentence,
        connection=step.connection.name if step.connection else "",
    )
    more = _MORE.get(reason, _nothing_more)(step, found)
    told = why(reason, replace(facts, **more.facts), now)
    links = (more.request, more.question, more.child)
    return Wait(step.key, told.reason, told.sentence, told.owner, told.since, told.until, told.then, *links)


def _reason(step: Step) -> Reason | None:
    if step.status == StepStatus.WAITING:
        return WaitReason(step.wait_reason)
    return {StepStatus.UNKNOWN: Standing.UNKNOWN, StepStatus.READY: Standing.READY}.get(
        StepStatus(step.status)
    )


@dataclass(frozen=True, slots=True)
class _More:
    """What only one reason knows, as fields of Facts, and where it is to be found."""

    facts: Mapping[str, Any]
    request: UUID | None = None
    question: UUID | None = None
    child: UUID | None = None


def _nothing_more(_step: Step, _found: Found) -> _More:
    return _More({})


def _of_approval(step: Step, found: Found) -> _More:
    """A gate waits for its own request, and a step that has to be approved again for that of its gate."""
    own = (each for each in found.requests if each.step_id == step.pk)
    covering = (each for each in found.requests if step.key in _covered(each))
    request = next(own, None) or next(covering, None)
    if request is None:
        return _More({"late": "deny", "question": step.key})
    seats = list(request.seats.all())
    left = tuple(references.role_title(each.role) for each in seats if each.filled_by_id is None)
    facts = {
        "question": request.question,
        "seats": left,
        "filled": len(seats) - len(left),
        "late": request.late,
        "since": request.opened_at,
        "until": request.due_at,
    }
    return _More(facts, request=request.pk)


def _covered(request: ApprovalRequest) -> frozenset[str]:
    return frozenset(item["step"] for item in json.loads(request.subject)["covered"])


def _of_answer(step: Step, found: Found) -> _More:
    late = found.bodies[step.name].get("late", "fail")
    question = found.questions.get(step.pk)
    if question is None:
        return _More({"late": late})
    role = references.role_title(question.role)
    return _More({"question": question.text, "seats": (role,), "late": late}, question=question.pk)


def _of_event(step: Step, found: Found) -> _More:
    late = found.bodies[step.name]["wait"].get("late", "fail")
    return _More({"event": step.event, "event_key": step.event_key, "late": late})


def _of_child(step: Step, found: Found) -> _More:
    child = found.children.get(step.undoes_id or step.pk)
    if child is None:
        return _More({"child": found.bodies[step.name].get("run", "another playbook")})
    return _More({"child": child.version.playbook.slug, "child_status": child.status}, child=child.pk)


def _of_turns(step: Step, found: Found) -> _More:
    return _More({"turns": found.turns.get(step.pk, Turns())})


def _of_job(step: Step, found: Found) -> _More:
    return _More({"connection": found.jobs.get(step.pk, "")})


def _of_limit(step: Step, _found: Found) -> _More:
    row = step.connection
    if row is None:
        return _More({})
    if step.wait_reason == WaitReason.SLOT:
        plural = "" if row.most_at_once == 1 else "s"
        return _More({"limit": f"{row.most_at_once} step{plural} at once"})
    return _More({"limit": f"{row.most_calls} times in {row.calls_seconds} s"})


def _of_hold(step: Step, found: Found) -> _More:
    hold = next(iter(found.holds), None)
    own = next((each for each in found.holds if each.connection_id == step.connection_id), hold)
    return _More({"by": str(own.placed_by) if own else ""})


def _of_pause(_step: Step, found: Found) -> _More:
    return _More(_pause_of(found.run))


_MORE: Mapping[Reason, Callable[[Step, Found], _More]] = {
    WaitReason.APPROVAL: _of_approval,
    WaitReason.ANSWER: _of_answer,
    WaitReason.EVENT: _of_event,
    WaitReason.CHILD: _of_child,
    WaitReason.TURNS: _of_turns,
    WaitReason.JOB: _of_job,
    WaitReason.SLOT: _of_limit,
    WaitReason.RATE: _of_limit,
    WaitReason.HOLD: _of_hold,
    WaitReason.PAUSE: _of_pause,
}


def _standings(found: Found, active: Sequence[Step], told: set[str], now: datetime) -> Iterable[Wait]:
    """Why the run as a whole does not move, where no step of it says so already."""
    for reason, facts in _facts_of_run(found, active, told):
        why_ = why(reason, facts, now)
        yield Wait("", why_.reason, why_.sentence, why_.owner, why_.since, why_.until, why_.then)


def _facts_of_run(found: Found, active: Sequence[Step], told: set[str]) -> Iterable[tuple[Reason, Facts]]:
    run, hold = found.run, next((each for each in found.holds if each.connection_id is None), None)
    under_way = tuple(step.key for step in active[:5])
    facts = Facts(since=run.created_at, under_way=under_way)
    if run.paused_at and WaitReason.PAUSE not in told:
        yield Standing.PAUSED, replace(facts, **_pause_of(run))
    if hold and WaitReason.HOLD not in told:
        what = hold.playbook or "everything"
        said = f"{hold.placed_by} holds {what}: {hold.reason}"
        yield Standing.HELD, replace(facts, since=hold.placed_at, said=said, by=str(hold.placed_by))
    standing = _OF_RUN.get(RunStatus(run.status))
    if standing:
        yield standing, facts


_OF_RUN = {
    RunStatus.QUEUED: Standing.QUEUED,
    RunStatus.CANCELLING: Standing.CANCELLING,
    RunStatus.ROLLING_BACK: Standing.ROLLING_BACK,
}


def _pause_of(run: Run) -> dict[str, Any]:
    since = {"since": run.paused_at} if run.paused_at else {}
    return {"by": str(run.paused_by) if run.paused_by else "", **since}


def _holds(run: Run, active: Sequence[Step]) -> list[Hold]:
    """What holds this run: everything, its playbook, or a connection that one of its steps waits for."""
    connections = [step.connection_id for step in active if step.wait_reason == WaitReason.HOLD]
    covers = Q(scope=HoldScope.EVERYTHING) | Q(playbook=run.version.playbook_id)
    rows = Hold.objects.filter(covers | Q(connection__in=connections), released_at__isnull=True)
    return list(rows.select_related("placed_by", "playbook", "connection"))


def _questions(steps: Sequence[Step]) -> dict[UUID, Question]:
    if not steps:
        return {}
    rows = Question.objects.filter(step__in=steps, status=QuestionStatus.OPEN)
    return {each.step_id: each for each in rows}


def _children(steps: Sequence[Step]) -> dict[UUID, Run]:
    if not steps:
        return {}
    parents = [step.undoes_id or step.pk for step in steps]
    rows = Run.objects.filter(parent__in=parents, trigger=RunTrigger.PLAYBOOK)
    few = rows.select_related("version__playbook").only(
        "id", "status", "parent_id", "version__playbook__slug"
    )
    return {row.parent_id: row for row in few if row.parent_id}


def _jobs(steps: Sequence[Step]) -> dict[UUID, str]:
    """The connection at which the job of each step is."""
    if not steps:
        return {}
    pending = Attempt.objects.filter(step__in=steps, status=AttemptStatus.PENDING, connection__isnull=False)
    return dict(pending.values_list("step", "connection__name"))
