"""Who could decide what a dry run would ask, as the people and their roles are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from playbooks import access
from playbooks.access.seats import meant_by
from playbooks.domain.dry_runs.record import WouldBeApproval
from playbooks.domain.duties import denials
from playbooks.domain.duty_facts import Decider, Facts
from playbooks.domain.profiles import capped
from playbooks.domain.seats import Entitlement, Seat, fitting, match
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.models import Membership, Principal, PrincipalKind

NOBODY = "Nobody can fill the seat {role}, so this would never be granted."
TOO_FEW = "There are too few people: the seats {roles} cannot all be filled by different people."
# The rules speak to whoever decides; here somebody else reads what they say.
WHY = {
    "own_request": "would have asked for the run",
    "requested_through": "published this version, and an alert would have started the run",
    "own_playbook": "wrote this version",
}


@dataclass(frozen=True, slots=True)
class Barred:
    """Somebody who holds a role of the seats and could not decide all the same."""

    name: str
    rule: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Asked(WouldBeApproval):
    """`deciders` and `barred` are None for a caller who may not see people. `problem` is empty where the seats can be
    filled.
    """

    deciders: tuple[str, ...] | None
    barred: tuple[Barred, ...] | None
    problem: str


@dataclass(frozen=True, slots=True)
class Seating:
    """Tells it for one version. `requesters` and `authors` map ids to names."""

    requesters: Mapping[str, str]
    authors: Mapping[str, str]
    names_people: bool
    profile: str

    def asked(self, approval: WouldBeApproval) -> Asked:
        roles = tuple(capped(self.profile, approval.seats))
        meant = meant_by(roles, timezone.now())
        seats = [meant.seat(name) for name in roles]
        able, barred = self._people(seats)
        told = {each.name: getattr(approval, each.name) for each in fields(approval)}
        return Asked(
            **{**told, "seats": roles},
            deciders=tuple(name for name, _ in able.values()) if self.names_people else None,
            barred=tuple(barred) if self.names_people else None,
            problem=_problem(seats, {person: roles for person, (_, roles) in able.items()}),
        )

    def _people(self, seats: Sequence[Seat]) -> tuple[dict[str, tuple[str, frozenset[str]]], list[Barred]]:
        """Who could decide, {id: (name, roles)}, and who could not though they hold a role of the seats."""
        able, barred = {}, []
        rows = _candidates(seats)
        roles = access.roles_of([each.pk for each in rows])
        for person in rows:
            denied = denials(self._facts(person, seats, roles))
            if not denied:
                able[str(person.pk)] = (str(person), roles[person.pk])
            else:
                first = denied[0]
                barred.append(Barred(str(person), first.rule, WHY.get(first.rule, first.sentence)))
        return able, barred

    def _facts(self, person: Principal, seats: Sequence[Seat], roles: Mapping[UUID, frozenset[str]]) -> Facts:
        """Of a request that was just opened, which nobody has decided yet."""
        return Facts(
            decider=Decider(
                id=str(person.pk),
                name=str(person),
                is_active=person.is_active,
                is_person=person.is_person,
                by_token=False,
                is_superuser=person.is_superuser,
                roles=roles[person.pk],
            ),
            verdict=Verdict.APPROVE.value,
            status=RequestStatus.OPEN.value,
            seats=tuple(seats),
            requesters=self.requesters,
            authors=self.authors,
            approvals={},
            deciders=frozenset(),
            shown_digest="",
            current_digest="",
            profile=self.profile,
        )


def _candidates(seats: Sequence[Seat]) -> list[Principal]:
    held = Membership.objects.filter(group__name__in=[seat.role for seat in seats if seat.people is None])
    meant = [person for seat in seats if seat.people is not None for person in seat.people]
    people = Principal.objects.filter(Q(pk__in=held.values("principal")) | Q(pk__in=meant))
    return list(people.filter(is_active=True, kind=PrincipalKind.PERSON).order_by("username"))


def _problem(seats: Sequence[Seat], able: Mapping[str, frozenset[str]]) -> str:
    fits = {person: fitting(seats, Entitlement(roles, frozenset({person}))) for person, roles in able.items()}
    for index, seat in enumerate(seats):
        if not any(index in each for each in fits.values()):
            return NOBODY.format(role=seat.role)
    if len(match(fits)) == len(seats):
        return ""
    return TOO_FEW.format(roles=", ".join(seat.role for seat in seats))
