"""Who stands in for whom. A delegation gives nobody a right: the substitute needs the role, and every duty rule is
asked of both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, QuerySet

from playbooks.models import Delegation

# Who ends a delegation in order to decide what it forbids gains nothing by it before this time has gone by.
COOLING = timedelta(hours=24)


def substitutes_for(people: Iterable[UUID], now: datetime) -> dict[UUID, frozenset[UUID]]:
    """For each of `people` the ids of those for whom they stand in, or did within the last 24 hours; in one query."""
    found: dict[UUID, set[UUID]] = {each: set() for each in people}
    rows = Delegation.objects.filter(substitute__in=found, begins_at__lte=now, ends_at__gt=now - COOLING)
    for substitute, person in rows.filter(ends_at__gt=F("begins_at")).values_list("substitute", "person"):
        found[substitute].add(person)
    return {substitute: frozenset(ids) for substitute, ids in found.items()}


def in_force(now: datetime) -> QuerySet[Delegation]:
    """The delegations of this moment, between people who are active."""
    rows = Delegation.objects.filter(begins_at__lte=now, ends_at__gt=now)
    return rows.filter(person__is_active=True, substitute__is_active=True)
