"""The facts that the duty rules look at, read fresh, for one request or for many at once.

Showing who may decide and deciding use the same facts and the same rules; what counts is what is read inside the
deciding transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import prefetch_related_objects
from django.utils import timezone

from playbooks.access.deciders import People, Standing, standing_of_person, team_of
from playbooks.access.rule_makers import rule_makers_of
from playbooks.access.seats import meant_by
from playbooks.domain.duties import denials
from playbooks.domain.duty_facts import CONSENTS, Facts
from playbooks.domain.policies.facts import COOLING
from playbooks.domain.seats import Entitlement, Seat
from playbooks.domain.statuses import Verdict
from playbooks.models import ApprovalRequest, Principal
from playbooks.models.decisions import Decision


def facts_to_approve(person: Principal, requests: Sequence[ApprovalRequest]) -> dict[UUID, Facts]:
    """For each request the facts of `person` approving it in a session of their own, as it stands.

    Seats and decisions are read from the rows' prefetched relations where they have them.
    """
    everybody = {person.pk, *(each.person_id for request in requests for each in request.decisions.all())}
    now = timezone.now()
    known = People.of(everybody, now)
    seats, standing = seats_of(requests, now), standing_of_person(person, requests, known, now)
    makers = rule_makers_of(requests, now - COOLING)
    return {
        request.pk: replace(
            _facts(request, standing, seats[request.pk], known), rule_makers=makers[request.pk]
        )
        for request in requests
    }


def standing_of(requests: Sequence[ApprovalRequest]) -> dict[UUID, dict[str, Entitlement]]:
    """For each request what those bring, as they are now, whose approvals count: nothing once they stand in for
    somebody who has a hand in it.
    """
    everybody = {each.person_id for request in requests for each in request.decisions.all()}
    now = timezone.now()
    known = People.of(everybody, now)
    return {
        request.pk: {
            person: Entitlement(frozenset()) if _is_partial(person, request, known, now) else held
            for person, held in _approvals(request, known).items()
        }
        for request in requests
    }


def _is_partial(person: str, request: ApprovalRequest, known: People, now: datetime) -> bool:
    standing_in = known.substitutions.lately(UUID(person), now).keys()
    return not standing_in.isdisjoint({*request.requesters, *request.authors, *request.through})


def _facts(request: ApprovalRequest, standing: Standing, seats: tuple[Seat, ...], known: People) -> Facts:
    decided, team = _decided(request), team_of(request)
    return Facts(
        decider=standing.decider(request),
        verdict=Verdict.APPROVE.value,
        status=request.status,
        seats=seats,
        requesters=request.requesters,
        authors=request.authors,
        through=request.through,
        approvals=_approvals(request, known),
        denied=frozenset(
            str(each.person_id) for each in decided if each.verdict == Verdict.DENY and each.stands
        ),
        denials_to_end=request.denials_to_end,
        deciders=frozenset(str(each.person_id) for each in decided) | who_denied_before(request),
        shown_digest=request.digest,
        current_digest=request.digest,
        named=standing.named_in(request),
        team=str(team.pk) if team else "",
        team_name=team.name if team else "",
        profile=request.profile,
    )


def could_decide(request: ApprovalRequest, people: Sequence[Principal]) -> frozenset[UUID]:
    """Those of `people` who may approve the request now, or could once they have proved their second factor."""
    prefetch_related_objects([request], "seats", "decisions", "alternatives")
    facts = {person.pk: facts_to_approve(person, [request])[request.pk] for person in people}
    return frozenset(
        person
        for person, about in facts.items()
        if {each.rule for each in denials(about)} <= {"not_stepped_up"}
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
    decisions = (each for each in request.decisions.all() if each.verdict in CONSENTS and each.stands)
    return {each.person_id: each.decided_at for each in decisions}


def _decided(request: ApprovalRequest) -> list[Decision]:
    return sorted(request.decisions.all(), key=lambda each: (each.decided_at, each.pk))


def _approvals(request: ApprovalRequest, known: People) -> dict[str, Entitlement]:
    return {
        str(each.person_id): known.entitlement(each.person_id, each.decided_at, request)
        for each in _decided(request)
        if each.verdict in CONSENTS and each.stands
    }


def who_denied_before(request: ApprovalRequest) -> frozenset[str]:
    """Those who denied it when it was asked before: it is asked again of other people."""
    if request.previous is None:
        return frozenset()
    before = request.previous.decisions.all()
    return frozenset(str(each.person_id) for each in before if each.verdict == Verdict.DENY and each.stands)
