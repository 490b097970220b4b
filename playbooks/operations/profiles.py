"""Changing the profile: by those whom it binds, two of them where there are two.

Where there is one, or nobody, it takes effect after a day, so that nobody comes to decide alone by having the others
deactivated in the night. Only where nothing was ever asked, at the installation, it takes effect at once.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from playbooks import access, audit
from playbooks.access.profile import bound, pending_change, profile_at
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.profiles import COOLING, Profile
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Principal, ProfileChange
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Invalid, Missing, Refused

BY_TOKEN = Denial(
    "token_not_person", "A profile is changed by people in their own sessions, never by a token."
)
NOT_BOUND = Denial(
    "not_bound", "A profile is changed only by those who decide under it, and you hold no role that decides."
)
UNCHANGED = Denial("profile_unchanged", "This profile holds already.")
PENDING = Denial("profile_pending", "Another change waits already. Confirm it or withdraw it first.")
NOT_PENDING = Denial("profile_not_pending", "This change waits no more: it was confirmed or withdrawn.")
OWN = Denial("confirmer_is_proposer", "You proposed it, so somebody else who decides has to confirm it.")
TWO_DECIDE = Denial(
    "not_bound",
    "There are two people or more who decide. One of them proposes the profile on Operations → Profile, and another "
    "confirms it.",
)


def propose(profile: Profile, *, caller: Caller, reason: str) -> ProfileChange:
    """It waits for another of those who decide, or, where there is nobody else, for a day to go by.

    Raises Refused and Invalid.
    """
    if not reason.strip():
        raise Invalid([("/reason", "Say why, for those who will read it on every page.")])
    with transaction.atomic(durable=True):
        now = timezone.now()
        _require_bound(caller)
        alone = bound().count() < 2
        at = _first_moment(now) if alone else None
        return _create(profile, reason, now, at, by=caller.principal, actor=caller.actor)


def choose(profile: Profile) -> ProfileChange:
    """By command, at the installation: while fewer than two people decide. Raises Refused."""
    with transaction.atomic(durable=True):
        now = timezone.now()
        if bound().count() >= 2:
            raise Refused(TWO_DECIDE)
        return _create(profile, "Chosen by command.", now, _first_moment(now), by=None, actor=SYSTEM)


def confirm(change: UUID, *, caller: Caller) -> ProfileChange:
    """A second person puts it into force. Raises Refused and Missing."""
    with transaction.atomic(durable=True):
        now = timezone.now()
        _require_bound(caller)
        row = _pending(change, now)
        if row.proposed_by_id == caller.principal.pk:
            raise Refused(OWN)
        row.confirmed_by, row.takes_effect_at = caller.principal, now
        row.save(update_fields=["confirmed_by", "takes_effect_at"])
        audit.append(_entry(row, Verb.PROFILE_CHANGED, caller.actor, now))
    return row


def withdraw(change: UUID, *, caller: Caller) -> ProfileChange:
    """Anybody who decides, and who manages people, may stop a change that does not hold yet."""
    with transaction.atomic(durable=True):
        now = timezone.now()
        if caller.token is not None or not access.may(caller.principal, "manage_people"):
            _require_bound(caller)
        row = _pending(change, now)
        row.withdrawn_by, row.withdrawn_at = caller.principal, now
        row.save(update_fields=["withdrawn_by", "withdrawn_at"])
        audit.append(_entry(row, Verb.PROFILE_WITHDRAWN, caller.actor, now))
    return row


def _require_bound(caller: Caller) -> None:
    if caller.token is not None or not caller.principal.is_person:
        raise Refused(BY_TOKEN)
    if not bound().filter(pk=caller.principal.pk).exists():
        raise Refused(NOT_BOUND)


def _first_moment(now: datetime) -> datetime:
    return now + COOLING if ApprovalRequest.objects.exists() else now


def _create(
    profile: Profile, reason: str, now: datetime, at: datetime | None, *, by: Principal | None, actor: Actor
) -> ProfileChange:
    if profile_at(now) == profile:
        raise Refused(UNCHANGED)
    if pending_change(now) is not None:
        raise Refused(PENDING)
    row = ProfileChange(profile=profile, reason=reason, proposed_by=by, proposed_at=now, takes_effect_at=at)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Refused(PENDING) from None
    audit.append(_entry(row, Verb.PROFILE_CHANGED if at == now else Verb.PROFILE_PROPOSED, actor, now))
    return row


def _pending(change: UUID, now: datetime) -> ProfileChange:
    row = ProfileChange.objects.select_for_update(of=("self",)).filter(pk=change).first()
    if row is None:
        raise Missing(f"There is no change {change} of the profile.")
    holds = row.takes_effect_at is not None and row.takes_effect_at <= now
    if holds or row.withdrawn_at is not None:
        raise Refused(NOT_PENDING)
    return row


def _entry(row: ProfileChange, verb: Verb, actor: Actor, now: datetime) -> Entry:
    facts = {
        "change": str(row.pk),
        "profile": str(row.profile),
        "before": profile_at(row.proposed_at).value,
        "reason": row.reason,
        "proposed_by": str(row.proposed_by or "command"),
        "takes_effect_at": row.takes_effect_at.isoformat() if row.takes_effect_at else None,
    }
    return Entry(
        stream=Stream("system", "profile"),
        verb=verb,
        actor=actor,
        subject=Subject("profile", str(row.pk), str(row.profile)),
        outcome="done",
        facts=facts,
        occurred_at=now,
    )
