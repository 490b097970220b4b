"""Decisions on approval requests.

The sentence on the wall: no step behind a gate ran without a valid quorum of distinct, entitled people, none of
whom asked for it, over exactly the bytes that ran.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import access
from playbooks.access.facts import facts_to_approve
from playbooks.domain.canonical import digest
from playbooks.domain.duties import Denial, denials, is_denied, is_quorum, seated
from playbooks.domain.duty_facts import CONSENTS, Facts
from playbooks.domain.profiles import Profile
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.domain.subject import first_difference
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Late, Principal
from playbooks.models.decisions import Decision
from playbooks.operations import doubts, idempotency, proofs, provisionals, requests, telling
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.change import Change, lock_run
from playbooks.operations.letting_through import let_through
from playbooks.operations.progress import advance
from playbooks.operations.refusals import Hidden, Invalid, Missing, Refused
from playbooks.operations.rounds import moment, open_frame


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's verdict as it was posted: `shown_digest` is of the subject that they were shown."""

    request: UUID
    caller: Caller
    verdict: Verdict
    shown_digest: str
    comment: str

    def as_json(self) -> dict[str, str]:
        return {
            "request": str(self.request),
            "verdict": self.verdict.value,
            "digest": self.shown_digest,
            "comment": self.comment,
        }


class Forbidden(Refused):
    """A duty rule forbids a vote. `facts` are those on which the rules were evaluated."""

    def __init__(self, facts: Facts, *forbidden: Denial) -> None:
        super().__init__(*forbidden)
        self.facts = facts


def decide(
    request: UUID,
    *,
    caller: Caller,
    verdict: Verdict,
    shown_digest: str,
    comment: str = "",
    idempotency_key: str = "",
) -> ApprovalRequest:
    """Records one person's verdict on the subject with `shown_digest`, and acts on it when it settles the matter.

    Raises Refused with every duty rule that forbids it (the refusal itself is audited), Invalid for a denial
    without its reason, Missing for an unknown request.
    """
    if verdict is Verdict.CONFIRM:
        raise Invalid([("/verdict", "Approve or deny; the profile says as what an approval counts.")])
    if verdict is Verdict.DENY and not comment.strip():
        raise Invalid([("/comment", "A denial needs its reason: say what should happen instead.")])
    vote = Vote(request, caller, verdict, shown_digest, comment)
    expire(request, now=timezone.now())  # a deadline holds whether or not the sweep has come by
    with recording_refusals(vote), transaction.atomic(durable=True):
        return _decide(vote, idempotency_key)


@contextmanager
def recording_refusals(vote: Vote) -> Iterator[None]:
    """Around the transaction of a vote: a refusal is audited when that was rolled back."""
    try:
        yield
    except Refused as refusal:
        _record_refusal(vote, refusal)
        _hide(vote, refusal)
        raise


def _hide(vote: Vote, refusal: Refused) -> None:
    """Whoever may not know of the request is told that there is none; the log has said why already."""
    rows = ApprovalRequest.objects.filter(pk=vote.request)
    if not access.within_reach(vote.caller.principal, rows).exists():
        hidden = Hidden(f"There is no {_request_name(vote)}.", rule=refusal.rule)
        hidden.is_recorded = True
        raise hidden from refusal


def _request_name(vote: Vote) -> str:
    return f"approval request {vote.request}"


def expire(request: UUID, *, now: datetime) -> None:
    """What happens when the deadline of an open request has passed: deny, escalate or hold, never approve."""
    with transaction.atomic(durable=True):
        row, change = open_change(request, now=now, actor_of=None)
        if row.status != RequestStatus.OPEN or row.due_at is None or row.due_at > now:
            return
        _LATE[Late(row.late)](change, row)
        change.finish()


def remind(request: UUID, *, now: datetime) -> None:
    """Those who still have to decide are reminded, once for each deadline."""
    with transaction.atomic(durable=True):
        row, change = open_change(request, now=now, actor_of=None)
        if row.status != RequestStatus.OPEN or row.remind_at is None or row.remind_at > now:
            return
        row.remind_at = None
        row.save(update_fields=["remind_at"])
        change.note(
            Verb.REQUEST_REMINDED,
            subject=requests.request_subject(row),
            facts={"request": str(row.pk), "step": row.step.key, "due_at": _text(row.due_at)},
        )
        change.tellings += telling.request_due(row)
        change.finish()


