"""Rotas: who is on call, and when."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from django.utils import timezone
from pydantic import AwareDatetime, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.administration import Name
from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body
from playbooks.api.permissions import Need
from playbooks.api.stepping_up import Proving, read_proven
from playbooks.operations import rotas as operations
from playbooks.operations.rotas import Planned
from playbooks.queries import rotas as queries
from playbooks.queries.rotas import RotaView

ROTAS = Listing(("slug",), {})


class PlannedShift(Body):
    """`person` is a username."""

    person: Annotated[str, StringConstraints(max_length=64)]
    begins_at: AwareDatetime
    ends_at: AwareDatetime


class Publish(Proving):
    """The rota is made when there is none of this name. Shifts count once they have been published for a day."""

    rota: Name
    title: Annotated[str, StringConstraints(max_length=120)] = ""
    shifts: list[PlannedShift]


class Rotas(Endpoint):
    needs = {"GET": Need(("see_people",), "read"), "POST": Need(("manage_people",), None)}

    @described_list("rotas_list", "Rotas with their shifts to come", row=RotaView, listing=ROTAS)
    def get(self, request: Request) -> Response:
        now = timezone.now()
        rows = queries.rotas(principal_of(request), now)
        return page(
            rows,
            request,
            self,
            listing=ROTAS,
            show=lambda each: plains([queries.view(row, now) for row in each]),
        )

    @described(
        "rotas_publish",
        "Publish shifts of a rota",
        body=Publish,
        answer=RotaView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read_proven(Publish, request)
        shifts = [Planned(each.person, each.begins_at, each.ends_at) for each in body.shifts]
        operations.publish(body.rota, caller=caller_of(request), title=body.title, shifts=shifts)
        view = queries.rota_view(body.rota, principal_of(request), timezone.now())
        return answer(found(view, "rota", body.rota), status=201)


class ShiftWithdrawal(Endpoint):
    needs = {"POST": Need(("manage_people",), None)}

    @described("shifts_withdraw", "Take a shift off its rota, at once", answer=RotaView, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        row = operations.withdraw(pk, caller=caller_of(request))
        view = queries.rota_view(row.rota_id, principal_of(request), timezone.now())
        return answer(found(view, "rota", row.rota_id))
