"""Policies: written as YAML, checked, governed version by version, explained, and tried on what has happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from pydantic import Field, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.api.playbooks import FORMAT, TEXT, TextEndpoint
from playbooks.domain.problems import Problem
from playbooks.models import PolicyVersion
from playbooks.operations import policies as operations
from playbooks.operations import policy_trials
from playbooks.operations.caller import Caller
from playbooks.operations.policy_trials import Explanation, Simulation
from playbooks.operations.refusals import Invalid
from playbooks.queries import policies as queries
from playbooks.queries.policies import PolicyDifferences, PolicyRow, PolicyVersionView, PolicyView

LISTING = Listing(ordering=("slug",), filters={"text": "title__icontains"}, sortable=("slug", "created_at"))
SEE = Need(("see_policy",), "read")
# A person in a session: no token writes or governs what everybody is asked by.
WRITE = Need(("write_policy",), None)
PUBLISH = Need(("publish_policy",), None)
REVIEW = Need(("publish_policy", "write_policy"), None)
Reason = Annotated[str, StringConstraints(min_length=1, max_length=operations.LONGEST_REASON)]


@dataclass(frozen=True, slots=True)
class PolicyChecked:
    """`problems` are sorted by place; lines and columns count from 1."""

    ok: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class PolicyVersionMade:
    policy: str
    number: int
    status: str
    digest: str


class PolicyReason(Body):
    reason: Reason


class AskedAbout(Body):
    """An action, as a step would perform it. Without `target`, that of the parameters."""

    action: Annotated[str, StringConstraints(max_length=100)]
    connection: Annotated[str, StringConstraints(max_length=64)]
    target: Annotated[str, StringConstraints(max_length=500)] = ""
    parameters: dict[str, Any] = {}
    severity: Annotated[int, Field(ge=0, le=100)] = 0
    phase: Literal["do", "undo"] = "do"


class Policies(TextEndpoint):
    needs = {"GET": SEE, "POST": WRITE}

    @described_list("policies_list", "Policies", row=PolicyRow, listing=LISTING)
    def get(self, request: Request) -> Response:
        rows = queries.policies(principal_of(request))
        return page(rows, request, self, listing=LISTING, show=lambda found: plains(queries.rows(found)))

    @described(
        "policies_create",
        "Store the text as a draft of the policy that it names",
        body=TEXT,
        answer=PolicyVersionMade,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        return answer(_made(operations.draft(_text(request), caller=caller_of(request))), status=201)


class Check(TextEndpoint):
    needs = {"POST": SEE}

    @described("policies_check", "Every problem of a text, with its place", body=TEXT, answer=PolicyChecked)
    def post(self, request: Request) -> Response:
        problems = operations.checked(_text(request)).problems
        return answer(PolicyChecked(not problems, problems))


class Explain(Endpoint):
    needs = {"POST": SEE}

    @described(
        "policies_explain",
        "Which policies match an action, and what they ask",
        body=AskedAbout,
        answer=Explanation,
    )
    def post(self, request: Request) -> Response:
        body = read(AskedAbout, request)
        question = policy_trials.Question(**body.model_dump())
        return answer(policy_trials.explain(question, caller=caller_of(request)))


class Simulate(TextEndpoint):
    needs = {"POST": SEE}

    @described(
        "policies_simulate",
        "What a policy would have asked in the last 30 days",
        body=TEXT,
        answer=Simulation,
    )
    def post(self, request: Request) -> Response:
        return answer(policy_trials.simulate(_text(request), caller=caller_of(request)))


class Policy(Endpoint):
    needs = {"GET": SEE}

    @described("policies_read", "One policy with its versions", answer=PolicyView)
    def get(self, request: Request, slug: str) -> Response:
        return answer(found(queries.policy_view(slug, principal_of(request)), "policy", slug))


class Versions(TextEndpoint):
    needs = {"POST": WRITE}

    @described(
        "policies_draft_version",
        "Store the text as the next draft of this policy",
        body=TEXT,
        answer=PolicyVersionMade,
        status=201,
        is_write=True,
    )
    def post(self, request: Request, slug: str) -> Response:
        found(queries.policy_view(slug, principal_of(request)), "policy", slug)
        made = operations.draft(_text(request), caller=caller_of(request), slug=slug)
        return answer(_made(made), status=201)


class Version(Endpoint):
    needs = {"GET": SEE}

    @described(
        "policies_read_version",
        "One version with its text",
        answer={(200, "application/json"): PolicyVersionView, (200, "text/yaml"): OpenApiTypes.STR},
        parameters=[FORMAT],
    )
    def get(self, request: Request, slug: str, number: int) -> Response | HttpResponse:
        version = _version(request, slug, number)
        match request.query_params.get("format", "json"):
            case "json":
                return answer(version)
            case "yaml":
                return HttpResponse(version.source, content_type="text/yaml; charset=utf-8")
        raise Invalid([("", "The format can be json or yaml.")])


class Diff(Endpoint):
    needs = {"GET": SEE}

    @described(
        "policies_diff",
        "What changes from the lower of two versions to the higher, governance first",
        answer=PolicyDifferences,
    )
    def get(self, request: Request, slug: str, number: int, other: int) -> Response:
        view = queries.differences(slug, number, other, principal_of(request))
        return answer(found(view, f"version {number} or {other} of", slug))


class VersionSimulation(Endpoint):
    needs = {"GET": SEE}

    @described(
        "policies_simulate_version",
        "What a version would have asked in the last 30 days",
        answer=Simulation,
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        text = _version(request, slug, number).source
        return answer(policy_trials.simulate(text, caller=caller_of(request)))


class Submission(Endpoint):
    needs = {"POST": WRITE}

    @described("policies_submit", "Send a draft to review", answer=PolicyVersionMade, is_write=True)
    def post(self, request: Request, slug: str, number: int) -> Response:
        return _governed(operations.submit, slug, number, caller_of(request))


class Return(Endpoint):
    needs = {"POST": REVIEW}

    @described(
        "policies_send_back",
        "Make a version in review a draft again, with the reason",
        body=PolicyReason,
        answer=PolicyVersionMade,
        is_write=True,
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        reason = read(PolicyReason, request).reason
        return answer(_made(operations.send_back(slug, number, caller=caller_of(request), reason=reason)))


class Adaptation(Endpoint):
    needs = {"POST": WRITE}

    @described(
        "policies_adapt",
        "Store the text of a version as a new draft",
        answer=PolicyVersionMade,
        status=201,
        is_write=True,
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        return answer(_made(operations.adapt(slug, number, caller=caller_of(request))), status=201)


class Second(Endpoint):
    needs = {"POST": PUBLISH}

    @described(
        "policies_second",
        "Agree to a permit, before somebody else puts it in force",
        answer=PolicyVersionMade,
        is_write=True,
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        return _governed(operations.second, slug, number, caller_of(request))


class Publication(Endpoint):
    needs = {"POST": PUBLISH}

    @described("policies_publish", "Put a reviewed version in force", answer=PolicyVersionMade, is_write=True)
    def post(self, request: Request, slug: str, number: int) -> Response:
        return _governed(operations.publish, slug, number, caller_of(request))


class Retirement(Endpoint):
    needs = {"POST": PUBLISH}

    @described(
        "policies_retire",
        "Ask for the end of a version in force, or confirm what somebody else has asked for",
        body=PolicyReason,
        answer=PolicyVersionMade,
        is_write=True,
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        reason = read(PolicyReason, request).reason
        return answer(_made(operations.retire(slug, number, caller=caller_of(request), reason=reason)))


def _governed(govern: Callable[..., PolicyVersion], slug: str, number: int, caller: Caller) -> Response:
    return answer(_made(govern(slug, number, caller=caller)))


def _version(request: Request, slug: str, number: int) -> PolicyVersionView:
    return found(queries.version_view(slug, number, principal_of(request)), f"version {number} of", slug)


def _made(version: PolicyVersion) -> PolicyVersionMade:
    return PolicyVersionMade(version.policy.slug, version.number, version.status, version.digest)


def _text(request: Request) -> str:
    """The body, which is empty where there was none."""
    data: object = request.data
    return data if isinstance(data, str) else ""