def _decide(vote: Vote, idempotency_key: str) -> ApprovalRequest:
    now, person = timezone.now(), str(vote.caller.principal.pk)
    row, change = open_change(vote.request, now=now, actor_of=vote.caller)
    if idempotency.recall(person, idempotency_key, vote.as_json()):
        return row
    facts = require_entitled(vote, row)
    proofs.use_proof(facts, caller=vote.caller, now=now)
    _record(change, row, vote, facts)
    if vote.verdict is Verdict.DENY and is_denied(facts):
        _deny(change, row, f"Denied by {vote.caller.principal}: {vote.comment}")
    elif facts.verdict in CONSENTS and is_quorum(facts):
        _grant(change, row)
    idempotency.keep(person, idempotency_key, vote.as_json(), {"request": str(row.pk)}, now=now)
    change.finish()
    return row


def require_entitled(vote: Vote, row: ApprovalRequest) -> Facts:
    """What the duty rules were evaluated on. Raises Forbidden with every one that forbids the vote."""
    facts = proofs.with_step_up(_facts(vote, row), row, caller=vote.caller, now=timezone.now())
    forbidden = denials(facts)
    if forbidden:
        raise Forbidden(facts, *forbidden)
    vote.caller.require_within_reach(row, _request_name(vote))
    return facts


def _facts(vote: Vote, request: ApprovalRequest) -> Facts:
    """Read inside the deciding transaction: who the person is now, what they hold, and what would run now."""
    person = Principal.objects.get(pk=vote.caller.principal.pk)
    facts = facts_to_approve(person, [request])[request.pk]
    is_open = request.status == RequestStatus.OPEN
    return replace(
        facts,
        decider=replace(facts.decider, by_token=vote.caller.token is not None),
        verdict=_recorded(vote.verdict, request).value,
        shown_digest=vote.shown_digest,
        current_digest=digest(_current_subject(request)) if is_open else request.digest,
    )


def _recorded(verdict: Verdict, request: ApprovalRequest) -> Verdict:
    """Under the profile solo nothing is approved: one person alone confirms it."""
    is_alone = request.profile == Profile.SOLO and verdict is Verdict.APPROVE
    return Verdict.CONFIRM if is_alone else verdict


def _current_subject(request: ApprovalRequest) -> dict[str, Any]:
    return requests.current_subject(request, open_frame(request.run, request.step.frame))


def open_change(request: UUID, *, now: datetime, actor_of: Caller | None) -> tuple[ApprovalRequest, Change]:
    """Locks the run and then the request: the one order in which both are ever locked."""
    run = ApprovalRequest.objects.filter(pk=request).values_list("run", flat=True).first()
    if run is None:
        raise Missing(f"There is no approval request {request}.")
    locked = lock_run(run)
    row = ApprovalRequest.objects.select_for_update(of=("self",)).select_related("step").get(pk=request)
    row.run = row.step.run = locked
    return row, Change(locked, now, actor_of.actor if actor_of else SYSTEM)


def _record(change: Change, request: ApprovalRequest, vote: Vote, facts: Facts) -> None:
    person = vote.caller.principal
    seats = fill_seats(request, facts, with_decider=True) if facts.verdict in CONSENTS else {}
    Decision.objects.create(
        request=request,
        person=person,
        person_name=str(person),
        verdict=facts.verdict,
        digest=facts.shown_digest,
        comment=vote.comment,
        decided_at=change.now,
        address=vote.caller.address,
        facts=facts.as_json(),
    )
    change.note(
        Verb.DECISION_MADE,
        subject=requests.request_subject(request),
        outcome=facts.verdict,
        facts={
            "request": str(request.pk),
            "step": request.step.key,
            "verdict": facts.verdict,
            "digest": facts.shown_digest,
            "comment": vote.comment,
            "seat": seats.get(str(person.pk), ""),
            "duty_facts": facts.as_json(),
        },
    )


def fill_seats(request: ApprovalRequest, facts: Facts, *, with_decider: bool) -> dict[str, str]:
    """Writes who sits where; whoever had a seat keeps one, perhaps another. Returns {person: role}."""
    seating = seated(facts, with_decider=with_decider)
    request.seats.update(filled_by=None)
    for position, person in seating.items():
        request.seats.filter(position=position).update(filled_by=person)
    return {person: facts.seats[position].role for position, person in seating.items()}


