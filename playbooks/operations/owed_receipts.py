"""Receipts that are owed: what was passed by break-glass may destroy before its evidence is in a signed checkpoint.

That it did is recorded before it does, and that the evidence came as soon as it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from playbooks.audit import reading
from playbooks.domain.statuses import RequestStatus
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, BreakGlass, Step
from playbooks.operations.approvals import open_change
from playbooks.operations.change import Change
from playbooks.operations.requests import request_subject


def owe(change: Change, step: Step, granted: Sequence[ApprovalRequest]) -> bool:
    """Whether the step runs under a break-glass, which then owes the evidence of all that the step relies on.

    In the transaction of the claim.
    """
    passed = [each for each in granted if each.status == RequestStatus.PASSED]
    for request in passed:
        if BreakGlass.objects.filter(request=request, owes_receipt=False).update(owes_receipt=True):
            change.note(Verb.RECEIPT_OWED, subject=request_subject(request), facts=_facts(request, step))
    return bool(passed)


def signed_by_now() -> list[UUID]:
    """The requests whose evidence is owed no more, and of which that is to be recorded."""
    rows = BreakGlass.objects.filter(owes_receipt=True, settled_at=None).order_by("broken_at", "pk")
    owing = rows.values_list("request", "request__run__version")[:500]
    return [request for request, version in owing if not _is_owed(request, version)]


def settle(request: UUID, *, now: datetime) -> None:
    """Records that the evidence of what was passed is in a signed checkpoint, if it is."""
    with transaction.atomic(durable=True):
        row, change = open_change(request, now=now, actor_of=None)
        glass = BreakGlass.objects.filter(request=row, owes_receipt=True, settled_at=None).first()
        if glass is None or _is_owed(row.pk, row.run.version_id):
            return
        glass.settled_at = now
        glass.save(update_fields=["settled_at"])
        change.note(Verb.RECEIPT_SETTLED, subject=request_subject(row), facts={"request": str(row.pk)})
        change.finish()


def _is_owed(request: UUID, version: UUID) -> bool:
    return any(reading.awaits_receipt(str(subject)) for subject in (request, version))


def _facts(request: ApprovalRequest, step: Step) -> dict[str, str]:
    return {"request": str(request.pk), "step": step.key, "digest": request.digest}
