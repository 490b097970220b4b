"""Connections, alert sources and API tokens. Secrets go in and never come out."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StrictBool, StrictInt, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.ingest import Kind
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.api.sessions import IssuedToken, IssueToken, issue
from playbooks.api.stepping_up import Proving, read_proven
from playbooks.domain.limits import Limits
from playbooks.models import Connection, Source
from playbooks.operations import connections as connection_operations
from playbooks.operations import people as people_operations
from playbooks.queries import connections as connection_queries
from playbooks.queries import people as people_queries
from playbooks.queries.connections import ConnectionView
from playbooks.queries.people import SourceView, TokenView

CONNECTIONS = Listing(ordering=("name",), filters={"connector": "connector", "environment": "environment"})
SOURCES = Listing(ordering=("slug",), filters={"kind": "kind"})
TOKENS = Listing(ordering=("-created_at", "-pk"), filters={})
MANAGE_CONNECTION = Need(("manage_connection",), None, on=Connection)
Name = Annotated[str, StringConstraints(pattern="^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=64)]


class Limit(Body):
    """How much a connection may be used, all of it: what is left out is no limit."""

    most_at_once: StrictInt | None = None
    most_calls: StrictInt | None = None
    calls_seconds: StrictInt = 60
    most_targets: StrictInt | None = None
    targets_seconds: StrictInt = 3600
    targets_role: str = "tier-2"


class ChangeOwner(Proving):
    """`owner` is a username, which takes a proof; empty says that the system is nobody's."""

    owner: Annotated[str, StringConstraints(max_length=64)]


class ChangeLimits(Body):
    limits: Limit


class Configure(Body):
    """Makes or changes the connection `name`. Secrets that are not named stay as they are, and so do limits."""

    name: Name
    connector: str
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    environment: Annotated[str, StringConstraints(max_length=40)] = ""
    simulated: StrictBool = False
    limits: Limit | None = None


class CreateSource(Body):
    slug: Name
    kind: Kind


class Connections(Endpoint):
    needs = {"GET": Need(("see_connection",), "read", on=Connection), "POST": MANAGE_CONNECTION}

    @described_list(
        "connections_list", "Connections, without their secrets", row=ConnectionView, listing=CONNECTIONS
    )
    def get(self, request: Request) -> Response:
        rows = connection_queries.connections(principal_of(request))
        return page(
            rows,
            request,
            self,
            listing=CONNECTIONS,
            show=lambda found: plains([connection_queries.view(each) for each in found]),
        )

    @described(
        "connections_configure",
        "Make or change a connection",
        body=Configure,
        answer=ConnectionView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(Configure, request)
        row = connection_operations.configure(
            body.name,
            caller=caller_of(request),
            connector=body.connector,
            settings=body.settings,
            secrets=body.secrets,
            environment=body.environment,
            is_simulated=body.simulated,
            limits=Limits(**body.limits.model_dump()) if body.limits else None,
        )
        return answer(connection_queries.view(row), status=201)


class ConnectionLimits(Endpoint):
    needs = {"POST": MANAGE_CONNECTION}

    @described(
        "connections_limit",
        "Say how much a connection may be used; approvals stay valid",
        body=ChangeLimits,
        answer=ConnectionView,
        is_write=True,
    )
    def post(self, request: Request, name: str) -> Response:
        limits = Limits(**read(ChangeLimits, request).limits.model_dump())
        row = connection_operations.limit(name, caller=caller_of(request), limits=limits)
        return answer(connection_queries.view(row))


class ConnectionOwner(Endpoint):
    needs = {"POST": MANAGE_CONNECTION}

    @described(
        "connections_give_to",
        "Say whose system is behind a connection: owners decide where a gate asks them",
        body=ChangeOwner,
        answer=ConnectionView,
        is_write=True,
    )
    def post(self, request: Request, name: str) -> Response:
        body = read_proven(ChangeOwner, request)
        row = connection_operations.give_to(name, caller=caller_of(request), owner=body.owner)
        return answer(connection_queries.view(row))


class Sources(Endpoint):
    needs = {"GET": Need(("manage_source",), "read", on=Source), "POST": Need(("manage_source",), None)}

    @described_list("sources_list", "Alert sources", row=SourceView, listing=SOURCES)
    def get(self, request: Request) -> Response:
        rows = people_queries.sources(principal_of(request))
        return page(
            rows,
            request,
            self,
            listing=SOURCES,
            show=lambda found: plains([people_queries.source_view(each) for each in found]),
        )

    @described(
        "sources_create",
        "Make a source; one that is there already stays as it is",
        body=CreateSource,
        answer=SourceView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(CreateSource, request)
        caller = caller_of(request)
        row = people_operations.create_source(body.slug, kind=body.kind, actor=caller.actor)
        made = found(people_queries.sources(caller.principal).filter(pk=row.pk).first(), "source", body.slug)
        return answer(people_queries.source_view(made), status=201)


class Tokens(Endpoint):
    needs = {"GET": Need(("see_people",), "read"), "POST": Need(("see_people",), None)}

    @described_list(
        "tokens_list", "One's own tokens; all for who manages people", row=TokenView, listing=TOKENS
    )
    def get(self, request: Request) -> Response:
        rows = people_queries.tokens(principal_of(request))
        return page(
            rows,
            request,
            self,
            listing=TOKENS,
            show=lambda found: plains([people_queries.token_view(each) for each in found]),
        )

    @described(
        "tokens_issue",
        "Make a token of one's own, or of a service account that one answers for",
        body=IssueToken,
        answer=IssuedToken,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        return issue(request)
