"""What was denied may be asked once more, with new evidence, of other people, who see the denial."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.domain.duties import Denial
from playbooks.domain.statuses import RequestStatus
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Run
from playbooks.operations import requests
from playbooks.operations.approvals import open_change
from playbooks.operations.caller import Caller
from playbooks.operations.change import Change
from playbooks.operations.refusals import Invalid, Refused
from playbooks.operations.reruns import run_again

NOT_DENIED = Denial("not_denied", "Only what was denied can be asked again, and this was not.")
RAN = Denial(
    "not_denied", "What was denied here had run already, and is taken back. Start a new run where it is due."
)
TWICE = Denial(
    "denied_twice", "This was denied twice, so it is not asked a third time. Start a new run where it is due."
)
ASKED = Denial("denied_before", "This was asked again already.")


def ask_again(request: UUID, *, caller: Caller, evidence: str) -> Run:
    """A re-run of the run whose request was denied, which asks it again: of others than those who denied it.

    The caller counts as having asked. Raises Refused without the right to start runs, for what was not denied or was
    asked again before, and where the run cannot be run again; Invalid without new evidence.
    """
    caller.require("start_run", "start runs")
    if not evidence.strip():
        raise Invalid([("/evidence", "Say what is new since it was denied: whoever decides will read it.")])
    with transaction.atomic(durable=True):
        row, change = open_change(request, now=timezone.now(), actor_of=caller)
        caller.require_on("start_run", row.run, f"approval request {request}")
        _require_denied(row)
        for denied in _denied_of(row.run):
            _mark(change, denied, caller, evidence)
        again = run_again(row.run, caller)
        change.finish()
    return again


def _denied_of(run: Run) -> list[ApprovalRequest]:
    """All of the run that were denied: the re-run asks each of them again."""
    found = run.requests.select_for_update(of=("self",)).select_related("step")
    return list(found.filter(status=RequestStatus.DENIED).order_by("opened_at", "pk"))


def _require_denied(request: ApprovalRequest) -> None:
    if request.status != RequestStatus.DENIED:
        raise Refused(NOT_DENIED)
    if request.countersigns:
        raise Refused(RAN)
    if request.previous_id is not None:
        raise Refused(TWICE)
    if request.asked_again_at is not None:
        raise Refused(ASKED)


def _mark(change: Change, request: ApprovalRequest, caller: Caller, evidence: str) -> None:
    request.asked_again_by, request.asked_again_at = caller.principal, change.now
    request.evidence = evidence
    request.save(update_fields=["asked_again_by", "asked_again_at", "evidence"])
    change.note(
        Verb.REQUEST_ASKED_AGAIN,
        subject=requests.request_subject(request),
        facts={"request": str(request.pk), "step": request.step.key, "evidence": evidence},
    )
