"""Rights on single objects, and who is kept out of a case. Written by sessions only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from pydantic import AwareDatetime, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described
from playbooks.api.parsing import Body, read
from playbooks.api.people import SEE, Slug, Username
from playbooks.api.permissions import Need
from playbooks.api.stepping_up import Proving, read_proven
from playbooks.api.teams import Key, Kind
from playbooks.models import Case
from playbooks.operations import confidences
from playbooks.operations import grants as operations
from playbooks.operations.grants import To
from playbooks.operations.refusals import Invalid
from playbooks.operations.rights import Blocked
from playbooks.queries import rights as queries
from playbooks.queries.rights import GrantView

NARROWED = ("kind", "key", "person", "role")
ON_OBJECT = Need(("work_case", "manage_people"), None, on=Case)  # the operation knows which
WORK_ON_CASE = Need(("work_case",), None, on=Case)
Reason = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class Right(Body):
    """A permission on one object, for a person or for a role."""

    kind: Kind
    key: Key
    permission: Slug
    person: Username | None = None
    role: Slug | None = None

    @property
    def to(self) -> To:
        return To(person=self.person or "", role=self.role or "")


class Give(Right, Proving):
    reason: Reason
    until: AwareDatetime | None = None


class Restrict(Proving):
    """`named` are those who see the case besides the caller; to name any takes a proof."""

    named: list[Username] = []
    reason: Reason


class Because(Body):
    reason: Reason


class Subject(Body):
    person: Username
    reason: Reason


@dataclass(frozen=True, slots=True)
class Grants:
    """All that are in force, as far as the viewer reaches the objects; no pages."""

    results: tuple[GrantView, ...]


@dataclass(frozen=True, slots=True)
class Given:
    permission: str
    granted_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Left:
    """`blocked` are the open requests that the change left without anybody who could grant them."""

    blocked: tuple[Blocked, ...]


class AllGrants(Endpoint):
    needs = {"GET": SEE, "POST": ON_OBJECT}

    @described(
        "grants_list",
        "Rights on single objects, the newest first",
        answer=Grants,
        parameters=[OpenApiParameter(each, str, description="Filter.") for each in NARROWED],
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params
        unknown = sorted(set(asked) - set(NARROWED))
        if unknown:
            raise Invalid([("", f"There is no filter {unknown[0]}. Filters: {', '.join(NARROWED)}.")])
        found = queries.grants(
            principal_of(request),
            kind=asked.get("kind", ""),
            key=asked.get("key", ""),
            holder=asked.get("person", ""),
            role=asked.get("role", ""),
        )
        return answer(Grants(found))

    @described(
        "grants_give", "Give a right on one object", body=Give, answer=Given, status=201, is_write=True
    )
    def post(self, request: Request) -> Response:
        body = read_proven(Give, request)
        grant = operations.give(
            body.kind,
            body.key,
            caller=caller_of(request),
            to=body.to,
            permission=body.permission,
            reason=body.reason,
            until=body.until,
        )
        return answer(Given(body.permission, grant.granted_at, grant.expires_at), status=201)


class GrantTaken(Endpoint):
    needs = {"POST": ON_OBJECT}

    @described("grants_take", "Take a right back", body=Right, answer=Left, is_write=True)
    def post(self, request: Request) -> Response:
        body, caller = read(Right, request), caller_of(request)
        return answer(
            Left(operations.take(body.kind, body.key, caller=caller, to=body.to, permission=body.permission))
        )


class Restriction(Endpoint):
    needs = {"POST": WORK_ON_CASE}

    @described(
        "cases_restrict", "Keep all but those named from a case", body=Restrict, answer=Left, is_write=True
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body = read_proven(Restrict, request)
        caller = caller_of(request)
        return answer(Left(confidences.restrict(pk, caller=caller, named=body.named, reason=body.reason)))


class RestrictionEnd(Endpoint):
    needs = {"POST": WORK_ON_CASE}

    @described("cases_release", "Let a case be seen again", body=Because, answer=Left, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        confidences.release(pk, caller=caller_of(request), reason=read(Because, request).reason)
        return answer(Left(()))


class Subjects(Endpoint):
    needs = {"POST": WORK_ON_CASE}

    @described(
        "cases_name_subject", "Say that a case is about somebody", body=Subject, answer=Left, is_write=True
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body, caller = read(Subject, request), caller_of(request)
        return answer(Left(confidences.name_subject(pk, body.person, caller=caller, reason=body.reason)))


class SubjectCleared(Endpoint):
    needs = {"POST": WORK_ON_CASE}

    @described(
        "cases_clear_subject",
        "Say that a case is no longer about somebody",
        body=Subject,
        answer=Left,
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body = read(Subject, request)
        confidences.clear_subject(pk, body.person, caller=caller_of(request), reason=body.reason)
        return answer(Left(()))
