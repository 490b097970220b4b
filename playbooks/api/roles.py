"""Roles: the built-in ones, which stay as they are, and those of the installation's own. Written by sessions only."""

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
from playbooks.api.people import MANAGE, SEE, Slug
from playbooks.api.stepping_up import Proving, read_proven
from playbooks.operations import roles as operations
from playbooks.operations.rights import Blocked
from playbooks.queries import rights as queries
from playbooks.queries.rights import Holder, RoleRow

LISTING = Listing(ordering=("name",), filters={})
Title = Annotated[str, StringConstraints(min_length=1, max_length=120)]


class CreateRole(Body):
    slug: Slug
    title: Title
    permissions: list[str]


class ChangeRole(Proving):
    """All that it permits; a permission that is left out is taken away. To add one takes a proof."""

    title: Title
    permissions: list[str]


@dataclass(frozen=True, slots=True)
class RoleView:
    """`blocked` are the open requests that the change left without anybody who could grant them."""

    role: RoleRow
    people: tuple[Holder, ...]
    blocked: tuple[Blocked, ...] = ()


class Roles(Endpoint):
    needs = {"GET": SEE, "POST": MANAGE}

    @described_list("roles_list", "Roles and what they permit", row=RoleRow, listing=LISTING)
    def get(self, request: Request) -> Response:
        rows = queries.roles(principal_of(request))
        return page(
            rows,
            request,
            self,
            listing=LISTING,
            show=lambda some: plains([queries.role_row(each) for each in some]),
        )

    @described(
        "roles_create",
        "Make a role; one that is there with the same stays as it is",
        body=CreateRole,
        answer=RoleView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(CreateRole, request)
        operations.create(
            body.slug, caller=caller_of(request), title=body.title, permissions=body.permissions
        )
        return answer(_view(body.slug, request), status=201)


class Role(Endpoint):
    needs = {"GET": SEE}

    @described("roles_read", "One role and who holds it", answer=RoleView)
    def get(self, request: Request, slug: str) -> Response:
        return answer(_view(slug, request))


class RoleChange(Endpoint):
    needs = {"POST": MANAGE}

    @described(
        "roles_change", "Say anew what a role permits", body=ChangeRole, answer=RoleView, is_write=True
    )
    def post(self, request: Request, slug: str) -> Response:
        body = read_proven(ChangeRole, request)
        operations.change(slug, caller=caller_of(request), title=body.title, permissions=body.permissions)
        return answer(_view(slug, request))


class RoleEnd(Endpoint):
    needs = {"POST": MANAGE}

    @described("roles_end", "End a role; what needs it stays blocked", answer=RoleView, is_write=True)
    def post(self, request: Request, slug: str) -> Response:
        blocked = operations.end(slug, caller=caller_of(request))
        return answer(_view(slug, request, blocked))


def _view(slug: str, request: Request, blocked: tuple[Blocked, ...] = ()) -> RoleView:
    person = principal_of(request)
    return RoleView(
        found(queries.role_view(slug, person), "role", slug), queries.holders_of(slug, person), blocked
    )
