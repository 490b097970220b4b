"""What forbids a person to decide: the facts of many requests at once, in two queries, for the same pure rules.

This is for showing. The verdict that counts is reached inside the deciding transaction, on facts read there
(operations/approvals.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from playbooks.domain.duties import Decider, Denial, Facts, denials
from playbooks.domain.seats import Seat
from playbooks.domain.statuses import Verdict
from playbooks.models import ApprovalRequest, Membership, Principal

Roles = Mapping[UUID, frozenset[str]]


def denials_of(person: Principal, requests: Sequence[ApprovalRequest]) -> dict[UUID, tuple[Denial, ...]]:
    """For each request every duty rule that forbids `person` to approve it; empty where nothing does.

    The requests come with their seats and decisions prefetched.
    """
    deciders = {each.person_id for request in requests for each in request.decisions.all()}
    roles = _roles_of({person.pk, *deciders})
    return {request.pk: denials(_facts(request, person, roles)) for request in requests}


def _roles_of(people: set[UUID]) -> Roles:
    held: dict[UUID, set[str]] = {each: set() for each in people}
    rows = Membership.objects.filter(principal__in=people).values_list("principal", "group__name")
    for principal, role in rows:
        held[principal].add(role)
    return {each: frozenset(names) for each, names in held.items()}


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
        seats=tuple(Seat(seat.role) for seat in request.seats.all()),
        requesters=request.requesters,
        authors=request.authors,
        approvals={
            str(each.person_id): roles[each.person_id] for each in decided if each.verdict == Verdict.APPROVE
        },
        deciders=frozenset(str(each.person_id) for each in decided),
        shown_digest=request.digest,
        current_digest=request.digest,
    )
