"""Which seats of a request nobody could fill as the people are now: said at once, and not at the deadline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from playbooks.access.facts import seats_of, standing_of, who_denied_before
from playbooks.domain.seats import Entitlement, Seat, fitting, match
from playbooks.models import ApprovalRequest, Membership, PrincipalKind


def unfilled(requests: Sequence[ApprovalRequest], now: datetime) -> dict[UUID, tuple[str, ...]]:
    """For each request the names of the seats that stay empty even if everybody who may approves; in as many queries
    for many as for one. Whoever asked, wrote it or has denied counts as nobody.
    """
    seats, standing = seats_of(requests, now), standing_of(requests)
    held = _entitled([seat for each in seats.values() for seat in each])
    return {
        request.pk: _empty(seats[request.pk], {**held, **standing[request.pk]}, _barred(request))
        for request in requests
    }


def _empty(seats: Sequence[Seat], held: Mapping[str, Entitlement], barred: frozenset[str]) -> tuple[str, ...]:
    filled = match({person: fitting(seats, each) for person, each in held.items() if person not in barred})
    return tuple(seat.role for index, seat in enumerate(seats) if index not in filled)


def _barred(request: ApprovalRequest) -> frozenset[str]:
    gone = {
        str(each.person_id) for each in request.decisions.all() if each.verdict == "deny" or not each.stands
    }
    return frozenset(
        {*request.requesters, *request.authors, *request.through, *gone, *who_denied_before(request)}
    )


def _entitled(seats: Sequence[Seat]) -> dict[str, Entitlement]:
    """Whoever could fit one of the seats, by role or as one who is meant."""
    every = [each for seat in seats for each in (seat, *seat.also)]
    held: dict[str, set[str]] = defaultdict(set)
    rows = Membership.objects.filter(
        group__name__in={each.role for each in every if each.people is None},
        principal__is_active=True,
        principal__kind=PrincipalKind.PERSON,
    )
    for person, role in rows.order_by("principal").values_list("principal", "group__name"):
        held[str(person)].add(role)
    meant = {person for each in every for person in each.people or ()}
    return {
        person: Entitlement(frozenset(held[person]), frozenset({person}))
        for person in sorted({*held, *meant})
    }
