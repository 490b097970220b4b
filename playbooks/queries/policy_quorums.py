"""What policies ask that the people of today could not give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone

from playbooks.access.seats import Meant, meant_by
from playbooks.domain.policies.document import Policy, seats_of
from playbooks.domain.seat_names import TARGET
from playbooks.domain.seats import Entitlement, Seat, fitting, match
from playbooks.domain.statuses import VersionStatus
from playbooks.models import Connection, PolicyVersion, Principal, PrincipalKind


@dataclass(frozen=True, slots=True)
class UnfillablePolicy:
    """A policy in force, and the seats that it asks for and for which there are too few people."""

    policy: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Able:
    """Each active person with their roles, by id, and who is meant by the seats that are no roles. `owners` own any
    connection: which of them is meant by the owner of a target is known when there is one.
    """

    roles: Mapping[str, frozenset[str]]
    meant: Meant
    owners: frozenset[str]

    def seat(self, name: str) -> Seat:
        return Seat(name, self.owners) if name == TARGET else self.meant.seat(name)


def able(versions: Iterable[PolicyVersion]) -> Able:
    """Who could take what these versions ask, as of now."""
    names = {name for each in versions for name in asked_by(each)}
    return Able(
        _roles_of_people(), meant_by(names, timezone.now()), _owners() if TARGET in names else frozenset()
    )


def unfillable_policies() -> tuple[UnfillablePolicy, ...]:
    """Every policy in force whose seats cannot all be filled by different active people."""
    found = PolicyVersion.objects.filter(status=VersionStatus.PUBLISHED).select_related("policy")
    rows = list(found.order_by("policy__slug"))
    people = able(rows)
    unfilled = ((row.policy.slug, unfillable_seats(asked_by(row), people)) for row in rows)
    return tuple(UnfillablePolicy(slug, seats) for slug, seats in unfilled if seats)


def unfillable_seats(names: Sequence[str], people: Able) -> tuple[str, ...]:
    """Those of the seats that different people could not fill."""
    seats = [people.seat(name) for name in names]
    filled = match(
        {
            person: fitting(seats, Entitlement(held, frozenset({person})))
            for person, held in people.roles.items()
        }
    )
    return tuple(seat.role for index, seat in enumerate(seats) if index not in filled)


def has_policies() -> bool:
    """Whether any policy is in force."""
    return PolicyVersion.objects.filter(status=VersionStatus.PUBLISHED).exists()


def asked_by(version: PolicyVersion) -> list[str]:
    """The seats that a version always asks for, by name."""
    seats = seats_of(Policy.model_validate(version.document))
    return [seat.name for path, seat in seats if path[0] in {"require", "provisional"}]


def _roles_of_people() -> dict[str, frozenset[str]]:
    """The roles of each active person, by id; none for who holds none, and may be meant all the same."""
    people = Principal.objects.filter(is_active=True, kind=PrincipalKind.PERSON)
    held: dict[str, set[str]] = defaultdict(set)
    for person, role in people.values_list("pk", "memberships__group__name"):
        held[str(person)] |= {role} if role else set()
    return {person: frozenset(roles) for person, roles in held.items()}


def _owners() -> frozenset[str]:
    owners = Connection.objects.filter(owner__is_active=True).values_list("owner", flat=True)
    return frozenset(str(each) for each in owners)
