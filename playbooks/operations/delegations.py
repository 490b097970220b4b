"""Delegations: a person names a substitute for a period, and either of them ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.verbs import Verb
from playbooks.models import Delegation, Principal
from playbooks.operations import stepup
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rights import require_proof

LONGEST = timedelta(days=90)
LATE = timedelta(minutes=5)  # by which a form may have been filled in more slowly than the clock went on

TOKEN = Denial(
    "token_not_person",
    "Only a signed-in person can name a substitute; no token and no service account can.",
)
NO_PERSON = Denial("substitute_not_a_person", "Only another active person can stand in for you.")
CHAINED = Denial(
    "chained_delegation",
    "A substitute cannot be substituted: {person} stands in for somebody else, or somebody for {substitute}, in "
    "that time. Choose another time or another person.",
)
NAMED = Denial("delegated_already", "{substitute} stands in for you in a part of that time already.")
OTHERS = Denial("delegation_of_others", "Only the two whom a delegation is about can end it.")
OVER = Denial("delegation_over", "This delegation is over already.")


@dataclass(frozen=True, slots=True)
class Period:
    """From `begins_at` until `ends_at`, which is not included."""

    begins_at: datetime
    ends_at: datetime


def name(substitute: str, *, caller: Caller, period: Period, reason: str) -> Delegation:
    """`substitute` (a username) stands in for the caller for the period: in a seat that is the caller's own, as the
    owner of a target, they may decide. So it takes a proof of the last five minutes, as giving a right does.

    Raises Refused for anybody but a person in a session of their own, for a substitute who is none, and where
    somebody would stand in for a substitute; Invalid for a period that cannot be; Missing for an unknown name.
    """
    caller.require("see_people", "name a substitute")
    now = timezone.now()
    period = _checked(period, reason, now)
    with transaction.atomic(durable=True):
        person, other = _locked(caller.principal, substitute)
        _refuse_unless_people(caller, person, other)
        _refuse_chains(person, other, period)
        proof = require_proof(caller)
        row = Delegation.objects.create(
            person=person,
            substitute=other,
            reason=reason,
            named_at=now,
            begins_at=period.begins_at,
            ends_at=period.ends_at,
        )
        _note(row, Verb.DELEGATION_NAMED, caller, now, stepup.told(proof))
    return row


def end(delegation: UUID, *, caller: Caller) -> Delegation:
    """Ends a delegation now, or calls off one that has not begun. Raises Refused for others, and when it is over."""
    now = timezone.now()
    with transaction.atomic(durable=True):
        rows = Delegation.objects.select_for_update(of=("self",)).select_related("person", "substitute")
        row = rows.filter(pk=delegation).first()
        if row is None:
            raise Missing(f"There is no delegation {delegation}.")
        if caller.principal.pk not in {row.person_id, row.substitute_id}:
            raise Refused(OTHERS)
        if row.ends_at <= now or row.ended_by_id:
            raise Refused(OVER)
        row.ends_at, row.ended_by = max(now, row.begins_at), caller.principal
        row.save(update_fields=["ends_at", "ended_by"])
        _note(row, Verb.DELEGATION_ENDED, caller, now, {})
    return row


def _checked(period: Period, reason: str, now: datetime) -> Period:
    errors = []
    if not reason.strip():
        errors.append(("/reason", "Say why, for those who will wonder who decides meanwhile."))
    if period.begins_at < now - LATE:
        errors.append(("/begins_at", "A delegation begins now or later, never in the past."))
    begins_at = max(period.begins_at, now)
    if period.ends_at <= begins_at:
        errors.append(("/ends_at", "It has to end after it begins."))
    elif period.ends_at - begins_at > LONGEST:
        errors.append(
            ("/ends_at", f"A delegation lasts {LONGEST.days} days at most; name it again after that.")
        )
    if errors:
        raise Invalid(errors)
    return Period(begins_at, period.ends_at)


def _locked(person: Principal, substitute: str) -> tuple[Principal, Principal]:
    """Both accounts, locked in one order, so that no two delegations make a chain at the same moment."""
    other = Principal.objects.filter(username=substitute).values_list("pk", flat=True).first()
    if other is None:
        raise Missing(f"There is nobody called {substitute}.")
    locked = Principal.objects.select_for_update().filter(pk__in={person.pk, other}).order_by("pk")
    rows = {row.pk: row for row in locked}
    return rows[person.pk], rows[other]


def _refuse_unless_people(caller: Caller, person: Principal, substitute: Principal) -> None:
    if caller.token is not None or not person.is_person:
        raise Refused(TOKEN)
    if substitute.pk == person.pk or not substitute.is_person or not substitute.is_active:
        raise Refused(NO_PERSON)


def _refuse_chains(person: Principal, substitute: Principal, period: Period) -> None:
    overlapping = Delegation.objects.filter(begins_at__lt=period.ends_at, ends_at__gt=period.begins_at)
    if overlapping.filter(person=person, substitute=substitute).exists():
        raise Refused(_about(NAMED, person, substitute))
    if overlapping.filter(substitute=person).exists() or overlapping.filter(person=substitute).exists():
        raise Refused(_about(CHAINED, person, substitute))


def _about(denial: Denial, person: Principal, substitute: Principal) -> Denial:
    return Denial(denial.rule, denial.sentence.format(person=person, substitute=substitute))


def _note(row: Delegation, verb: Verb, caller: Caller, now: datetime, more: Mapping[str, object]) -> None:
    audit.append(
        Entry(
            stream=Stream("person", str(row.person_id)),
            verb=verb,
            actor=caller.actor,
            subject=Subject("delegation", str(row.pk), str(row)),
            facts={
                "person": str(row.person_id),
                "substitute": str(row.substitute_id),
                "begins_at": row.begins_at.isoformat(),
                "ends_at": row.ends_at.isoformat(),
                "reason": row.reason,
                **more,
            },
            occurred_at=now,
        )
    )
