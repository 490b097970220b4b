"""Delegations: who stands in for the person, and for whom the person stands in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from playbooks import access
from playbooks.models import Delegation, Principal, PrincipalKind
from playbooks.queries import references
from playbooks.queries.references import Person


@dataclass(frozen=True, slots=True)
class DelegationView:
    """`standing` is coming, in_force or over. `ended_by` is None for one that ended by itself."""

    id: UUID
    person: Person | None
    substitute: Person | None
    reason: str
    named_at: datetime
    begins_at: datetime
    ends_at: datetime
    ended_by: Person | None
    standing: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who can be named; a substitute needs the role to decide anything, so it is said which they hold."""

    username: str
    name: str
    roles: tuple[str, ...]


def delegations(person: Principal) -> QuerySet[Delegation]:
    """Those that the person is a part of, for who manages people all of them; the latest first."""
    rows = Delegation.objects.select_related("person", "substitute", "ended_by").order_by("-begins_at", "-pk")
    return rows if access.may(person, "manage_people") else concerning(rows, person)


def concerning(rows: QuerySet[Delegation], person: Principal) -> QuerySet[Delegation]:
    return rows.filter(Q(person=person.pk) | Q(substitute=person.pk))


def view(row: Delegation, now: datetime) -> DelegationView:
    is_over = row.ends_at <= now or row.ended_by_id is not None
    return DelegationView(
        id=row.pk,
        person=references.person(row.person),
        substitute=references.person(row.substitute),
        reason=row.reason,
        named_at=row.named_at,
        begins_at=row.begins_at,
        ends_at=row.ends_at,
        ended_by=references.person(row.ended_by),
        standing="over" if is_over else "in_force" if row.begins_at <= now else "coming",
    )


def candidates(person: Principal) -> list[Candidate]:
    """The other active people that the person may see, by name, in two queries."""
    return [each for each in everybody(person) if each.username != person.username]


def everybody(person: Principal) -> list[Candidate]:
    """The active people that the person may see, by name, in two queries."""
    seen = access.visible(person, "see_people", Principal.objects.all())
    rows = (
        seen.filter(is_active=True, kind=PrincipalKind.PERSON)
        .order_by("name", "username")
        .prefetch_related("memberships__group")
    )
    return [
        Candidate(
            row.username,
            str(row),
            tuple(sorted(references.role_title(each.group.name) for each in row.memberships.all())),
        )
        for row in rows
    ]
