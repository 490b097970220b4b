"""Holds, which keep a playbook, a connection or everything from beginning more, and what is to be taken back when."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from pydantic import StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.models import HoldScope
from playbooks.operations import holds as operations
from playbooks.operations.refusals import Invalid
from playbooks.queries import expiries as expiry_queries
from playbooks.queries import holds as queries
from playbooks.queries.expiries import ExpiryView
from playbooks.queries.holds import HoldView

HOLDS = Listing(
    ("-placed_at", "-pk"), {"scope": "scope", "playbook": "playbook__slug", "connection": "connection__name"}
)
EXPIRIES = Listing(("due_at", "pk"), {"status": "status", "run": "step__run"}, ("due_at", "created_at"))
IN_FORCE = OpenApiParameter(
    "in_force", str, enum=["true"], description="true: only those that were not released."
)
SEE = Need(("see_run",), "read")
PLACE = Need(("place_hold",), "runs")


class Place(Body):
    """`name` is the slug of the playbook or the name of the connection; everything has none."""

    scope: HoldScope
    name: Annotated[str, StringConstraints(max_length=64)] = ""
    reason: Annotated[str, StringConstraints(max_length=10_000)]


class Holds(Endpoint):
    needs = {"GET": SEE, "POST": PLACE}

    @described_list(
        "holds_list", "Holds, the newest first", row=HoldView, listing=HOLDS, parameters=[IN_FORCE]
    )
    def get(self, request: Request) -> Response:
        person = principal_of(request)
        which = request.query_params.get("in_force", "")
        if which not in {"", "true"}:
            raise Invalid([("", "The parameter in_force can only be true.")])
        return page(
            queries.in_force(person) if which else queries.holds(person),
            request,
            self,
            listing=HOLDS,
            show=lambda rows: plains([queries.view(each) for each in rows]),
            also=frozenset({"in_force"}),
        )

    @described(
        "holds_place",
        "Keep a playbook, a connection or everything from beginning more",
        body=Place,
        answer=HoldView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(Place, request)
        row = operations.place(body.scope, caller=caller_of(request), name=body.name, reason=body.reason)
        return answer(queries.view(row), status=201)


class Release(Endpoint):
    needs = {"POST": PLACE}

    @described("holds_release", "Let go of what is held", answer=HoldView, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        return answer(queries.view(operations.release(pk, caller=caller_of(request))))


class Expiries(Endpoint):
    needs = {"GET": SEE}

    @described_list(
        "expiries_list",
        "What is to be taken back by itself, the nearest first",
        row=ExpiryView,
        listing=EXPIRIES,
    )
    def get(self, request: Request) -> Response:
        person = principal_of(request)
        return page(
            expiry_queries.expiries(person),
            request,
            self,
            listing=EXPIRIES,
            show=lambda found: plains(expiry_queries.views(found, person)),
        )
