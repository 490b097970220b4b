"""Taking back: a person their decision while the quorum is not reached, whoever asked the request while it is open."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.access.facts import facts_to_approve
from playbooks.domain.duties import Denial
from playbooks.domain.statuses import RequestStatus
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest
from playbooks.models.decisions import Decision, Withdrawal
from playbooks.operations import requests
from playbooks.operations.approvals import fail_waiting, fill_seats, open_change
from playbooks.operations.caller import Caller
from playbooks.operations.change import Change
from playbooks.operations.refusals import Invalid, Refused

TOKEN = Denial(
    "token_not_person",
    "Only a signed-in person can take back a decision; no token and no service account can.",
)
NOTHING = Denial("nothing_to_withdraw", "There is no decision of yours here that still counts.")
NOT_ASKED = Denial("not_requester", "Only somebody who asked for this can take the request back.")
WHY = Invalid([("/reason", "Say why, for those who decided and for those who still would.")])


def withdraw_decision(request: UUID, *, caller: Caller, reason: str) -> ApprovalRequest:
    """The caller's decision counts no more, and is final: they do not decide this request again.

    Raises Refused without a decision of theirs that counts, or when the request is closed; Invalid without a reason.
    """
    return _take_back(request, caller, reason, _withdraw_decision)


def withdraw_request(request: UUID, *, caller: Caller, reason: str) -> ApprovalRequest:
    """Nothing is asked any more, and the run fails at its gate. Raises Refused for who did not ask, and once closed."""
    return _take_back(request, caller, reason, _withdraw_request)


Taking = Callable[[Change, ApprovalRequest, Caller, str], None]


def _take_back(request: UUID, caller: Caller, reason: str, take: Taking) -> ApprovalRequest:
    if not reason.strip():
        raise WHY
    try:
        with transaction.atomic(durable=True):
            row, change = open_change(request, now=timezone.now(), actor_of=caller)
            caller.require_within_reach(row, f"approval request {request}")
            take(change, row, caller, reason)
            change.finish()
            return row
    except Refused as refusal:
        _record_refusal(request, caller, refusal)
        raise


def _withdraw_decision(change: Change, request: ApprovalRequest, caller: Caller, reason: str) -> None:
    if caller.token is not None or not caller.principal.is_person:
        raise Refused(TOKEN)
    decision = Decision.objects.filter(request=request, person=caller.principal, withdrawal=None).first()
    if decision is None:
        raise Refused(NOTHING)
    _refuse_when_closed(request)
    Withdrawal.objects.create(
        decision=decision, reason=reason, withdrawn_at=change.now, address=caller.address
    )
    facts = facts_to_approve(caller.principal, [request])[request.pk]
    fill_seats(request, facts, with_decider=False)
    change.note(
        Verb.DECISION_WITHDRAWN,
        subject=requests.request_subject(request),
        facts={
            "request": str(request.pk),
            "step": request.step.key,
            "verdict": decision.verdict,
            "digest": decision.digest,
            "reason": reason,
        },
    )


def _withdraw_request(change: Change, request: ApprovalRequest, caller: Caller, reason: str) -> None:
    if str(caller.principal.pk) not in request.requesters:
        raise Refused(NOT_ASKED)
    _refuse_when_closed(request)
    requests.close(
        change, request, RequestStatus.WITHDRAWN, Verb.REQUEST_WITHDRAWN, reason=reason, by=caller.actor.id
    )
    fail_waiting(change, request, f"Taken back by {caller.principal}: {reason}")


def _refuse_when_closed(request: ApprovalRequest) -> None:
    if request.status != RequestStatus.OPEN:
        raise Refused(Denial("closed", f"This request is {request.status}; nothing can be taken back."))


def _record_refusal(request: UUID, caller: Caller, refusal: Refused) -> None:
    with transaction.atomic(durable=True):
        row, change = open_change(request, now=timezone.now(), actor_of=caller)
        change.note(
            Verb.ACTION_REFUSED,
            subject=requests.request_subject(row),
            outcome="refused",
            facts={"request": str(row.pk), "rule": refusal.rule, "sentence": str(refusal)},
        )
        change.finish()
    refusal.is_recorded = True
