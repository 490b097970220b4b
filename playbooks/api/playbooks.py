"""Playbooks: written as YAML, checked, and governed version by version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import ApplicationYAMLParser, Body, JSONTextParser, YAMLParser, read
from playbooks.api.permissions import Need
from playbooks.domain.check import check
from playbooks.domain.problems import Problem
from playbooks.domain.schema import json_schema
from playbooks.models import Playbook as PlaybookModel
from playbooks.models import PlaybookVersion
from playbooks.operations import playbooks as operations
from playbooks.operations.actions import actions
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid
from playbooks.operations.runs import alert_scope
from playbooks.queries import differences, impact
from playbooks.queries import playbooks as queries
from playbooks.queries.differences import DifferencesView
from playbooks.queries.playbooks import PlaybookRow, PlaybookView, VersionView

LISTING = Listing(ordering=("slug",), filters={"text": "title__icontains"}, sortable=("slug", "created_at"))
SEE = Need(("see_playbook",), "read", on=PlaybookModel)
WRITE = Need(("write_playbook",), "author", on=PlaybookModel)
PUBLISH = Need(("publish_playbook",), None, on=PlaybookModel)  # a person in a session: no token governs
REVIEW = Need(("publish_playbook", "write_playbook"), None, on=PlaybookModel)
TEXT = {"text/yaml": str, "application/yaml": str}
FORMAT = OpenApiParameter(
    "format", str, enum=["json", "yaml"], description="yaml: the text as it was written."
)


@dataclass(frozen=True, slots=True)
class Checked:
    """`problems` are sorted by place; lines and columns count from 1."""

    ok: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class VersionMade:
    """`problems` is empty: a text that has any is refused with all of them."""

    playbook: str
    number: int
    status: str
    digest: str
    problems: tuple[Problem, ...] = ()


class SendBack(Body):
    reason: Annotated[str, StringConstraints(min_length=1, max_length=operations.LONGEST_REASON)]


class TextEndpoint(Endpoint):
    parser_classes = (YAMLParser, ApplicationYAMLParser, JSONTextParser)


class Playbooks(TextEndpoint):
    needs = {"GET": SEE, "POST": WRITE}

    @described_list("playbooks_list", "Playbooks", row=PlaybookRow, listing=LISTING)
    def get(self, request: Request) -> Response:
        rows = queries.playbooks(principal_of(request))
        return page(
            rows, request, self, listing=LISTING, show=lambda found: plains([queries.row(p) for p in found])
        )

    @described(
        "playbooks_create",
        "Store the text as a draft of the playbook that it names",
        body=TEXT,
        answer=VersionMade,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        return answer(_made(operations.draft(_text(request), caller=caller_of(request))), status=201)


class Check(TextEndpoint):
    needs = {"POST": Need(("see_playbook",), "read", on=PlaybookModel)}

    @described("playbooks_check", "Every problem of a text, with its place", body=TEXT, answer=Checked)
    def post(self, request: Request) -> Response:
        problems = check(_text(request), actions()).problems
        return answer(Checked(not problems, tuple(problems)))


class Language(Endpoint):
    """The JSON Schema of playbooks. It holds no data, so every principal may read it."""

    needs = {"GET": Need((), "")}

    @extend_schema(exclude=True)  # it describes itself
    def get(self, request: Request) -> Response:  # noqa: ARG002 — the framework's signature
        return Response(json_schema())


class Playbook(Endpoint):
    needs = {"GET": SEE}

    @described("playbooks_read", "One playbook with its versions", answer=PlaybookView)
    def get(self, request: Request, slug: str) -> Response:
        return answer(found(queries.playbook_view(slug, principal_of(request)), "playbook", slug))


class Versions(TextEndpoint):
    needs = {"POST": WRITE}

    @described(
        "playbooks_draft_version",
        "Store the text as the next draft of this playbook",
        body=TEXT,
        answer=VersionMade,
        status=201,
        is_write=True,
    )
    def post(self, request: Request, slug: str) -> Response:
        found(queries.playbook_view(slug, principal_of(request)), "playbook", slug)
        return answer(
            _made(operations.draft(_text(request), caller=caller_of(request), slug=slug)), status=201
        )


class Version(Endpoint):
    needs = {"GET": SEE}

    @described(
        "playbooks_read_version",
        "One version with its text",
        answer={(200, "application/json"): VersionView, (200, "text/yaml"): OpenApiTypes.STR},
        parameters=[FORMAT],
    )
    def get(self, request: Request, slug: str, number: int) -> Response | HttpResponse:
        version = found(
            queries.version_view(slug, number, principal_of(request)), f"version {number} of", slug
        )
        match request.query_params.get("format", "json"):
            case "json":
                return answer(version)
            case "yaml":
                return HttpResponse(version.source, content_type="text/yaml; charset=utf-8")
        raise Invalid([("", "The format can be json or yaml.")])


class Submission(Endpoint):
    needs = {"POST": WRITE}

    @described("playbooks_submit", "Send a draft to review", answer=VersionMade, is_write=True)
    def post(self, request: Request, slug: str, number: int) -> Response:
        return _governed(operations.submit, slug, number, caller_of(request))


class Return(Endpoint):
    needs = {"POST": REVIEW}

    @described(
        "playbooks_send_back",
        "Make a version in review a draft again, with the reason",
        body=SendBack,
        answer=VersionMade,
        is_write=True,
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        reason = read(SendBack, request).reason
        return answer(_made(operations.send_back(slug, number, caller=caller_of(request), reason=reason)))


class Adaptation(Endpoint):
    needs = {"POST": WRITE}

    @described(
        "playbooks_adapt",
        "Store the text of a version, such as a retired one, as a new draft",
        answer=VersionMade,
        status=201,
        is_write=True,
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        return answer(_made(operations.adapt(slug, number, caller=caller_of(request))), status=201)


class Diff(Endpoint):
    needs = {"GET": SEE}

    @described(
        "playbooks_diff",
        "What changes from the lower of two versions to the higher, governance first",
        answer=DifferencesView,
    )
    def get(self, request: Request, slug: str, number: int, other: int) -> Response:
        view = differences.differences_view(slug, number, other, principal_of(request))
        return answer(found(view, f"version {number} or {other} of", slug))


class Effects(Endpoint):
    needs = {"GET": SEE}

    @described("playbooks_impact", "What publishing or retiring a version would do", answer=impact.Impact)
    def get(self, request: Request, slug: str, number: int) -> Response:
        view = impact.impact(slug, number, principal_of(request), now=timezone.now(), scope_of=alert_scope)
        return answer(found(view, f"version {number} of", slug))


class Publication(Endpoint):
    needs = {"POST": PUBLISH}

    @described("playbooks_publish", "Put a reviewed version in force", answer=VersionMade, is_write=True)
    def post(self, request: Request, slug: str, number: int) -> Response:
        return _governed(operations.publish, slug, number, caller_of(request))


class Retirement(Endpoint):
    needs = {"POST": PUBLISH}

    @described("playbooks_retire", "Take a version out of force", answer=VersionMade, is_write=True)
    def post(self, request: Request, slug: str, number: int) -> Response:
        return _governed(operations.retire, slug, number, caller_of(request))


def _governed(govern: Callable[..., PlaybookVersion], slug: str, number: int, caller: Caller) -> Response:
    return answer(_made(govern(slug, number, caller=caller)))


def _made(version: PlaybookVersion) -> VersionMade:
    return VersionMade(version.playbook.slug, version.number, version.status, version.digest)


def _text(request: Request) -> str:
    """The body, which is empty where there was none."""
    data: object = request.data
    return data if isinstance(data, str) else ""
