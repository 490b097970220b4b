"""People and service accounts: who there is, what they hold, and the roles that they are given. Sessions only write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.api.stepping_up import Proving, read_proven
from playbooks.operations import roles as operations
from playbooks.operations.rights import Blocked
from playbooks.queries import rights as queries
from playbooks.queries.rights import PersonRow

LISTING = Listing(
    ordering=("username",),
    filters={
        "kind": "kind",
        "text": "name__icontains",
        "role": "memberships__group__name",
        "team": "team_memberships__team__slug",
    },
)
SEE = Need(("see_people",), "read")
MANAGE = Need(("manage_people",), None)
Slug = Annotated[str, StringConstraints(pattern="^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=64)]
Username = Annotated[str, StringConstraints(pattern="^[-a-zA-Z0-9_]+$", max_length=64)]


class CreatePerson(Proving):
    """A person who signs in with a password, and changes it then. To give them roles takes a proof."""

    username: Username
    name: Annotated[str, StringConstraints(max_length=120)]
    password: Annotated[str, StringConstraints(min_length=12, max_length=200)]
    roles: list[Slug] = []


class TakeRole(Body):
    role: Slug


class GiveRole(TakeRole, Proving):
    """A role to give."""


@dataclass(frozen=True, slots=True)
class PersonChanged:
    """`blocked` are the open requests that nobody can grant any more."""

    person: PersonRow
    blocked: tuple[Blocked, ...]


class People(Endpoint):
    needs = {"GET": SEE, "POST": MANAGE}

    @described_list("people_list", "People and what they hold", row=PersonRow, listing=LISTING)
    def get(self, request: Request) -> Response:
        rows = queries.people(principal_of(request)).filter(**_in_force(request))
        return page(
            rows,
            request,
            self,
            listing=LISTING,
            show=lambda some: plains([queries.person_row(each) for each in some]),
        )

    @described(
        "people_create",
        "Make a person with roles",
        body=CreatePerson,
        answer=PersonRow,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body, caller = read_proven(CreatePerson, request), caller_of(request)
        operations.create_person(
            body.username, caller=caller, name=body.name, password=body.password, roles=body.roles
        )
        return answer(_person(body.username, request), status=201)


class Person(Endpoint):
    needs = {"GET": SEE}

    @described("people_read", "One person and what they hold", answer=PersonRow)
    def get(self, request: Request, username: str) -> Response:
        return answer(_person(username, request))


class Deactivation(Endpoint):
    needs = {"POST": MANAGE}

    @described("people_deactivate", "End a person's access", answer=PersonChanged, is_write=True)
    def post(self, request: Request, username: str) -> Response:
        blocked = operations.deactivate(username, caller=caller_of(request))
        return answer(PersonChanged(_person(username, request), blocked))


class RolesOfPerson(Endpoint):
    needs = {"POST": MANAGE}

    @described("people_give_role", "Give a role", body=GiveRole, answer=PersonChanged, is_write=True)
    def post(self, request: Request, username: str) -> Response:
        operations.give(username, read_proven(GiveRole, request).role, caller=caller_of(request))
        return answer(PersonChanged(_person(username, request), ()))


class RoleTaken(Endpoint):
    needs = {"POST": MANAGE}

    @described("people_take_role", "Take a role back", body=TakeRole, answer=PersonChanged, is_write=True)
    def post(self, request: Request, username: str) -> Response:
        blocked = operations.take(username, read(TakeRole, request).role, caller=caller_of(request))
        return answer(PersonChanged(_person(username, request), blocked))


def _person(username: str, request: Request) -> PersonRow:
    return found(queries.person_view(username, principal_of(request)), "person", username)


def _in_force(request: Request) -> dict[str, bool]:
    """A filter by role or team asks who has it now."""
    of = {"role": "memberships__ended_at__isnull", "team": "team_memberships__ended_at__isnull"}
    return {column: True for name, column in of.items() if name in request.query_params}
