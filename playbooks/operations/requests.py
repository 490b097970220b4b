"""Approval requests: opened at a gate, renewed when what would run has changed, closed when they are over.

All functions work inside the caller's transaction, with the run row locked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from playbooks.audit import Subject
from playbooks.domain.canonical import canonical, digest
from playbooks.domain.coverage import covered_by
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError, render
from playbooks.domain.statuses import RequestStatus, StepStatus, WaitReason
from playbooks.domain.subject import Covered, subject
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Run, Seat, Step
from playbooks.operations.actions import actions, covered, resolve
from playbooks.operations.authors import authors_of
from playbooks.operations.change import Change
from playbooks.operations.definitions import Definition, definition_of
from playbooks.operations.moves import move, move_step, wait
from playbooks.operations.rounds import NOT_STARTED, Steps, current_steps, moment, scope_of, states_of

IN_FORCE = (RequestStatus.OPEN.value, RequestStatus.GRANTED.value, RequestStatus.CONSUMED.value)


def open_gate(change: Change, gate: Step) -> None:
    """The gate waits, and a request says what it would let run. A question that cannot be put fails the gate."""
    try:
        request = _open(change, gate, current_steps(change.run), moment(change.now))
    except ExpressionError as error:
        move_step(gate, StepStatus.FAILED, now=change.now, sentence=str(error))
        change.note_step(Verb.STEP_FAILED, gate, sentence=str(error))
        return
    wait(gate, WaitReason.APPROVAL, now=change.now, due_at=request.due_at)


def renew(change: Change, request: ApprovalRequest, *, changed: str, frozen_at: str) -> ApprovalRequest:
    """Voids a request whose subject has changed, and asks again about what it says now.

    Steps that were to run under it wait for the new one. `changed` names the field, `frozen_at` is the moment that
    the expressions of the covered steps see as `now`.
    """
    close(change, request, RequestStatus.VOIDED, Verb.REQUEST_VOIDED, changed=changed)
    renewed = _open(change, request.step, current_steps(change.run), frozen_at)
    tell_deadline(renewed)
    return renewed


def close(change: Change, request: ApprovalRequest, status: RequestStatus, verb: Verb, **facts: Any) -> None:
    move(request, status, closed_at=change.now)
    change.note(verb, subject=request_subject(request), facts={**_identity(request), **facts})


def request_subject(request: ApprovalRequest) -> Subject:
    return Subject("request", str(request.pk), request.question[:200])


def stored_subject(request: ApprovalRequest) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(request.subject)
    return stored


def waiting_keys(request: ApprovalRequest) -> frozenset[str]:
    """The keys of the steps that may wait for the request: the gate, and what it shows behind it."""
    about = stored_subject(request)
    return frozenset([about["gate"], *(item["step"] for item in about["covered"]), *about["not_covered"]])


def tell_deadline(request: ApprovalRequest) -> None:
    """Writes on the steps that wait for the request until when."""
    waiting = request.run.steps.filter(
        round=0, key__in=waiting_keys(request), wait_reason=WaitReason.APPROVAL
    )
    waiting.update(due_at=request.due_at)


def current_subject(request: ApprovalRequest, steps: Steps) -> dict[str, Any]:
    """The subject as it would be composed now; equal to the stored one as long as nothing has changed.

    Items of steps that were claimed already are taken as they were approved: those have their answer.
    """
    stored = stored_subject(request)
    definition = definition_of(request.run.version_id)
    approved = {item["step"]: item for item in stored["covered"]}
    composed = compose(request.run, request.step, steps, frozen_at=stored["frozen_at"])
    fresh = {item.step: item.as_json() for item in composed.covered}
    over = {key for key in approved if steps[key].status not in NOT_STARTED}
    return {
        **stored,
        "version": definition.digest,
        "seats": [seat.role for seat in definition.steps[request.step.key].seats],
        "covered": [fresh.get(step, item if step in over else None) for step, item in approved.items()],
    }


@dataclass(frozen=True, slots=True)
class Composition:
    covered: Sequence[Covered]
    not_covered: Sequence[str]


def compose(run: Run, gate: Step, steps: Steps, *, frozen_at: str) -> Composition:
    """Resolves the steps behind `gate` that are still to run. Those whose parameters are not known yet are not
    covered.
    """
    definition = definition_of(run.version_id)
    scope = scope_of(run, states_of(steps), frozen_at)
    items, unknown = [], []
    for key in covered_by(definition.playbook, gate.key, actions()):
        if steps[key].status not in NOT_STARTED:
            continue
        step = definition.steps[key]
        try:
            items.append(covered(run, resolve(run, step, scope), step))
        except ExpressionError:
            unknown.append(key)
    return Composition(items, unknown)


def _open(change: Change, gate: Step, steps: Steps, frozen_at: str) -> ApprovalRequest:
    run, definition = change.run, definition_of(change.run.version_id)
    document = definition.steps[gate.key]
    composed = compose(run, gate, steps, frozen_at=frozen_at)
    about = subject(
        run=str(run.pk),
        version_digest=definition.digest,
        gate=gate.key,
        frozen_at=frozen_at,
        seats=[seat.role for seat in document.seats],
        covered=composed.covered,
        not_covered=composed.not_covered,
    )
    within = parse_duration(document.within)
    request = ApprovalRequest.objects.create(
        run=run,
        step=gate,
        question=str(render(document.approve, scope_of(run, states_of(steps), frozen_at))),
        subject=canonical(about).decode(),
        digest=digest(about),
        shown={key: steps[key].outputs for key in document.show if steps[key].status == StepStatus.SUCCEEDED},
        requesters=_requesters(run),
        authors=authors_of(run.version),
        late=document.late,
        within_seconds=int(within / timedelta(seconds=1)),
        opened_at=change.now,
        due_at=change.now + within,
    )
    _place_seats(request, document.seats)
    _note_opened(change, request, definition)
    return request


def _place_seats(request: ApprovalRequest, seats: Sequence[Any]) -> None:
    Seat.objects.bulk_create(
        Seat(request=request, position=position, role=seat.role) for position, seat in enumerate(seats)
    )


def _note_opened(change: Change, request: ApprovalRequest, definition: Definition) -> None:
    about = stored_subject(request)
    change.note(
        Verb.REQUEST_OPENED,
        subject=request_subject(request),
        facts={
            **_identity(request),
            "subject": request.subject,
            "seats": [{"role": role} for role in about["seats"]],
            "covered": [item["step"] for item in about["covered"]],
            "requesters": request.requesters,
            "authors": request.authors,
            "playbook": definition.slug,
        },
    )


def _identity(request: ApprovalRequest) -> dict[str, str]:
    return {"request": str(request.pk), "step": request.step.key, "digest": request.digest}


def _requesters(run: Run) -> dict[str, str]:
    person = run.requested_by
    return {} if person is None else {str(person.pk): str(person)}
