"""The facts that the duty rules look at, read fresh, for one request or for many at once.

Showing who may decide and deciding use the same facts and the same rules; what counts is what is read inside the
deciding transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from playbooks.access import roles_of
from playbooks.access.delegations import Substitutions, substitutions
from playbooks.access.history import COOLING, grantors_of, teams_given_since
from playbooks.access.seats import meant_by
from playbooks.access.teams import teams_of
from playbooks.domain.duty_facts import Decider, Facts
from playbooks.domain.seats import Entitlement, Seat
from playbooks.domain.statuses import Verdict
from playbooks.models import ApprovalRequest, CaseSubject, Principal, Team
from playbooks.models.decisions import Decision

Roles = Mapping[UUID, frozenset[str]]


@dataclass(frozen=True, slots=True)
class People:
    """What is known of the decider and of all who decided before."""

    roles: Roles
    active: frozenset[UUID]
    substitutions: Substitutions

    @classmethod
    def of(cls, people: Collection[UUID]) -> People:
        """Read in three queries, however many they are."""
        active = Principal.objects.filter(pk__in=people, is_active=True).values_list("pk", flat=True)
        return cls(roles_of(people), frozenset(active), substitutions(people))

    def entitlement(self, person: UUID, moment: datetime) -> Entitlement:
        """What somebody brings who decided at a moment: nothing once they are deactivated. Whoever stood in for
        somebody then brings that, though it may have ended since.
        """
        if person not in self.active:
            return Entitlement(frozenset())
        return Entitlement(
            self.roles[person], frozenset({str(person), *self.substitutions.at(person, moment)})
        )


def facts_to_approve(person: Principal, requests: Sequence[ApprovalRequest]) -> dict[UUID, Facts]:
    """For each request the facts of `person` approving it in a session of their own, as it stands.

    Seats and decisions are read from the rows' prefetched relations where they have them.
    """
    everybody = {person.pk, *(each.person_id for request in requests for each in request.decisions.all())}
    known, now = People.of(everybody), timezone.now()
    seats, decider = seats_of(requests, now), _decider(person, known, now)
    standing = _standing(person, known.roles[person.pk], requests)
    return {
        request.pk: _facts(request, person, decider, seats[request.pk], known, standing)
        for request in requests
    }


@dataclass(frozen=True, slots=True)
class _Standing:
    """What holds of the person whatever the request: who gave them their roles lately, their teams, and the cases
    that are about them.
    """

    fresh_grants: Mapping[str, frozenset[str]]
    teams: frozenset[UUID]
    teams_given: Mapping[UUID, UUID]  # lately, {team: by whom}
    about: frozenset[UUID]


def _standing(person: Principal, roles: frozenset[str], requests: Sequence[ApprovalRequest]) -> _Standing:
    since = timezone.now() - COOLING
    cases = {request.run.case_id for request in requests}
    about = CaseSubject.objects.filter(principal=person, case__in=cases)
    return _Standing(
        fresh_grants=grantors_of(person.pk, roles, since),
        teams=teams_of([person.pk])[person.pk],
        teams_given=teams_given_since(person.pk, since),
        about=frozenset(about.values_list("case", flat=True)),
    )


def standing_of(requests: Sequence[ApprovalRequest]) -> dict[UUID, dict[str, Entitlement]]:
    """For each request what those bring, as they are now, whose approvals count."""
    everybody = {each.person_id for request in requests for each in request.decisions.all()}
    known = People.of(everybody)
    return {request.pk: _approvals(_decided(request), known) for request in requests}


def _facts(
    request: ApprovalRequest,
    person: Principal,
    decider: Decider,
    seats: tuple[Seat, ...],
    known: People,
    standing: _Standing,
) -> Facts:
    decided = _decided(request)
    return Facts(
        decider=replace(
            decider,
            fresh_grants=standing.fresh_grants,
            teams=_teams(request, person, standing),
            known_as=frozenset({person.username}),
        ),
        verdict=Verdict.APPROVE.value,
        status=request.status,
        seats=seats,
        requesters=request.requesters,
        authors=request.authors,
        through=request.through,
        approvals=_approvals(decided, known),
        denied=frozenset(
            str(each.person_id) for each in decided if each.verdict == Verdict.DENY and each.stands
        ),
        denials_to_end=request.denials_to_end,
        deciders=frozenset(str(each.person_id) for each in decided) | who_denied_before(request),
        shown_digest=request.digest,
        current_digest=request.digest,
        named=frozenset({person.username} if request.run.case_id in standing.about else ()),
        team=str(team.pk) if (team := _team(request)) else "",
        team_name=team.name if team else "",
    )


def seats_of(requests: Sequence[ApprovalRequest], now: datetime) -> dict[UUID, tuple[Seat, ...]]:
    """The seats of each request as the matching sees them at this moment."""
    also = {request.pk: _gone_on_to(request) for request in requests}
    names = [seat.role for request in requests for seat in request.seats.all()]
    approved = {request.pk: _approved(request) for request in requests}
    deciders = {person for each in approved.values() for person in each}
    meant = meant_by([*names, *(name for each in also.values() for name in each)], now, deciders)
    return {
        request.pk: tuple(
            meant.seat(seat.role, also[request.pk], approved[request.pk])
            for seat in sorted(request.seats.all(), key=lambda each: each.position)
        )
        for request in requests
    }


def _gone_on_to(request: ApprovalRequest) -> list[str]:
    return [each.role for each in sorted(request.alternatives.all(), key=lambda each: each.pk)]


def _approved(request: ApprovalRequest) -> dict[UUID, datetime]:
    """Whose approvals count, and when they gave them."""
    decisions = (each for each in request.decisions.all() if each.verdict == Verdict.APPROVE and each.stands)
    return {each.person_id: each.decided_at for each in decisions}


def _decider(person: Principal, known: People, now: datetime) -> Decider:
    stands_in_for = known.substitutions.at(person.pk, now)
    lately = known.substitutions.lately(person.pk, now)
    return Decider(
        id=str(person.pk),
        name=str(person),
        is_active=person.is_active,
        is_person=person.is_person,
        by_token=False,
        is_superuser=person.is_superuser,
        roles=known.roles[person.pk],
        stands_in_for=stands_in_for,
        stood_in_for={each: name for each, name in lately.items() if each not in stands_in_for},
    )


def _decided(request: ApprovalRequest) -> list[Decision]:
    return sorted(request.decisions.all(), key=lambda each: (each.decided_at, each.pk))


def _approvals(decided: Sequence[Decision], known: People) -> dict[str, Entitlement]:
    return {
        str(each.person_id): known.entitlement(each.person_id, each.decided_at)
        for each in decided
        if each.verdict == Verdict.APPROVE and each.stands
    }


def who_denied_before(request: ApprovalRequest) -> frozenset[str]:
    """Those who denied it when it was asked before: it is asked again of other people."""
    if request.previous is None:
        return frozenset()
    before = request.previous.decisions.all()
    return frozenset(str(each.person_id) for each in before if each.verdict == Verdict.DENY and each.stands)


def _team(request: ApprovalRequest) -> Team | None:
    """Whose matter it is: the case's team, else the playbook's."""
    return request.run.case.team or request.run.version.playbook.team


def _teams(request: ApprovalRequest, person: Principal, standing: _Standing) -> frozenset[str]:
    """The teams of the person, without those into which they, or somebody with a hand in this, took them lately."""
    partial = {str(person.pk), *request.requesters, *request.authors, *request.through}
    given = standing.teams_given
    return frozenset(str(each) for each in standing.teams if str(given.get(each)) not in partial)