def _grant(change: Change, request: ApprovalRequest) -> None:
    """The quorum is complete: the gate opens, and steps that waited for a renewed request are ready again."""
    standing = Decision.objects.filter(request=request, verdict__in=CONSENTS, withdrawal=None)
    approvals = standing.order_by("decided_at", "pk")
    names = [_as_said(each) for each in approvals]
    requests.close(
        change,
        request,
        RequestStatus.GRANTED,
        Verb.REQUEST_GRANTED,
        approvers=[str(each.person_id) for each in approvals],
        profile=request.profile,
    )
    if request.countersigns:
        provisionals.stand(change, request)
    else:
        let_through(change, request, approvers=names)


def _as_said(decision: Decision) -> str:
    """What one person alone has confirmed is never called approved."""
    alone = " (self-confirmed)" if decision.verdict == Verdict.CONFIRM else ""
    return f"{decision.person_name}{alone}"


def _deny(change: Change, request: ApprovalRequest, sentence: str) -> None:
    requests.close(change, request, RequestStatus.DENIED, Verb.REQUEST_DENIED, sentence=sentence)
    fail_waiting(change, request, sentence)


def fail_waiting(change: Change, request: ApprovalRequest, sentence: str) -> None:
    """What waits for the request fails, and what has run without waiting is taken back."""
    if request.countersigns:
        provisionals.take_back(change, request)
        return
    waiting = requests.waiting_for(request)
    for step in waiting:
        doubts.fail(change, step, sentence)
    for frame in sorted({step.frame for step in waiting}, key=len, reverse=True):
        advance(change, frame)


def _late_deny(change: Change, request: ApprovalRequest) -> None:
    requests.close(change, request, RequestStatus.EXPIRED, Verb.REQUEST_EXPIRED)
    fail_waiting(change, request, "Nobody decided in time, so it counts as denied.")


def _late_escalate(change: Change, request: ApprovalRequest) -> None:
    """The request stays open, stands above all others, and gets the same time once more. It goes on to those whom
    the gate names: they may take any seat too, so nobody loses theirs, and no duty rule spares them.
    """
    request.escalated_at = change.now
    requests.set_deadline(request, change.now)
    request.save(update_fields=["escalated_at", "due_at", "remind_at"])
    requests.tell_deadline(request)
    names = requests.go_on(request)
    change.note(
        Verb.REQUEST_ESCALATED,
        subject=requests.request_subject(request),
        facts={"request": str(request.pk), "due_at": _text(request.due_at), "to": names},
    )
    change.tellings += telling.request_escalated(request)


def _late_hold(change: Change, request: ApprovalRequest) -> None:
    """The request stays open without a deadline, marked as late."""
    request.escalated_at = change.now
    request.due_at = request.remind_at = None
    request.save(update_fields=["escalated_at", "due_at", "remind_at"])
    requests.tell_deadline(request)
    change.note(
        Verb.REQUEST_ESCALATED,
        subject=requests.request_subject(request),
        facts={"request": str(request.pk), "due_at": None},
    )
    change.tellings += telling.request_escalated(request)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


_LATE = {Late.DENY: _late_deny, Late.ESCALATE: _late_escalate, Late.HOLD: _late_hold}


def _record_refusal(vote: Vote, refusal: Refused) -> None:
    """Audits the refusal in a transaction of its own. A request whose subject changed is asked again."""
    with transaction.atomic(durable=True):
        row, change = open_change(vote.request, now=timezone.now(), actor_of=vote.caller)
        change.note(
            Verb.DECISION_REFUSED,
            subject=requests.request_subject(row),
            outcome="refused",
            facts={
                **vote.as_json(),
                **({"verdict": refusal.facts.verdict} if isinstance(refusal, Forbidden) else {}),
                "rule": refusal.rule,
                "denials": [{"rule": each.rule, "sentence": each.sentence} for each in refusal.denials],
                "duty_facts": refusal.facts.as_json() if isinstance(refusal, Forbidden) else None,
            },
        )
        _renew_if_changed(change, row)
        change.finish()
    refusal.is_recorded = True


def _renew_if_changed(change: Change, request: ApprovalRequest) -> None:
    if request.status != RequestStatus.OPEN:
        return
    changed = first_difference(requests.stored_subject(request), _current_subject(request))
    if changed:
        requests.renew(change, request, changed=changed, frozen_at=moment(change.now))
