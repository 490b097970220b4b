"""What policies ask that the people of today could not give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playbooks.domain.policies.document import Policy, seats_of
from playbooks.domain.seats import Entitlement, Seat, fitting, match
from playbooks.domain.statuses import VersionStatus
from playbooks.models import Membership, PolicyVersion, PrincipalKind


@dataclass(frozen=True, slots=True)
class UnfillablePolicy:
    """A policy in force, and the roles that it asks for and for which there are too few people."""

    policy: str
    roles: tuple[str, ...]


def unfillable_policies() -> tuple[UnfillablePolicy, ...]:
    """Every policy in force whose seats cannot all be filled by different active people."""
    people = roles_of_people()
    rows = PolicyVersion.objects.filter(status=VersionStatus.PUBLISHED).select_related("policy")
    found = ((row.policy.slug, asked_by(row)) for row in rows.order_by("policy__slug"))
    unfilled = ((slug, unfillable_seats(roles, people)) for slug, roles in found)
    return tuple(UnfillablePolicy(slug, roles) for slug, roles in unfilled if roles)


def unfillable_seats(roles: Sequence[str], people: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The roles of those seats that different people could not fill."""
    seats = [Seat(role) for role in roles]
    filled = match({person: fitting(seats, Entitlement(held)) for person, held in people.items()})
    return tuple(seat.role for index, seat in enumerate(seats) if index not in filled)


def has_policies() -> bool:
    """Whether any policy is in force."""
    return PolicyVersion.objects.filter(status=VersionStatus.PUBLISHED).exists()


def asked_by(version: PolicyVersion) -> list[str]:
    """The roles that a version always asks for."""
    seats = seats_of(Policy.model_validate(version.document))
    return [seat.role for path, seat in seats if path[0] == "require"]


def roles_of_people() -> dict[str, frozenset[str]]:
    """The roles that each active person holds, by user name."""
    held: dict[str, set[str]] = defaultdict(set)
    people = Membership.objects.filter(principal__is_active=True, principal__kind=PrincipalKind.PERSON)
    for person, role in people.values_list("principal__username", "group__name"):
        held[person].add(role)
    return {person: frozenset(roles) for person, roles in held.items()}
