"""Approval requests: opened at a gate, renewed when what would run has changed, closed when they are over.

All functions work inside the caller's transaction, with the run row locked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from playbooks.access.filling import unfilled
from playbooks.access.profile import profile_at
from playbooks.audit import Subject
from playbooks.domain import deadlines
from playbooks.domain.canonical import canonical, digest
from playbooks.domain.expressions import render
from playbooks.domain.future_calls import FutureCall, unknown_keys
from playbooks.domain.notices import NoticeKind
from playbooks.domain.policies import asking as asking_rules
from playbooks.domain.policies.judging import Matched
from playbooks.domain.profiles import capped
from playbooks.domain.seat_names import seats_of_gate
from playbooks.domain.statuses import RequestStatus, Verdict, WaitReason
from playbooks.domain.subject import Covered, subject
from playbooks.domain.verbs import Verb
from playbooks.models import Alternative, ApprovalRequest, Connection, Seat, Step
from playbooks.models.decisions import Decision
from playbooks.operations import asks, telling
from playbooks.operations.actions import actions, connection_for, connection_name
from playbooks.operations.calls import covered_call
from playbooks.operations.change import Change
from playbooks.operations.compositions import compose, has_run
from playbooks.operations.definitions import Definition, definition_of
from playbooks.operations.influence import authors_behind, requesters_of, through_of
from playbooks.operations.moves import move, wait
from playbooks.operations.questions import shown_to_people
from playbooks.operations.rounds import Frame, moment, open_frame
from playbooks.operations.undo_calls import covered_undo

# What people are told when a request is closed. Who withdraws one, and consumes it, knows.
TOLD = {
    RequestStatus.GRANTED: NoticeKind.REQUEST_GRANTED,
    RequestStatus.DENIED: NoticeKind.REQUEST_DENIED,
    RequestStatus.EXPIRED: NoticeKind.REQUEST_DENIED,
    RequestStatus.VOIDED: NoticeKind.REQUEST_VOIDED,
}
IN_FORCE = (
    *(RequestStatus.OPEN.value, RequestStatus.GRANTED.value),
    *(RequestStatus.PASSED.value, RequestStatus.CONSUMED.value),
)
REMIND_AFTER = 0.75  # of the time that a gate gives


def open_gate(change: Change, frame: Frame, gate: Step) -> None:
    """The gate waits, and a request says what it would let run.

    Raises ExpressionError for a question that cannot be put.
    """
    request = _open(change, frame, gate, moment(change.now))
    wait(gate, WaitReason.APPROVAL, now=change.now, due_at=request.due_at)


def open_own(change: Change, frame: Frame, step: Step, asking: Sequence[Matched]) -> None:
    """A step for which policies, or the limit of its connection, ask more than was approved waits for an approval of
    its own.
    """
    request = _open(change, frame, step, moment(change.now), kept=asking_rules.as_asked(asking))
    sentence = asking_rules.why_asked(stored_subject(request)["policies"])
    wait(step, WaitReason.APPROVAL, now=change.now, due_at=request.due_at, sentence=sentence)


def open_to_countersign(
    change: Change, frame: Frame, step: Step, asking: Sequence[Matched], due_at: datetime
) -> None:
    """People are asked whether what the step did is to stand. Nothing waits for them: late, it counts as denied."""
    kept = asking_rules.as_asked(asking)
    _open(change, frame, step, moment(change.now), kept=kept, due_at=due_at)


def renew(
    change: Change,
    request: ApprovalRequest,
    *,
    changed: str,
    frozen_at: str,
    asking: Sequence[Matched] = (),
) -> ApprovalRequest:
    """Voids a request whose subject has changed, and asks again about what it says now.

    Steps that were to run under it wait for the new one. `changed` names the field, `frozen_at` is the moment that
    the expressions of the covered steps see as `now`, `asking` is what policies ask besides.
    """
    close(change, request, RequestStatus.VOIDED, Verb.REQUEST_VOIDED, changed=changed)
    gate = request.step
    about = stored_subject(request)
    kept = asking_rules.kept_and_new(about.get("policies", {}), about["seats"], asking)
    due_at = request.due_at if request.countersigns else None
    renewed = _open(change, open_frame(change.run, gate.frame), gate, frozen_at, kept=kept, due_at=due_at)
    tell_deadline(renewed)
    return renewed


def close(change: Change, request: ApprovalRequest, status: RequestStatus, verb: Verb, **facts: Any) -> None:
    move(request, status, closed_at=change.now)
    change.note(verb, subject=request_subject(request), facts={**_identity(request), **facts})
    if status in TOLD:
        change.tellings += telling.request_closed(request, TOLD[status], str(facts.get("sentence", "")))


def request_subject(request: ApprovalRequest) -> Subject:
    return Subject("request", str(request.pk), request.question[:200])


def stored_subject(request: ApprovalRequest) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(request.subject)
    return stored


def waiting_for(request: ApprovalRequest) -> list[Step]:
    """The steps that wait for the request: the gate, and what it covers and was voided at the claim."""
    about = stored_subject(request)
    keys = {about["gate"], *(item["step"] for item in about["covered"])}
    unknown = set(about["not_covered"])
    waiting = request.run.steps.filter(round=request.step.round, wait_reason=WaitReason.APPROVAL)
    return [
        step
        for step in waiting.order_by("position")
        if step.key in keys or not unknown.isdisjoint(unknown_keys(step.key))
    ]


def tell_deadline(request: ApprovalRequest) -> None:
    """Writes on the steps that wait for the request until when."""
    for step in waiting_for(request):
        step.due_at = request.due_at
        step.save(update_fields=["due_at"])


def set_deadline(request: ApprovalRequest, now: datetime) -> None:
    """The time that the gate gives, from now on, and the reminder when three quarters of it have gone by."""
    within = timedelta(seconds=request.within_seconds)
    calendar = definition_of(request.run.version_id).steps[request.step.name].calendar
    request.due_at = deadlines.due_at(now, within, calendar)
    request.remind_at = deadlines.due_at(now, within * REMIND_AFTER, calendar)


def go_on(request: ApprovalRequest) -> list[str]:
    """Lets those take a seat to whom the gate goes on when it is late. Returns who that is."""
    names = [each.name for each in definition_of(request.run.version_id).steps[request.step.name].to]
    Alternative.objects.bulk_create(
        [Alternative(request=request, role=name) for name in names], ignore_conflicts=True
    )
    return names


def current_subject(request: ApprovalRequest, frame: Frame) -> dict[str, Any]:
    """The subject as it would be composed now; equal to the stored one as long as nothing has changed.

    `frame` is the gate's. Items of steps that were claimed already are taken as they were approved: those have
    their answer.
    """
    stored = stored_subject(request)
    approved = {item["step"]: item for item in stored["covered"]}
    composed = compose(frame, request.step, frozen_at=stored["frozen_at"])
    fresh = {item.step: item.as_json() for item in composed.covered}
    phase = "undo" if request.step.undoes_id else "do"
    asking = asks.of_calls(request.run, composed.covered, timezone.now(), phase=phase)
    return {
        **stored,
        **terms(request, asking),
        "covered": [
            fresh.get(key, item if key in composed.begun else None) for key, item in approved.items()
        ],
    }


def terms(request: ApprovalRequest, asking: Sequence[Matched]) -> dict[str, Any]:
    """The parts of a subject that do not depend on parameters, where policies ask this now: the stricter of then and
    now, under the profile of now.
    """
    step, stored, profile = request.step, stored_subject(request), profile_at(timezone.now())
    kept, own = stored.get("policies", {}), _own_seats(request.step)
    limit = (
        [asking_rules.beyond_limit(_connection_of(step).targets_role)] if asking_rules.LIMIT in kept else []
    )
    policies = asking_rules.kept_and_new(kept, asking_rules.seats_with(own, kept), [*asking, *limit])
    return {
        "version": definition_of(step.run.version_id).digest,
        "policies": policies,
        "seats": capped(profile, asking_rules.seats_with(own, policies)),
        "profile": profile.value,
    }


def is_shown(request: ApprovalRequest, step: Step) -> bool:
    """Whether the request shows the step, or has to: what it could not show it names."""
    return set(unknown_keys(step.key)).isdisjoint(stored_subject(request)["not_covered"])


def covered_now(frame: Frame, step: Step, now: str) -> Covered:
    """What would run for the step, as an approval shows it. Raises ExpressionError."""
    if step.undoes is not None:
        return covered_undo(step, step.undoes)
    document = definition_of(frame.run.version_id).steps[step.name]
    return covered_call(frame.run, FutureCall(step.key, document, frame.scope(now)))


def gates_before(frame: Frame, step: Step) -> list[Step]:
    """The gates that answer for a step of the frame."""
    known = {each.name: each for each in [*frame.outer, *frame.steps.values()]}
    return [known[gate] for gate in definition_of(frame.run.version_id).gates[step.name]]


def shown_moment(asking: Sequence[Step], now: datetime) -> str:
    """The moment that was shown as `now` by the latest request in force of those that ask; without one, `now`."""
    found = ApprovalRequest.objects.filter(step__in=asking, status__in=IN_FORCE) if asking else None
    latest = found.order_by("-opened_at").first() if found is not None else None
    return str(stored_subject(latest)["frozen_at"]) if latest else moment(now)


def _own_seats(asking: Step) -> list[str]:
    """Those of a gate as they are written. A step that asks itself has none: others ask for it."""
    document = definition_of(asking.run.version_id).steps[asking.name]
    if asking.kind != "approve":
        return []
    return list(seats_of_gate(definition_of(asking.run.version_id).playbook, document, actions()))


def _connection_of(step: Step) -> Connection:
    document = definition_of(step.run.version_id).steps[step.name]
    return connection_for(actions()[document.do], connection_name(document))


def _open(
    change: Change,
    frame: Frame,
    gate: Step,
    frozen_at: str,
    *,
    kept: asking_rules.Asked | None = None,
    due_at: datetime | None = None,
) -> ApprovalRequest:
    """`kept` is what policies have asked before, or what somebody else asks. `due_at` is when what has run is taken
    back.
    """
    run, definition = change.run, definition_of(change.run.version_id)
    document = definition.steps[gate.name]
    composed = compose(frame, gate, frozen_at=frozen_at)
    phase = "undo" if gate.undoes_id else "do"
    asked = asks.of_calls(run, composed.covered, change.now, phase=phase)
    own, profile = _own_seats(gate), profile_at(timezone.now())
    policies = (
        asking_rules.as_asked(asked)
        if kept is None
        else asking_rules.kept_and_new(kept, asking_rules.seats_with(own, kept), asked)
    )
    about = subject(
        run=str(run.pk),
        version_digest=definition.digest,
        gate=gate.key,
        frozen_at=frozen_at,
        seats=capped(profile, asking_rules.seats_with(own, policies)),
        profile=profile.value,
        policies=policies,
        covered=composed.covered,
        not_covered=composed.not_covered,
    )
    question = (
        str(render(document.approve, frame.scope(frozen_at)))
        if gate.kind == "approve"
        else _own_question(gate, policies)
    )
    request = _create(change, gate, about, question, shown_to_people(frame, document.show), due_at)
    _place_seats(request, about["seats"])
    _note_opened(change, request, definition)
    change.tellings += telling.request_opened(request)
    return request


def _own_question(step: Step, policies: asking_rules.Asked) -> str:
    if has_run(step):
        return asking_rules.stand_question(step.key, policies)
    named = f"the undo of {step.key}" if step.undoes_id else step.key
    return asking_rules.own_question(named, policies)


def _create(
    change: Change,
    gate: Step,
    about: Mapping[str, Any],
    question: str,
    shown: Mapping[str, object],
    due_at: datetime | None,
) -> ApprovalRequest:
    run = change.run
    document = definition_of(run.version_id).steps[gate.name]
    within = due_at - change.now if due_at else deadlines.time_given(document, run.context)
    request = ApprovalRequest(
        run=run,
        step=gate,
        question=question,
        subject=canonical(about).decode(),
        digest=digest(about),
        shown=shown,
        requesters=requesters_of(run),
        authors=authors_behind(run),
        profile=about["profile"],
        denials_to_end=document.deny,
        previous=denied_before(gate),
        through=through_of(run),
        countersigns=has_run(gate),
        late=document.late,
        within_seconds=int(within / timedelta(seconds=1)),
        opened_at=change.now,
    )
    set_deadline(request, change.now)
    request.save(force_insert=True)
    return request


def denied_before(gate: Step) -> ApprovalRequest | None:
    """The request that was denied at the same gate in the run of which this is a re-run."""
    denied = ApprovalRequest.objects.filter(
        run=gate.run.repeats_id, step__key=gate.key, status=RequestStatus.DENIED
    )
    return denied.order_by("-opened_at").first() if gate.run.repeats_id else None


def _place_seats(request: ApprovalRequest, roles: Sequence[str]) -> None:
    Seat.objects.bulk_create(
        Seat(request=request, position=position, role=role) for position, role in enumerate(roles)
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
            "profile": request.profile,
            "denials_to_end": request.denials_to_end,
            "unfillable": list(unfilled([request], change.now)[request.pk]),
            "denied_before": _those_who_denied(request.previous),
            "through": request.through,
            "playbook": definition.slug,
            **({"countersigns": True} if request.countersigns else {}),
        },
    )


def _those_who_denied(request: ApprovalRequest | None) -> list[str]:
    """Whoever denied it is not asked again."""
    denials = Decision.objects.filter(request=request, verdict=Verdict.DENY, withdrawal=None)
    return sorted(str(each.person_id) for each in denials) if request is not None else []


def _identity(request: ApprovalRequest) -> dict[str, str]:
    return {"request": str(request.pk), "step": request.step.key, "digest": request.digest}
