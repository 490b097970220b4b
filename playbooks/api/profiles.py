"""The profile: how far duties are segregated here, and changing that."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer
from playbooks.api.authentication import caller_of
from playbooks.api.endpoint import Endpoint, described
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.domain.profiles import Profile
from playbooks.operations import profiles as operations
from playbooks.queries import profiles as queries
from playbooks.queries.profiles import ChangeView, ProfileView

CHANGE = Need(("see_run",), None)  # the operation asks whether the profile binds the caller


class Propose(Body):
    profile: Profile
    reason: Annotated[str, StringConstraints(max_length=10_000)]


class Profiles(Endpoint):
    needs = {"GET": Need(("see_run",), "read"), "POST": CHANGE}

    @described("profile_get", "Which profile holds, and what waits to hold", answer=ProfileView)
    def get(self, _request: Request) -> Response:
        return answer(queries.profile())

    @described(
        "profile_propose",
        "Propose another profile",
        body=Propose,
        answer=ChangeView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(Propose, request)
        row = operations.propose(body.profile, caller=caller_of(request), reason=body.reason)
        return answer(queries.change_view(row), status=201)


class Confirmation(Endpoint):
    needs = {"POST": CHANGE}

    @described("profile_confirm", "Confirm a profile as a second person", answer=ChangeView, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        return answer(queries.change_view(operations.confirm(pk, caller=caller_of(request))))


class Withdrawal(Endpoint):
    needs = {"POST": CHANGE}

    @described("profile_withdraw", "Take a profile back that was proposed", answer=ChangeView, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        return answer(queries.change_view(operations.withdraw(pk, caller=caller_of(request))))
