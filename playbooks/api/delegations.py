"""Delegations: who stands in for whom."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from pydantic import AwareDatetime, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list
from playbooks.api.pagination import Listing, page
from playbooks.api.permissions import Need
from playbooks.api.stepping_up import Proving, read_proven
from playbooks.operations import delegations as operations
from playbooks.operations.delegations import Period
from playbooks.operations.refusals import Invalid
from playbooks.queries import delegations as queries
from playbooks.queries.delegations import DelegationView

ALL = Listing(
    ("-begins_at", "-pk"),
    {"person": "person__username", "substitute": "substitute__username"},
    ("begins_at",),
)
FOR = OpenApiParameter("for", str, enum=["me"], description="me: those that the caller is a part of.")


class Name(Proving):
    """`substitute` is a username. The period begins now where `begins_at` is left out, and lasts 90 days at most."""

    substitute: Annotated[str, StringConstraints(max_length=64)]
    begins_at: AwareDatetime | None = None
    ends_at: AwareDatetime
    reason: Annotated[str, StringConstraints(max_length=10_000)]


class Delegations(Endpoint):
    needs = {"GET": Need(("see_people",), "read"), "POST": Need(("see_people",), None)}

    @described_list(
        "delegations_list",
        "Delegations that the caller is a part of, or all for who manages people",
        row=DelegationView,
        listing=ALL,
        parameters=[FOR],
    )
    def get(self, request: Request) -> Response:
        person = principal_of(request)
        whose = request.query_params.get("for", "")
        if whose not in {"", "me"}:
            raise Invalid([("", "The parameter for can only be me.")])
        rows = queries.delegations(person)
        return page(
            queries.concerning(rows, person) if whose else rows,
            request,
            self,
            listing=ALL,
            show=lambda found: plains([queries.view(each, timezone.now()) for each in found]),
            also=frozenset({"for"}),
        )

    @described(
        "delegations_name",
        "Name a substitute for a period, in a session of one's own",
        body=Name,
        answer=DelegationView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read_proven(Name, request)
        now: datetime = timezone.now()
        row = operations.name(
            body.substitute,
            caller=caller_of(request),
            period=Period(body.begins_at or now, body.ends_at),
            reason=body.reason,
        )
        return answer(queries.view(row, timezone.now()), status=201)


class End(Endpoint):
    needs = {"POST": Need(("see_people",), None)}

    @described(
        "delegations_end", "End a delegation, as either of the two", answer=DelegationView, is_write=True
    )
    def post(self, request: Request, pk: UUID) -> Response:
        row = operations.end(pk, caller=caller_of(request))
        return answer(queries.view(row, timezone.now()))
