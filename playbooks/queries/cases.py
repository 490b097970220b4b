"""Cases: the list, and one case with its alerts, its runs and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from playbooks import access
from playbooks.domain.statuses import CaseStatus
from playbooks.models import Alert, Case, Principal, Run
from playbooks.queries import references
from playbooks.queries.alerts import AlertRow, alerts
from playbooks.queries.alerts import row as alert_row
from playbooks.queries.references import Person
from playbooks.queries.runs import RunRow, runs
from playbooks.queries.runs import row as run_row


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    id: UUID
    reference: str
    title: str
    severity: int
    status: str
    owner: Person | None
    opened_at: datetime
    closed_at: datetime | None
    resolution: str
    alert_count: int
    run_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView(CaseRow):
    """`alerts` and `runs` are those that the viewer may see; `about` is whom the case is about."""

    alerts: tuple[AlertRow, ...]
    runs: tuple[RunRow, ...]
    is_restricted: bool
    about: tuple[Person, ...]
    may_work: bool
    may_close: bool


def cases(person: Principal) -> QuerySet[Case]:
    """The cases that the person may see, newest first, with `alert_count` and `run_count`."""
    rows = access.visible(person, "see_case", Case.objects.all())
    runs_within = access.within_reach(person, Run.objects.all())
    counted = rows.annotate(alert_count=_count(Alert.objects.all()), run_count=_count(runs_within))
    return counted.select_related("owner").order_by("-opened_at", "-pk")


def row(case: Case) -> CaseRow:
    return CaseRow(**_head(case))


def case_view(case: UUID, person: Principal) -> CaseView | None:
    """None where there is no such case or the person may not know of it."""
    found = cases(person).filter(pk=case).first()
    if found is None:
        return None
    may_work = access.may(person, "work_case", on=found)
    about = found.subjects.select_related("principal").order_by("granted_at", "pk")
    return CaseView(
        **_head(found),
        alerts=tuple(alert_row(each) for each in alerts(person).filter(case=found)),
        runs=tuple(run_row(each) for each in runs(person).filter(case=found)),
        is_restricted=found.is_restricted,
        about=tuple(references.known(each.principal) for each in about),
        may_work=may_work,
        may_close=may_work and found.status != CaseStatus.CLOSED,
    )


def _count(rows: QuerySet[Any]) -> Coalesce:
    """How many of `rows` belong to the case; subqueries, since two joins would multiply each other."""
    of_case = rows.filter(case=OuterRef("pk")).order_by().values("case")
    counted = of_case.annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _head(case: Case) -> dict[str, Any]:
    return {
        "id": case.pk,
        "reference": case.reference,
        "title": case.title,
        "severity": case.severity,
        "status": case.status,
        "owner": references.person(case.owner),
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "resolution": case.resolution,
        "alert_count": case.alert_count,  # type: ignore[attr-defined]  # annotated by `cases`
        "run_count": case.run_count,  # type: ignore[attr-defined]
    }
