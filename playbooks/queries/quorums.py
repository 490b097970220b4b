"""Gates that the people of today could not open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from playbooks.domain.playbook import Playbook
from playbooks.domain.seats import Seat, fitting, match
from playbooks.domain.statuses import VersionStatus
from playbooks.models import Membership, PlaybookVersion, PrincipalKind


@dataclass(frozen=True, slots=True)
class Unfillable:
    """A gate of a published version, and the roles for which there are too few people."""

    playbook: str
    gate: str
    roles: tuple[str, ...]


def unfillable_gates() -> tuple[Unfillable, ...]:
    """Every published gate whose seats cannot all be filled by different active people."""
    roles = _roles_of_people()
    published = PlaybookVersion.objects.filter(status=VersionStatus.PUBLISHED).select_related("playbook")
    return tuple(
        found for version in published.order_by("playbook__slug") for found in _unfillable(version, roles)
    )


def _unfillable(version: PlaybookVersion, roles: Mapping[str, frozenset[str]]) -> list[Unfillable]:
    playbook = Playbook.model_validate(version.document)
    gates = [step for step in playbook.steps if step.kind == "approve"]
    found = []
    for gate in gates:
        seats = [Seat(seat.role) for seat in gate.seats]
        filled = match({person: fitting(seats, held) for person, held in roles.items()})
        empty = tuple(seat.role for index, seat in enumerate(seats) if index not in filled)
        if empty:
            found.append(Unfillable(version.playbook.slug, gate.id, empty))
    return found


def _roles_of_people() -> dict[str, frozenset[str]]:
    held: dict[str, set[str]] = defaultdict(set)
    people = Membership.objects.filter(principal__is_active=True, principal__kind=PrincipalKind.PERSON)
    for person, role in people.values_list("principal__username", "group__name"):
        held[person].add(role)
    return {person: frozenset(roles) for person, roles in held.items()}
