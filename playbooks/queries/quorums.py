"""What the people of today could not do: gates that nobody can open, questions that nobody can answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import timezone

from playbooks.access.filling import unfilled
from playbooks.access.profile import profile_at
from playbooks.access.seats import meant_by
from playbooks.connectors.registry import catalogue
from playbooks.domain.playbook import Playbook, placed
from playbooks.domain.profiles import capped
from playbooks.domain.seat_names import seats_of_gate
from playbooks.domain.seats import Entitlement, fitting, match
from playbooks.domain.statuses import RequestStatus, VersionStatus
from playbooks.models import ApprovalRequest, Membership, PlaybookVersion, PrincipalKind

MOST = 1000


@dataclass(frozen=True, slots=True)
class Unfillable:
    """A gate or a question of a published version, and the roles for which there are too few people."""

    playbook: str
    gate: str
    roles: tuple[str, ...]


def unfillable_gates() -> tuple[Unfillable, ...]:
    """Every published gate, on any level, whose seats cannot all be filled by different active people under the
    profile that holds, and every question that nobody could answer.
    """
    roles, profile = _roles_of_people(), profile_at(timezone.now())
    published = PlaybookVersion.objects.filter(status=VersionStatus.PUBLISHED).select_related("playbook")
    return tuple(
        found
        for version in published.order_by("playbook__slug")
        for found in _unfillable(version, roles, profile)
    )


def unfillable_requests() -> tuple[Unfillable, ...]:
    """Every open request with a seat that nobody could take; the first thousand that fall due."""
    rows = ApprovalRequest.objects.filter(status=RequestStatus.OPEN).select_related(
        "step", "run__version__playbook"
    )
    related = ("seats", "decisions", "alternatives", "previous__decisions")
    found = list(rows.order_by("due_at", "pk").prefetch_related(*related)[:MOST])
    empty = unfilled(found, timezone.now())
    return tuple(
        Unfillable(row.run.version.playbook.slug, row.step.key, empty[row.pk])
        for row in found
        if empty[row.pk]
    )


def _unfillable(
    version: PlaybookVersion, roles: Mapping[str, frozenset[str]], profile: str
) -> list[Unfillable]:
    playbook = Playbook.model_validate(version.document)
    found = []
    for gate in (place.step for place in placed(playbook)):
        asked = capped(profile, seats_of_gate(playbook, gate, catalogue()))
        names = asked or ([gate.who.name] if gate.who else [])
        meant = meant_by(names, timezone.now())
        seats = [meant.seat(name) for name in names]
        filled = match(
            {person: fitting(seats, Entitlement(held, frozenset({person}))) for person, held in roles.items()}
        )
        empty = tuple(seat.role for index, seat in enumerate(seats) if index not in filled)
        if empty:
            found.append(Unfillable(version.playbook.slug, gate.id, empty))
    return found


def _roles_of_people() -> dict[str, frozenset[str]]:
    held: dict[str, set[str]] = defaultdict(set)
    people = Membership.objects.filter(principal__is_active=True, principal__kind=PrincipalKind.PERSON)
    for person, role in people.values_list("principal", "group__name"):
        held[str(person)].add(role)
    return {person: frozenset(roles) for person, roles in held.items()}
