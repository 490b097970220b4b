"""Who could decide a request, who could not, and why: by the very rules and facts that a decision is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from playbooks import access
from playbooks.access.facts import facts_to_approve, seats_of
from playbooks.domain.duties import Denial, denials
from playbooks.domain.seats import fitting
from playbooks.models import ApprovalRequest, Principal, PrincipalKind
from playbooks.queries import references
from playbooks.queries.approvals import requests

MOST = 100
# The rules speak to whoever decides; here somebody else reads what they say of them.
OF_THEM: Mapping[str, str] = {
    "deactivated": "is deactivated",
    "own_request": "asked for it",
    "requested_through": "it began through them",
    "own_playbook": "wrote this version of the playbook",
    "own_policy": "changed in the last day what it is decided by",
    "own_grant": "was given the right in the last day by somebody with a hand in this",
    "same_person_other_account": "another account of theirs has a hand in this or has decided it",
    "delegate_of_requester": "stands in for somebody with a hand in this, or did until a day ago",
    "conflict_of_interest": "it is about them",
    "history": "has had another duty in this case that does not go together with deciding",
    "outside_team": "does not belong to the team whose matter it is",
    "not_in_seat": "no seat is for them",
    "already_decided": "has decided already, or stands in for somebody who has",
    "seat_taken": "every seat for them is filled",
}
OF_THE_MOMENT = frozenset({"closed", "stale_digest", "not_stepped_up"})  # not of the person


@dataclass(frozen=True, slots=True)
class Could:
    """`seats` are the titles of those that the person fits."""

    name: str
    seats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CouldNot:
    """`reasons` complete "…, since"; `rules` are their names, in the order of the design."""

    name: str
    reasons: tuple[str, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deciders:
    """`is_cut` where there are more people than are looked at."""

    could: tuple[Could, ...]
    could_not: tuple[CouldNot, ...]
    is_cut: bool


def deciders(request: UUID, reader: Principal) -> Deciders | None:
    """None where there is no such request, or the reader may not see it or may not see people.

    Looked at are those who fit a seat, who asked, who wrote it and who decided.
    """
    row = requests(reader).filter(pk=request).first()
    if row is None or not access.may(reader, "see_people"):
        return None
    found = list(_candidates(row).order_by("name", "username")[: MOST + 1])
    told = [_told(row, person) for person in found[:MOST]]
    return Deciders(
        could=tuple(each for each in told if isinstance(each, Could)),
        could_not=tuple(each for each in told if isinstance(each, CouldNot)),
        is_cut=len(found) > MOST,
    )


def _told(row: ApprovalRequest, person: Principal) -> Could | CouldNot:
    facts = facts_to_approve(person, [row])[row.pk]
    forbidden = [each for each in denials(facts) if each.rule not in OF_THE_MOMENT]
    if forbidden:
        return CouldNot(str(person), _reasons(forbidden), tuple(each.rule for each in forbidden))
    fits = sorted(fitting(facts.seats, facts.entitlement))
    names = dict.fromkeys(references.role_title(facts.seats[index].role) for index in fits)
    return Could(str(person), tuple(names))


def _reasons(forbidden: list[Denial]) -> tuple[str, ...]:
    return tuple(OF_THEM.get(each.rule, each.sentence) for each in forbidden)


def _candidates(row: ApprovalRequest) -> QuerySet[Principal]:
    every = [each for seat in seats_of([row], timezone.now())[row.pk] for each in (seat, *seat.also)]
    roles = [each.role for each in every if each.people is None]
    meant = {person for each in every for person in each.people or ()}
    known = {*row.requesters, *row.authors, *row.through}
    decided = {str(each.person_id) for each in row.decisions.all()}
    people = Principal.objects.filter(kind=PrincipalKind.PERSON)
    return people.filter(
        Q(memberships__group__name__in=roles, is_active=True) | Q(pk__in=meant | known | decided)
    ).distinct()
