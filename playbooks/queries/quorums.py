"""What the people of today could not do: gates that nobody can open, questions that nobody can answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playbooks.domain.playbook import Playbook, placed
from playbooks.domain.policies.document import Policy, seats_of
from playbooks.domain.seats import Entitlement, Seat, fitting, match
from playbooks.domain.statuses import VersionStatus
from playbooks.models import Membership, PlaybookVersion, PolicyVersion, PrincipalKind


@dataclass(frozen=True, slots=True)
class Unfillable:
    """A gate or a question of a published version, and the roles for which there are too few people."""

    playbook: str
    gate: str
    roles: tuple[str, ...]


def unfillable_gates() -> tuple[Unfillable, ...]:
    """Every published gate, on any level, whose seats cannot all be filled by different active people, and every
    question that nobody could answer.
    """
    roles = roles_of_people()
    published = PlaybookVersion.objects.filter(status=VersionStatus.PUBLISHED).select_related("playbook")
    return tuple(
        found for version in published.order_by("playbook__slug") for found in _unfillable(version, roles)
    )


@dataclass(frozen=True, slots=True)
class UnfillablePolicy:
    """A policy in force, and the roles that it asks for and for which there are too few people."""

    policy: str
    roles: tuple[str, ...]


def unfillable_policies() -> tuple[UnfillablePolicy, ...]:
    """Every policy in force whose seats cannot all be filled by different active people."""
    people = roles_of_people()
    rows = PolicyVersion.objects.filter(status=VersionStatus.PUBLISHED).select_related("policy")
    found = ((row.policy.slug, _asked_by(row)) for row in rows.order_by("policy__slug"))
    unfilled = ((slug, _empty([Seat(role) for role in roles], people)) for slug, roles in found)
    return tuple(UnfillablePolicy(slug, roles) for slug, roles in unfilled if roles)


def unfillable_seats(
    roles: Sequence[str], people: Mapping[str, frozenset[str]] | None = None
) -> tuple[str, ...]:
    """The roles of those seats that different active people could not fill today."""
    if not roles:
        return ()
    return _empty([Seat(role) for role in roles], roles_of_people() if people is None else people)


def has_policies() -> bool:
    """Whether any policy is in force."""
    return PolicyVersion.objects.filter(status=VersionStatus.PUBLISHED).exists()


def _asked_by(version: PolicyVersion) -> list[str]:
    required = seats_of(Policy.model_validate(version.document))
    return [seat.role for path, seat in required if path[0] == "require"]


def _empty(seats: Sequence[Seat], people: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    filled = match({person: fitting(seats, Entitlement(held)) for person, held in people.items()})
    return tuple(seat.role for index, seat in enumerate(seats) if index not in filled)


def _unfillable(version: PlaybookVersion, roles: Mapping[str, frozenset[str]]) -> list[Unfillable]:
    playbook = Playbook.model_validate(version.document)
    found = []
    for gate in (place.step for place in placed(playbook)):
        seats = [Seat(seat.role) for seat in (*gate.seats, *([gate.who] if gate.who else []))]
        if empty := _empty(seats, roles):
            found.append(Unfillable(version.playbook.slug, gate.id, empty))
    return found


def roles_of_people() -> dict[str, frozenset[str]]:
    """The roles that each active person holds, by user name."""
    held: dict[str, set[str]] = defaultdict(set)
    people = Membership.objects.filter(principal__is_active=True, principal__kind=PrincipalKind.PERSON)
    for person, role in people.values_list("principal__username", "group__name"):
        held[person].add(role)
    return {person: frozenset(roles) for person, roles in held.items()}
