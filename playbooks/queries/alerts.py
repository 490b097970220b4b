"""Alerts: the list, and one alert with its observables, its exact bytes, and what the triggers decided."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from playbooks import access
from playbooks.models import Alert, Playbook, Principal
from playbooks.queries import references
from playbooks.queries.references import CaseReference
from playbooks.queries.runs import RunRow, runs
from playbooks.queries.runs import row as run_row


@dataclass(frozen=True, slots=True)
class Considered:
    """What became of one playbook's triggers: the run that they started, or the reason why none."""

    playbook: str
    run: UUID | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """`severity` is 0 to 100, `severity_word` the source's own. `count` says how often it was sent."""

    id: UUID
    source: str
    title: str
    category: str
    severity: int
    severity_word: str
    status: str
    case: CaseReference
    detected_at: datetime
    received_at: datetime
    last_seen_at: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView(AlertRow):
    """`raw` are the posted bytes as text, `raw_sha256` is over the bytes."""

    description: str
    rule: Mapping[str, Any]
    observables: Mapping[str, Any]
    assets: tuple[Any, ...]
    considered: tuple[Considered, ...]
    runs: tuple[RunRow, ...]
    raw: str
    raw_sha256: str
    may_triage: bool


def alerts(person: Principal) -> QuerySet[Alert]:
    """The alerts that the person may see, newest first."""
    rows = access.visible(person, "see_alert", Alert.objects.all())
    return rows.select_related("source", "case").order_by("-received_at", "-pk")


def row(alert: Alert) -> AlertRow:
    return AlertRow(**_head(alert))


def alert_view(alert: UUID, person: Principal) -> AlertView | None:
    """None where there is no such alert or the person may not know of it."""
    found = alerts(person).select_related("raw").filter(pk=alert).first()
    if found is None:
        return None
    return AlertView(
        **_head(found),
        description=found.description,
        rule=found.rule,
        observables=found.observables,
        assets=tuple(found.assets),
        considered=_considered(found, person),
        runs=tuple(run_row(each) for each in runs(person).filter(alert=found)),
        raw=zlib.decompress(found.raw.compressed).decode(errors="replace"),
        raw_sha256=found.raw.sha256,
        may_triage=access.may(person, "triage_alert", on=found),
    )


def _head(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "source": alert.source.slug,
        "title": alert.title,
        "category": alert.category,
        "severity": alert.severity,
        "severity_word": alert.severity_word,
        "status": alert.status,
        "case": references.case(alert.case),
        "detected_at": alert.detected_at,
        "received_at": alert.received_at,
        "last_seen_at": alert.last_seen_at,
        "count": alert.count,
    }


def _considered(alert: Alert, person: Principal) -> tuple[Considered, ...]:
    """What became of the triggers of those playbooks that the person may know of."""
    slugs = [each["playbook"] for each in alert.considered]
    known = set(
        access.within_reach(person, Playbook.objects.filter(slug__in=slugs)).values_list("slug", flat=True)
    )
    return tuple(
        Considered(each["playbook"], UUID(each["run"]) if each["run"] else None, each["reason"])
        for each in alert.considered
        if each["playbook"] in known
    )
