"""The facts that the duty rules look at, read fresh, for one request or for many at once.

Showing who may decide and deciding use the same facts and the same rules; what counts is what is read inside the
deciding transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from playbooks.access import roles_of
from playbooks.access.history import COOLING, grantors_of, teams_given_since
from playbooks.access.teams import teams_of
from playbooks.domain.duty_facts import Decider, Facts
from playbooks.domain.seats import Entitlement, Seat
from playbooks.domain.statuses import Verdict
from playbooks.models import ApprovalRequest, CaseSubject, Principal, Team

Roles = Mapping[UUID, frozenset[str]]


def facts_to_approve(person: Principal, requests: Sequence[ApprovalRequest]) -> dict[UUID, Facts]:
    """For each request the facts of `person` approving it in a session of their own, as it stands.

    Seats and decisions are read from the rows' prefetched relations where they have them.
    """
    deciders = {each.person_id for request in requests for each in request.decisions.all()}
    roles = roles_of({person.pk, *deciders})
    standing = _standing(person, roles[person.pk], requests)
    return {request.pk: _facts(request, person, roles, standing) for request in requests}


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


def _facts(request: ApprovalRequest, person: Principal, roles: Roles, standing: _Standing) -> Facts:
    decided = sorted(request.decisions.all(), key=lambda each: (each.decided_at, each.pk))
    return Facts(
        decider=Decider(
            id=str(person.pk),
            name=str(person),
            is_active=person.is_active,
            is_person=person.is_person,
            by_token=False,
            is_superuser=person.is_superuser,
            roles=roles[person.pk],
            fresh_grants=standing.fresh_grants,
            teams=_teams(request, person, standing),
            known_as=frozenset({person.username}),
        ),
        verdict=Verdict.APPROVE.value,
        status=request.status,
        seats=tuple(Seat(seat.role) for seat in sorted(request.seats.all(), key=lambda each: each.position)),
        requesters=request.requesters,
        authors=request.authors,
        through=request.through,
        approvals={
            str(each.person_id): Entitlement(roles[each.person_id], frozenset({str(each.person_id)}))
            for each in decided
            if each.verdict == Verdict.APPROVE
        },
        denied=frozenset(str(each.person_id) for each in decided if each.verdict == Verdict.DENY),
        deciders=frozenset(str(each.person_id) for each in decided),
        shown_digest=request.digest,
        current_digest=request.digest,
        named=frozenset({person.username} if request.run.case_id in standing.about else ()),
        team=str(team.pk) if (team := _team(request)) else "",
        team_name=team.name if team else "",
    )


def _team(request: ApprovalRequest) -> Team | None:
    """Whose matter it is: the case's team, else the playbook's."""
    return request.run.case.team or request.run.version.playbook.team


def _teams(request: ApprovalRequest, person: Principal, standing: _Standing) -> frozenset[str]:
    """The teams of the person, without those into which they, or somebody with a hand in this, took them lately."""
    partial = {str(person.pk), *request.requesters, *request.authors, *request.through}
    given = standing.teams_given
    return frozenset(str(each) for each in standing.teams if str(given.get(each)) not in partial)
