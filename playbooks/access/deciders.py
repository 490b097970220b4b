"""What is known of people who decide: read fresh, in a fixed number of queries however many requests it is for."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from playbooks.access import roles_of
from playbooks.access.delegations import Substitutions, substitutions
from playbooks.access.history import COOLING, Grantors, grantors_of, teams_given_since
from playbooks.access.identities import accounts_of
from playbooks.access.teams import teams_of
from playbooks.domain.duty_facts import Decider, entitlement_of
from playbooks.domain.seats import Entitlement
from playbooks.models import ApprovalRequest, CaseSubject, Principal, Team

Roles = Mapping[UUID, frozenset[str]]


@dataclass(frozen=True, slots=True)
class People:
    """What is known of the decider and of all who decided before."""

    roles: Roles
    active: frozenset[UUID]
    substitutions: Substitutions
    fresh_grants: Mapping[UUID, Grantors]

    @classmethod
    def of(cls, people: Collection[UUID], now: datetime) -> People:
        """Read in five queries at most, however many they are."""
        active = Principal.objects.filter(pk__in=people, is_active=True).values_list("pk", flat=True)
        roles = roles_of(people)
        return cls(roles, frozenset(active), substitutions(people), grantors_of(roles, now - COOLING))

    def entitlement(self, person: UUID, moment: datetime, request: ApprovalRequest) -> Entitlement:
        """What somebody brings who decided the request at a moment: nothing once they are deactivated, and no role by
        the gift of who may not give it for this, whatever they held then. Whoever stood in for somebody then brings
        that, though it may have ended since.
        """
        if person not in self.active:
            return Entitlement(frozenset())
        influential = {*request.requesters, *request.authors, *request.through}
        stood_in_for = self.substitutions.at(person, moment)
        grants = self.fresh_grants[person]
        return entitlement_of(str(person), self.roles[person], grants, stood_in_for, influential)


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds of the decider, whatever the request."""

    person: Principal
    roles: frozenset[str]
    accounts: frozenset[UUID]  # the others of the same human
    stands_in_for: Mapping[str, str]
    stood_in_for: Mapping[str, str]
    fresh_grants: Mapping[str, frozenset[str]]
    teams: frozenset[UUID]
    teams_given: Mapping[UUID, UUID]  # lately, {team: by whom}
    about: frozenset[UUID]  # the cases that are about them

    def decider(self, request: ApprovalRequest) -> Decider:
        person = self.person
        return Decider(
            id=str(person.pk),
            name=str(person),
            is_active=person.is_active,
            is_person=person.is_person,
            by_token=False,
            is_superuser=person.is_superuser,
            roles=self.roles,
            accounts=frozenset(map(str, self.accounts)),
            stands_in_for=self.stands_in_for,
            stood_in_for=self.stood_in_for,
            fresh_grants=self.fresh_grants,
            known_as=self.known_as,
            teams=self._teams(request),
        )

    @property
    def known_as(self) -> frozenset[str]:
        """The names by which an action could be about this one person."""
        return frozenset({self.person.username.lower(), self.person.email.lower()} - {""})

    def named_in(self, request: ApprovalRequest) -> frozenset[str]:
        """By which of their names the person is a target, or the case is about them."""
        if request.run.case_id in self.about:
            return self.known_as
        targets = {str(item["target"]).lower() for item in json.loads(request.subject)["covered"]}
        return self.known_as & targets

    def _teams(self, request: ApprovalRequest) -> frozenset[str]:
        """The teams of the person, without those into which they, or somebody with a hand in this, took them lately."""
        partial = {str(self.person.pk), *request.requesters, *request.authors, *request.through}
        given = self.teams_given
        return frozenset(str(each) for each in self.teams if str(given.get(each)) not in partial)


def standing_of_person(
    person: Principal, requests: Sequence[ApprovalRequest], known: People, now: datetime
) -> Standing:
    stands_in_for = known.substitutions.at(person.pk, now)
    lately = known.substitutions.lately(person.pk, now)
    accounts = accounts_of([person.pk])[person.pk]
    cases = {each.run.case_id for each in requests}
    about = CaseSubject.objects.filter(principal__in=accounts, case__in=cases)
    return Standing(
        person=person,
        roles=known.roles[person.pk],
        accounts=accounts - {person.pk},
        stands_in_for=stands_in_for,
        stood_in_for={each: name for each, name in lately.items() if each not in stands_in_for},
        fresh_grants=known.fresh_grants[person.pk],
        teams=teams_of([person.pk])[person.pk],
        teams_given=teams_given_since(person.pk, now - COOLING),
        about=frozenset(about.values_list("case", flat=True)),
    )


def team_of(request: ApprovalRequest) -> Team | None:
    """Whose matter it is: the case's team, else the playbook's."""
    return request.run.case.team or request.run.version.playbook.team
