"""Teams: who belongs to them, and what does. Written by sessions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, read
from playbooks.api.people import MANAGE, SEE, Slug, Username
from playbooks.api.permissions import Need
from playbooks.api.stepping_up import Proving, read_proven
from playbooks.models import Case
from playbooks.operations import teams as operations
from playbooks.operations.rights import Blocked
from playbooks.queries import rights as queries
from playbooks.queries.rights import Belongings, Holder, TeamRow

LISTING = Listing(ordering=("slug",), filters={"text": "name__icontains"})
Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]
Kind = Annotated[str, StringConstraints(pattern="^(case|playbook|connection|source)$")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class CreateTeam(Body):
    slug: Slug
    name: Name


class RenameTeam(Body):
    name: Name


class Member(Body):
    person: Username


class NewMember(Member, Proving):
    """Somebody to take in."""


class Assign(Body):
    """`key` is the id of a case, the slug of a playbook or source, the name of a connection. No team: everybody's."""

    kind: Kind
    key: Key
    team: Slug | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class TeamView:
    """`blocked` are the open requests that the change left without anybody who could grant them."""

    team: TeamRow
    members: tuple[Holder, ...]
    belongings: Belongings
    blocked: tuple[Blocked, ...] = ()


@dataclass(frozen=True, slots=True)
class Assigned:
    kind: str
    key: str
    team: str
    blocked: tuple[Blocked, ...]


class Teams(Endpoint):
    needs = {"GET": SEE, "POST": MANAGE}

    @described_list("teams_list", "Teams", row=TeamRow, listing=LISTING)
    def get(self, request: Request) -> Response:
        rows = queries.teams(principal_of(request))
        return page(
            rows,
            request,
            self,
            listing=LISTING,
            show=lambda some: plains([queries.team_row(each) for each in some]),
        )

    @described(
        "teams_create",
        "Make a team; one that is there under this slug and name stays as it is",
        body=CreateTeam,
        answer=TeamView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(CreateTeam, request)
        operations.create(body.slug, caller=caller_of(request), name=body.name)
        return answer(_view(body.slug, request), status=201)


class Team(Endpoint):
    needs = {"GET": SEE}

    @described("teams_read", "One team, its members, and what belongs to it", answer=TeamView)
    def get(self, request: Request, slug: str) -> Response:
        return answer(_view(slug, request))


class Renaming(Endpoint):
    needs = {"POST": MANAGE}

    @described(
        "teams_rename", "Another name for the same team", body=RenameTeam, answer=TeamView, is_write=True
    )
    def post(self, request: Request, slug: str) -> Response:
        operations.rename(slug, caller=caller_of(request), name=read(RenameTeam, request).name)
        return answer(_view(slug, request))


class Ending(Endpoint):
    needs = {"POST": MANAGE}

    @described("teams_end", "End a team; what needs it stays blocked", answer=TeamView, is_write=True)
    def post(self, request: Request, slug: str) -> Response:
        _, blocked = operations.end(slug, caller=caller_of(request))
        return answer(_view(slug, request, blocked))


class Members(Endpoint):
    needs = {"POST": MANAGE}

    @described("teams_add", "Take somebody into a team", body=NewMember, answer=TeamView, is_write=True)
    def post(self, request: Request, slug: str) -> Response:
        operations.add(slug, read_proven(NewMember, request).person, caller=caller_of(request))
        return answer(_view(slug, request))


class MemberTaken(Endpoint):
    needs = {"POST": MANAGE}

    @described("teams_remove", "Take somebody out of a team", body=Member, answer=TeamView, is_write=True)
    def post(self, request: Request, slug: str) -> Response:
        blocked = operations.remove(slug, read(Member, request).person, caller=caller_of(request))
        return answer(_view(slug, request, blocked))


class Assignment(Endpoint):
    # Who works on a case hands it on; the rest is managed.
    needs = {"POST": Need(("work_case", "manage_people"), None, on=Case)}

    @described(
        "teams_assign",
        "Give a case, playbook, connection or source to a team",
        body=Assign,
        answer=Assigned,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(Assign, request)
        named: dict[str, Any] = body.model_dump()
        blocked = operations.assign(body.kind, body.key, caller=caller_of(request), team=body.team)
        return answer(Assigned(**named, blocked=blocked))


def _view(slug: str, request: Request, blocked: tuple[Blocked, ...] = ()) -> TeamView:
    person = principal_of(request)
    return TeamView(
        found(queries.team_view(slug, person), "team", slug),
        queries.members_of(slug, person),
        queries.belongings_of(slug, person),
        blocked,
    )
