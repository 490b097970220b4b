"""What is to be taken back by itself: when, by which run, who holds it too, and what could not be taken back yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from playbooks import access
from playbooks.domain.statuses import EXPIRY_OVER, ExpiryStatus
from playbooks.models import Attempt, Expiry, Principal, Run
from playbooks.queries import references
from playbooks.queries.references import VersionReference


@dataclass(frozen=True, slots=True)
class Holder:
    """Another run that holds the same target, until `due_at`."""

    run: UUID
    playbook: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class ExpiryView:
    """`undone_by` is the run that takes it back or has tried last; `sentence` says why that has failed."""

    id: UUID
    status: str
    run: UUID
    step: str
    version: VersionReference
    action: str
    target: str
    connection: str
    simulated: bool
    due_at: datetime
    created_at: datetime
    tries: int
    undone_by: UUID | None
    sentence: str
    held_by: tuple[Holder, ...]


def expiries(person: Principal) -> QuerySet[Expiry]:
    """Those of the runs that the person may see, the nearest first."""
    runs = access.visible(person, "see_run", Run.objects.all())
    attempts = Attempt.objects.select_related("connection").order_by("number")
    rows = Expiry.objects.filter(step__run__in=runs).select_related("step__run__version__playbook", "run")
    rows = rows.defer("step__run__version__document", "step__run__version__source")
    return rows.prefetch_related(Prefetch("step__attempts", attempts)).order_by("due_at", "pk")


def views(rows: Sequence[Expiry], person: Principal) -> list[ExpiryView]:
    """The rows, with who holds their targets as well, as far as the person may see them, in one query for all."""
    also = _holders(rows, person)
    return [_view(row, [each for each in also if _shares(each, row)]) for row in rows]


def _holders(rows: Sequence[Expiry], person: Principal) -> list[Expiry]:
    going_on = {row.target for row in rows if row.status not in EXPIRY_OVER}
    runs = access.visible(person, "see_run", Run.objects.all())
    found = Expiry.objects.filter(target__in=going_on, status=ExpiryStatus.ACTIVE, step__run__in=runs)
    return list(found.select_related("step__run__version__playbook").order_by("due_at", "pk"))


def _shares(other: Expiry, row: Expiry) -> bool:
    return other.target == row.target and other.pk != row.pk and row.status not in EXPIRY_OVER


def _view(row: Expiry, holders: Sequence[Expiry]) -> ExpiryView:
    last = list(row.step.attempts.all())[-1]
    return ExpiryView(
        id=row.pk,
        status=row.status,
        run=row.step.run_id,
        step=row.step.key,
        version=references.version(row.step.run.version),
        action=row.step.action,
        target=last.target,
        connection=last.connection.name if last.connection else "",
        simulated=last.is_simulated,
        due_at=row.due_at,
        created_at=row.created_at,
        tries=row.tries,
        undone_by=row.run_id,
        sentence=row.run.sentence if row.run and row.tries else "",
        held_by=tuple(
            Holder(each.step.run_id, str(each.step.run.version.playbook), each.due_at) for each in holders
        ),
    )
