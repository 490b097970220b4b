"""Cases: opened with an alert or a run, closed by a person."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.statuses import CaseStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Case
from playbooks.operations.caller import Caller
from playbooks.operations.moves import move
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.statements import store


def open_case(title: str, *, severity: int, actor: Actor, now: datetime, team: UUID | None = None) -> Case:
    """A new case of a team, or of none, in the caller's transaction."""
    case = new_case(title, severity=severity, now=now, team=team)
    store([case])
    audit.append(opened(case, actor, now))
    return case


def new_case(title: str, *, severity: int, now: datetime, team: UUID | None) -> Case:
    """A case that is still to be stored, together with the entry that `opened` makes."""
    return Case(title=title[:300], severity=severity, opened_at=now, team_id=team)


def opened(case: Case, actor: Actor, now: datetime) -> Entry:
    return _entry(case, Verb.CASE_OPENED, actor, now, {"title": case.title, "severity": case.severity})


def close(case: UUID, *, caller: Caller, resolution: str) -> Case:
    """Closes a case with a resolution. Raises Refused when it is closed already, Invalid without a resolution."""
    caller.require("work_case", "work on cases", of=Case)
    if not resolution.strip():
        raise Invalid([("/resolution", "Say how the case was resolved.")])
    with transaction.atomic(durable=True):
        row = Case.objects.select_for_update().filter(pk=case).first()
        if row is None:
            raise Missing(f"There is no case {case}.")
        caller.require_on("work_case", row, f"case {case}")
        if row.status == CaseStatus.CLOSED:
            raise Refused(Denial("case_closed", "This case is closed already."))
        now = timezone.now()
        move(row, CaseStatus.CLOSED, closed_at=now, resolution=resolution)
        audit.append(_entry(row, Verb.CASE_CLOSED, caller.actor, now, {"resolution": resolution}))
    return row


def case_stream(case: UUID) -> Stream:
    return Stream("case", str(case))


def _entry(case: Case, verb: Verb, actor: Actor, now: datetime, facts: dict[str, object]) -> Entry:
    return Entry(
        stream=case_stream(case.pk),
        verb=verb,
        actor=actor,
        subject=Subject("case", str(case.pk), case.title),
        outcome="done",
        facts=facts,
        occurred_at=now,
    )
