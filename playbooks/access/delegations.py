"""Who stands in for whom. A delegation gives nobody a right: the substitute needs the role, and every duty rule is
asked of both. Only where a seat is somebody's own, as the owner of a target, their substitute may take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, QuerySet

from playbooks.access.history import COOLING
from playbooks.models import Delegation


@dataclass(frozen=True, slots=True)
class Substitutions:
    """For whom some people stood in, and when. Of each the answers are {id: name}."""

    rows: Mapping[UUID, Sequence[Delegation]]

    def at(self, substitute: UUID, moment: datetime) -> dict[str, str]:
        """For whom the substitute stands in at a moment; not for who is deactivated."""
        rows = self.rows.get(substitute, ())
        return _named(row for row in rows if row.begins_at <= moment < row.ends_at and row.person.is_active)

    def lately(self, substitute: UUID, now: datetime) -> dict[str, str]:
        """For whom the substitute stands in, or did within the last 24 hours, whoever of them is active: who ends a
        delegation in order to decide what it forbids gains nothing by it before.
        """
        rows = self.rows.get(substitute, ())
        return _named(row for row in rows if row.begins_at <= now < row.ends_at + COOLING)


def substitutions(people: Iterable[UUID]) -> Substitutions:
    """Of each of `people` every delegation in which they are the substitute, in one query."""
    found: dict[UUID, list[Delegation]] = {each: [] for each in people}
    rows = Delegation.objects.filter(substitute__in=found, ends_at__gt=F("begins_at"))
    for row in rows.select_related("person").order_by("begins_at", "pk"):
        found[row.substitute_id].append(row)
    return Substitutions(found)


def substitutes_for(people: Iterable[UUID], now: datetime) -> dict[UUID, dict[str, str]]:
    """For each of `people` those for whom they stand in, or did within the last 24 hours, by id with their names."""
    asked = list(people)
    found = substitutions(asked)
    return {each: found.lately(each, now) for each in asked}


def in_force(now: datetime) -> QuerySet[Delegation]:
    """The delegations of this moment, between people who are active."""
    rows = Delegation.objects.filter(begins_at__lte=now, ends_at__gt=now)
    return rows.filter(person__is_active=True, substitute__is_active=True)


def _named(rows: Iterable[Delegation]) -> dict[str, str]:
    return {str(row.person_id): str(row.person) for row in rows}
