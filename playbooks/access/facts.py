"""The facts that the duty rules look at, read fresh, for one request or for many at once.

Showing who may decide and deciding use the same facts and the same rules; what counts is what is read inside the
deciding transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models import prefetch_related_objects

from playbooks.access import roles_of
from playbooks.domain.duties import denials
from playbooks.domain.duty_facts import CONSENTS, Decider, Facts
from playbooks.domain.seats import Entitlement, Seat
from playbooks.domain.statuses import Verdict
from playbooks.models import ApprovalRequest, Principal

Roles = Mapping[UUID, frozenset[str]]


def facts_to_approve(person: Principal, requests: Sequence[ApprovalRequest]) -> dict[UUID, Facts]:
    """For each request the facts of `person` approving it in a session of their own, as it stands.

    Seats and decisions are read from the rows' prefetched relations where they have them.
    """
    deciders = {each.person_id for request in requests for each in request.decisions.all()}
    roles = roles_of({person.pk, *deciders})
    return {request.pk: _facts(request, person, roles) for request in requests}


def _facts(request: ApprovalRequest, person: Principal, roles: Roles) -> Facts:
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
            if each.verdict in CONSENTS
        },
        denied=frozenset(str(each.person_id) for each in decided if each.verdict == Verdict.DENY),
        deciders=frozenset(str(each.person_id) for each in decided),
        shown_digest=request.digest,
        current_digest=request.digest,
        profile=request.profile,
    )


def could_decide(request: ApprovalRequest, people: Sequence[Principal]) -> frozenset[UUID]:
    """Those of `people` who may approve the request now, or could once they have proved their second factor."""
    prefetch_related_objects([request], "seats", "decisions")
    facts = {person.pk: facts_to_approve(person, [request])[request.pk] for person in people}
    return frozenset(
        person
        for person, about in facts.items()
        if {each.rule for each in denials(about)} <= {"not_stepped_up"}
    )
