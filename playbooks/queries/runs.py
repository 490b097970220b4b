"""Runs: the list, and one run with its steps, its attempts, what it waits for, and what the viewer may do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from playbooks import access
from playbooks.domain.roles import ROLES
from playbooks.domain.statuses import RUN_ENDED, RequestStatus, RunStatus, StepStatus, WaitReason
from playbooks.models import ApprovalRequest, Attempt, Principal, Run, Seat, Step
from playbooks.queries import references
from playbooks.queries.references import AlertReference, CaseReference, Person, VersionReference

SYSTEM = "Countersign"


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try. `parameters` hold no secret, and `parameters_digest` is over exactly what was sent."""

    number: int
    status: str
    worker: str
    connection: str | None
    simulated: bool
    parameters: Mapping[str, Any]
    parameters_digest: str
    started_at: datetime
    ended_at: datetime | None
    outputs: Mapping[str, Any]
    sentence: str


@dataclass(frozen=True, slots=True)
class StepView:
    """`step` is its id in the playbook. `undoes` is set for the steps of a rollback."""

    step: str
    title: str
    kind: str
    status: str
    needs: tuple[str, ...]
    action: str
    effect: str
    undoes: str | None
    wait_reason: str
    due_at: datetime | None
    changed_at: datetime
    outputs: Mapping[str, Any]
    sentence: str
    attempts: tuple[AttemptView, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a step does not move, in one sentence: who has to act, since when, and until when."""

    step: str
    sentence: str
    owner: str
    since: datetime
    due_at: datetime | None
    request: UUID | None


@dataclass(frozen=True, slots=True)
class RollbackRound:
    number: int
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class RequestOfRun:
    id: UUID
    step: str
    status: str
    question: str
    digest: str
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """`requested_by` is None for a run that an alert triggered. `sentence` says why it failed."""

    id: UUID
    status: str
    version: VersionReference
    trigger: str
    requested_by: Person | None
    case: CaseReference
    alert: AlertReference | None
    simulated: bool
    created_at: datetime
    ended_at: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView(RunRow):
    """`may` names what the viewer may do now: cancel, roll_back, resolve."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    waits: tuple[Wait, ...]
    steps: tuple[StepView, ...]
    rollbacks: tuple[RollbackRound, ...]
    requests: tuple[RequestOfRun, ...]
    may: tuple[str, ...] = field(default=())


def runs(person: Principal) -> QuerySet[Run]:
    """The runs that the person may see, newest first."""
    rows = access.visible(person, "see_run", Run.objects.all())
    return rows.select_related("version__playbook", "requested_by", "case", "alert").order_by(
        "-created_at", "-pk"
    )


def row(run: Run) -> RunRow:
    return RunRow(**_head(run))


def run_view(run: UUID, person: Principal) -> RunView | None:
    """None where there is no such run or the person may not know of it."""
    found = runs(person).filter(pk=run).first()
    if found is None:
        return None
    steps = _steps(found)
    requests = _requests(found)
    titles = _titles(found)
    return RunView(
        **_head(found),
        inputs=found.inputs,
        outputs=found.outputs,
        waits=tuple(_waits(steps, requests)),
        steps=tuple(_step(each, titles) for each in steps if each.round == 0),
        rollbacks=tuple(
            RollbackRound(number, tuple(_step(each, titles) for each in steps if each.round == number))
            for number in range(1, found.rollbacks + 1)
        ),
        requests=tuple(_request(each) for each in requests),
        may=_may(found, steps, access.permissions_of(person)),
    )


def _head(run: Run) -> dict[str, Any]:
    return {
        "id": run.pk,
        "status": run.status,
        "version": references.version(run.version),
        "trigger": run.trigger,
        "requested_by": references.person(run.requested_by),
        "case": references.case(run.case),
        "alert": references.alert(run.alert),
        "simulated": run.is_simulated,
        "created_at": run.created_at,
        "ended_at": run.ended_at,
        "sentence": run.sentence,
    }


def _steps(run: Run) -> list[Step]:
    attempts = Attempt.objects.select_related("connection").order_by("number")
    rows = run.steps.select_related("undoes").prefetch_related(Prefetch("attempts", attempts))
    return list(rows.order_by("round", "position"))


def _requests(run: Run) -> list[ApprovalRequest]:
    seats = Seat.objects.order_by("position")
    rows = run.requests.select_related("step").prefetch_related(Prefetch("seats", seats))
    return list(rows.order_by("opened_at", "pk"))


def _titles(run: Run) -> dict[str, str]:
    return {step["id"]: step.get("title", "") for step in run.version.document["steps"]}


def _step(step: Step, titles: Mapping[str, str]) -> StepView:
    return StepView(
        step=step.key,
        title=titles.get(step.key) or step.key,
        kind=step.kind,
        status=step.status,
        needs=tuple(step.needs),
        action=step.action,
        effect=step.effect,
        undoes=step.undoes.key if step.undoes else None,
        wait_reason=step.wait_reason,
        due_at=step.due_at,
        changed_at=step.changed_at,
        outputs=step.outputs,
        sentence=step.sentence,
        attempts=tuple(_attempt(each) for each in step.attempts.all()),
    )


def _attempt(attempt: Attempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        status=attempt.status,
        worker=attempt.worker,
        connection=attempt.connection.name if attempt.connection else None,
        simulated=attempt.is_simulated,
        parameters=attempt.parameters,
        parameters_digest=attempt.parameters_digest,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        outputs=attempt.outputs,
        sentence=attempt.sentence,
    )


def _request(request: ApprovalRequest) -> RequestOfRun:
    return RequestOfRun(
        request.pk, request.step.key, request.status, request.question, request.digest, request.opened_at
    )


def _waits(steps: Sequence[Step], requests: Sequence[ApprovalRequest]) -> list[Wait]:
    open_requests = [each for each in requests if each.status == RequestStatus.OPEN]
    return [wait for step in steps if (wait := _wait(step, open_requests)) is not None]


def _wait(step: Step, requests: Sequence[ApprovalRequest]) -> Wait | None:
    if step.status == StepStatus.UNKNOWN:
        sentence = f"Nobody knows whether {step.key} happened; somebody who can look has to say."
        return Wait(step.key, sentence, _who_resolves(), step.changed_at, None, None)
    if step.status == StepStatus.READY:
        return Wait(step.key, f"{step.key} waits for a free worker.", SYSTEM, step.changed_at, None, None)
    if step.status != StepStatus.WAITING:
        return None
    if step.wait_reason == WaitReason.APPROVAL:
        return _wait_for_approval(step, requests)
    sentence = _TIMED[WaitReason(step.wait_reason)].format(step=step.key)
    return Wait(step.key, f"{sentence} {step.sentence}".strip(), SYSTEM, step.changed_at, step.due_at, None)


_TIMED = {
    WaitReason.TIME: "{step} waits for its time to pass.",
    WaitReason.RETRY: "{step} failed and is tried again.",
    WaitReason.RECEIPT: "{step} waits until the evidence of its approval is in a signed checkpoint.",
}


def _wait_for_approval(step: Step, requests: Sequence[ApprovalRequest]) -> Wait:
    """A gate waits for its own request, and a step that has to be approved again for that of its gate."""
    own = (each for each in requests if each.step_id == step.pk)
    covering = (each for each in requests if step.key in _covered(each))
    request = next(own, None) or next(covering, None)
    seats = list(request.seats.all()) if request else []
    missing = [references.role_title(seat.role) for seat in seats if seat.filled_by_id is None]
    filled = f"{len(seats) - len(missing)} of {len(seats)} seats filled"
    sentence = f"{step.key} waits for approval by {' and '.join(missing)} ({filled}). {step.sentence}".strip()
    return Wait(
        step=step.key,
        sentence=sentence,
        owner=" and ".join(missing),
        since=request.opened_at if request else step.changed_at,
        due_at=request.due_at if request else step.due_at,
        request=request.pk if request else None,
    )


def _covered(request: ApprovalRequest) -> frozenset[str]:
    return frozenset(item["step"] for item in json.loads(request.subject)["covered"])


def _who_resolves() -> str:
    return " or ".join(role.title for role in ROLES.values() if "resolve_step" in role.permissions)


def _may(run: Run, steps: Sequence[Step], permissions: frozenset[str]) -> tuple[str, ...]:
    """What the viewer's roles and the status of the run allow; the operations decide again."""
    status = RunStatus(run.status)
    possible = {
        "cancel": "stop_run" in permissions
        and status not in RUN_ENDED | {RunStatus.CANCELLING, RunStatus.ROLLING_BACK},
        "roll_back": "roll_back_run" in permissions and status in RUN_ENDED - {RunStatus.ROLLED_BACK},
        "resolve": "resolve_step" in permissions and any(each.status == StepStatus.UNKNOWN for each in steps),
    }
    return tuple(name for name, is_possible in possible.items() if is_possible)
