"""Rotas: who is on call and when is published beforehand, and counts once it has been known for a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.verbs import Verb
from playbooks.models import Principal, PrincipalKind, Rota, Shift
from playbooks.operations import stepup
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rights import require_proof

LONGEST = timedelta(days=31)
MOST = 500  # shifts in one call
OVER = Denial("shift_over", "This shift is over, or was withdrawn already.")


@dataclass(frozen=True, slots=True)
class Planned:
    """`person` (a username) is on call from `begins_at` until `ends_at`, which is not included."""

    person: str
    begins_at: datetime
    ends_at: datetime


def publish(rota: str, *, caller: Caller, title: str = "", shifts: Sequence[Planned]) -> Rota:
    """Adds shifts to the rota, which is made when there is none of this name. They count from a day later on.

    Whoever is on call takes a seat, so it takes a proof of the last five minutes, as giving a right does.

    Raises Refused without the permission, Invalid for a shift that cannot be, Missing for an unknown person.
    """
    caller.require("manage_people", "publish who is on call")
    now = timezone.now()
    people = _people(shifts)
    _check(shifts, now)
    with transaction.atomic(durable=True):
        proof = stepup.told(require_proof(caller))
        row, _ = Rota.objects.get_or_create(slug=rota, defaults={"title": title or rota})
        made = Shift.objects.bulk_create(
            Shift(
                rota=row,
                person=people[each.person],
                begins_at=each.begins_at,
                ends_at=each.ends_at,
                published_at=now,
                published_by=caller.principal,
            )
            for each in shifts
        )
        audit.append(*(_entry(each, Verb.SHIFT_PUBLISHED, caller, now, proof) for each in made))
    return row


def withdraw(shift: UUID, *, caller: Caller) -> Shift:
    """The person is not on call in this shift any more, at once. Raises Refused, and Missing."""
    caller.require("manage_people", "withdraw a shift")
    now = timezone.now()
    with transaction.atomic(durable=True):
        rows = Shift.objects.select_for_update(of=("self",)).select_related("rota", "person")
        row = rows.filter(pk=shift).first()
        if row is None:
            raise Missing(f"There is no shift {shift}.")
        if row.withdrawn_at is not None or row.ends_at <= now:
            raise Refused(OVER)
        row.withdrawn_at, row.withdrawn_by = now, caller.principal
        row.save(update_fields=["withdrawn_at", "withdrawn_by"])
        audit.append(_entry(row, Verb.SHIFT_WITHDRAWN, caller, now, {}))
    return row


def _people(shifts: Sequence[Planned]) -> dict[str, Principal]:
    names = {each.person for each in shifts}
    rows = Principal.objects.filter(username__in=names, is_active=True, kind=PrincipalKind.PERSON)
    found = {row.username: row for row in rows}
    if missing := sorted(names - found.keys()):
        raise Missing(f"There is no active person called {missing[0]}.")
    return found


def _check(shifts: Sequence[Planned], now: datetime) -> None:
    errors = []
    if not 0 < len(shifts) <= MOST:
        errors.append(("/shifts", f"Publish 1 to {MOST} shifts at a time."))
    for index, each in enumerate(shifts):
        if each.ends_at <= each.begins_at or each.ends_at <= now:
            errors.append((f"/shifts/{index}/ends_at", "A shift ends after it begins, and not in the past."))
        elif each.ends_at - each.begins_at > LONGEST:
            errors.append((f"/shifts/{index}/ends_at", f"A shift lasts {LONGEST.days} days at most."))
    if errors:
        raise Invalid(errors)


def _entry(shift: Shift, verb: Verb, caller: Caller, now: datetime, more: Mapping[str, object]) -> Entry:
    return Entry(
        stream=Stream("rota", shift.rota_id),
        verb=verb,
        actor=caller.actor,
        subject=Subject("shift", str(shift.pk), str(shift)),
        facts={
            "rota": shift.rota_id,
            "person": str(shift.person_id),
            "begins_at": shift.begins_at.isoformat(),
            "ends_at": shift.ends_at.isoformat(),
            **more,
        },
        occurred_at=now,
    )
