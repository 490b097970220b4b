"""The list of targets that no action changes, and who keeps it.

It is enforced at the claim. What was done to a target before it was listed can still be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.policies.facts import COOLING
from playbooks.domain.policies.never_touch import Protected, TargetKind, normal_value, touched
from playbooks.domain.verbs import Verb
from playbooks.models import NeverTouch
from playbooks.operations.caller import Caller
from playbooks.operations.policy_rules import GRAVE, Acting
from playbooks.operations.refusals import Invalid, Missing, Refused

LISTED_ALREADY = Denial("listed_already", "This target is on the list already.")
NOT_LISTED = Denial("not_listed", "This target was taken off the list already.")
FORBIDDEN = "{value} is never touched ({kind} {row}): {reason}"


def add(kind: TargetKind, value: str, *, caller: Caller, reason: str) -> NeverTouch:
    """Puts a target on the list. Raises Invalid for a value that is none of the kind, or without a reason."""
    caller.require("write_policy", "add to the never-touch list")
    reason = _reason(reason)
    try:
        normal = normal_value(kind, value)
    except ValueError as error:
        raise Invalid([("/value", str(error))]) from None
    row = NeverTouch(
        kind=kind, value=normal, reason=reason, added_by=caller.principal, added_at=timezone.now()
    )
    with transaction.atomic(durable=True):
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            raise Refused(LISTED_ALREADY) from None
        audit.append(_entry(row, Verb.NEVER_TOUCH_ADDED, caller, row.added_at, reason))
    return row


def remove(row: UUID, *, caller: Caller, reason: str) -> NeverTouch:
    """Takes a target off the list; it is kept to for a day more. Raises Invalid without a reason, Missing."""
    caller.require("publish_policy", "take targets off the never-touch list")
    reason = _reason(reason)
    with transaction.atomic(durable=True):
        found = NeverTouch.objects.select_for_update(of=("self",)).filter(pk=row).first()
        if found is None:
            raise Missing(f"There is no target {row} on the list.")
        if found.removed_at is not None:
            raise Refused(NOT_LISTED)
        found.removed_at, found.removed_by = timezone.now(), caller.principal
        found.save(update_fields=["removed_at", "removed_by"])
        audit.append(_entry(found, Verb.NEVER_TOUCH_REMOVED, caller, found.removed_at, reason))
    return found


def protected(now: datetime) -> list[Protected]:
    """What is on the list, and what was taken off it less than a day ago."""
    kept = NeverTouch.objects.filter(Q(removed_at__isnull=True) | Q(removed_at__gt=now - COOLING))
    return [
        Protected(TargetKind(each.kind), each.value, each.reason) for each in kept.order_by("kind", "value")
    ]


def why_never(acting: Acting, rows: Sequence[Protected]) -> str:
    """Why the action may not run, whoever approves; empty where it touches none of the rows."""
    if acting.effect not in GRAVE or not rows:
        return ""
    found = touched(rows, acting.target, acting.parameters)
    if found is None:
        return ""
    row, value = found
    return FORBIDDEN.format(value=value[:200], kind=row.kind.value, row=row.value, reason=row.reason)


def _reason(text: str) -> str:
    if not text.strip():
        raise Invalid([("/reason", "Say why, for those who will wonder why nothing may touch it.")])
    return text.strip()[:2000]


def _entry(row: NeverTouch, verb: Verb, caller: Caller, now: datetime, reason: str) -> Entry:
    return Entry(
        stream=Stream("never_touch", str(row.pk)),
        verb=verb,
        actor=caller.actor,
        subject=Subject("never_touch", str(row.pk), str(row)[:200]),
        outcome="done",
        facts={"kind": str(row.kind), "value": row.value, "reason": reason},
        occurred_at=now,
    )
