"""Who is kept out of a case: all but those who are named on it, and those whom it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Entry
from playbooks.domain.verbs import Verb
from playbooks.models import Case, CaseSubject, Principal
from playbooks.operations import stepup
from playbooks.operations.caller import Caller
from playbooks.operations.cases import case_stream
from playbooks.operations.grants import name_within
from playbooks.operations.objects import requests_about, subject_of
from playbooks.operations.refusals import Missing
from playbooks.operations.rights import (
    Blocked,
    Watch,
    person_named,
    reason_of,
    require_grantor,
    require_proof,
    told,
)


def restrict(case: UUID, *, caller: Caller, named: Sequence[str], reason: str) -> tuple[Blocked, ...]:
    """From here on the case is seen by the caller, who sees it now, and by those named, and by nobody else.

    Naming others gives them a right, which takes a proof of the last five minutes; to keep others out takes none.
    Returns the open requests that nobody can grant any more.
    """
    reason = reason_of(reason)
    caller.require("work_case", "restrict cases", of=Case)
    with transaction.atomic(durable=True):
        row = _locked(case, caller)
        watch = Watch(requests_about(row))
        others = [person_named(each) for each in named if each != caller.principal.username]
        proof = stepup.told(require_proof(caller)) if others else {}
        people = [caller.principal, *others]
        for person in people:
            name_within(row, person, by=caller.principal, reason=reason, now=timezone.now())
        row.is_restricted = True
        row.save(update_fields=["is_restricted"])
        blocked = watch.blocked()
        facts = {"reason": reason, "named": _ids(people), **told(blocked), **proof}
        audit.append(_entry(row, Verb.CASE_RESTRICTED, caller, facts))
    return blocked


def release(case: UUID, *, caller: Caller, reason: str) -> Case:
    """The case is seen again by whoever's role and team allow it. Those who were named stay named."""
    reason = reason_of(reason)
    caller.require("work_case", "release cases", of=Case)
    with transaction.atomic(durable=True):
        row = _locked(case, caller)
        if row.is_restricted:
            row.is_restricted = False
            row.save(update_fields=["is_restricted"])
            audit.append(_entry(row, Verb.CASE_RELEASED, caller, {"reason": reason}))
    return row


def name_subject(case: UUID, username: str, *, caller: Caller, reason: str) -> tuple[Blocked, ...]:
    """The case is about this person: from here on they neither see it nor decide anything in it.

    Returns the open requests that nobody can grant any more.
    """
    reason = reason_of(reason)
    caller.require("work_case", "say whom a case is about", of=Case)
    with transaction.atomic(durable=True):
        row, person = _locked(case, caller), person_named(username)
        watch = Watch(requests_about(row))
        terms = {"granted_by": caller.principal, "granted_at": timezone.now()}
        _, is_new = CaseSubject.objects.get_or_create(case=row, principal=person, defaults=terms)
        blocked = watch.blocked()
        if is_new:
            facts = {"person": str(person.pk), "name": str(person), "reason": reason, **told(blocked)}
            audit.append(_entry(row, Verb.CASE_SUBJECT_NAMED, caller, facts))
    return blocked


def clear_subject(case: UUID, username: str, *, caller: Caller, reason: str) -> Case:
    """The case is no longer about this person. Nobody whom it is about reaches this, since they do not see it."""
    reason = reason_of(reason)
    caller.require("work_case", "say whom a case is about", of=Case)
    with transaction.atomic(durable=True):
        row, now = _locked(case, caller), timezone.now()
        about = CaseSubject.objects.select_related("principal").filter(case=row, principal__username=username)
        subject = about.first()
        if subject is None:
            raise Missing(f"This case is not about {username}.")
        require_grantor(caller, [subject.principal_id])
        about.update(ended_at=now, ended_by=caller.principal)
        facts = {"person": str(subject.principal_id), "name": str(subject.principal), "reason": reason}
        audit.append(_entry(row, Verb.CASE_SUBJECT_CLEARED, caller, facts))
    return row


def _ids(people: Sequence[Principal]) -> list[str]:
    return sorted({str(each.pk) for each in people})


def _locked(case: UUID, caller: Caller) -> Case:
    row = Case.objects.select_for_update().filter(pk=case).first()
    if row is None:
        raise Missing(f"There is no case {case}.")
    caller.require_on("work_case", row, f"case {case}")
    return row


def _entry(case: Case, verb: Verb, caller: Caller, facts: Mapping[str, object]) -> Entry:
    return Entry(
        stream=case_stream(case.pk),
        verb=verb,
        actor=caller.actor,
        subject=subject_of(case),
        outcome="done",
        facts=facts,
        occurred_at=timezone.now(),
    )
