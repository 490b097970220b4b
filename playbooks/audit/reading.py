"""Ordinary reads of the audit log, for the floor of the queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Min, Q, QuerySet

from playbooks.audit.scopes import named_by_case
from playbooks.audit.writing import Stream
from playbooks.domain.entries import Body, parse_body
from playbooks.domain.verbs import Verb
from playbooks.models.audit import AuditBody, AuditCheckpoint, AuditEntry, AuditPending


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is in the signed tree, and the newest checkpoint, which is over it."""

    index: int
    size: int
    root: str
    note: str
    signed_at: datetime


def entries(
    *,
    streams: Sequence[Stream] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    actor: str = "",
    verb: Verb | None = None,
    subject: str = "",
    outcome: str = "",
) -> QuerySet[AuditEntry]:
    """The entries that meet every condition given, the newest first. `actor` and `subject` are ids."""
    wanted: dict[str, Any] = {
        "occurred_at__gte": since,
        "occurred_at__lt": until,
        "actor_id": actor,
        "verb": verb.value if verb else None,
        "subject_id": subject,
        "outcome": outcome,
    }
    found = AuditEntry.objects.filter(**{name: value for name, value in wanted.items() if value})
    return found.filter(_in(streams)).select_related("stream").order_by("-id")


def of_case(case: str) -> QuerySet[AuditEntry]:
    """Everything about a case: its own entries and those of its alerts and runs, the newest first."""
    return entries(streams=[Stream("case", case), *named_by_case(case)])


def body_of(entry: int) -> Body | None:
    """What an entry says in full; None where there is no such entry."""
    raw = AuditBody.objects.filter(entry=entry).values_list("body", flat=True).first()
    return None if raw is None else parse_body(bytes(raw))


def place_of(entry: int) -> Place | None:
    """None as long as the entry waits for its checkpoint."""
    row = AuditEntry.objects.filter(pk=entry, tree__isnull=False).select_related("tree").first()
    checkpoint = latest_checkpoint()
    if row is None or checkpoint is None:
        return None
    root = bytes(checkpoint.root).hex()
    return Place(row.tree.index, checkpoint.size, root, checkpoint.note, checkpoint.signed_at)


def latest_checkpoint() -> AuditCheckpoint | None:
    return AuditCheckpoint.objects.order_by("-id").first()


def awaits_receipt(subject: str) -> bool:
    """Whether an entry about the subject (a request, a run…) is not in a signed checkpoint yet."""
    return AuditPending.objects.filter(entry__subject_id=subject).exists()


def waiting_since() -> datetime | None:
    """When the oldest entry was recorded that waits for the sequencer; None when none does."""
    oldest: datetime | None = AuditPending.objects.aggregate(oldest=Min("entry__recorded_at"))["oldest"]
    return oldest


def _in(streams: Sequence[Stream]) -> Q:
    return Q(*(Q(stream__kind=each.kind, stream__key=each.key) for each in streams), _connector=Q.OR)
