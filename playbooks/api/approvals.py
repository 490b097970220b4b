"""Approval requests and decisions on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from pydantic import Field, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import KEY, Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, idempotency_key, read
from playbooks.api.permissions import Need
from playbooks.api.stepping_up import StepUpProof, take_once
from playbooks.domain.statuses import Verdict
from playbooks.operations import approvals as operations
from playbooks.operations import denied, strikes, withdrawals
from playbooks.operations.refusals import Invalid
from playbooks.queries import approvals as queries
from playbooks.queries.approvals import RequestView

FILTERS = {"status": "status", "run": "run", "case": "run__case"}
ALL = Listing(("-opened_at", "-pk"), FILTERS, ("opened_at",))
INBOX = Listing(("urgency", "due_at", "pk"), FILTERS)
FOR = OpenApiParameter(
    "for", str, enum=["me"], description="me: what the caller's roles can fill, most urgent first."
)


Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Decide(Body):
    """`digest` is that of the subject as it was shown. A denial needs its comment."""

    verdict: Literal[Verdict.APPROVE, Verdict.DENY]
    digest: Digest
    comment: Annotated[str, StringConstraints(max_length=10_000)] = ""
    step_up: StepUpProof | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """`status` is that of the request after the decision."""

    id: UUID
    run: UUID
    status: str
    verdict: str
    digest: str


class TakeBack(Body):
    reason: Annotated[str, StringConstraints(max_length=10_000)]


class Strike(Body):
    """`steps` are keys of the subject's covered items; `digest` is that of the subject as it was shown."""

    digest: Digest
    steps: Annotated[list[str], Field(min_length=1, max_length=10_000)]
    reason: Annotated[str, StringConstraints(max_length=10_000)]


@dataclass(frozen=True, slots=True)
class Struck:
    """The request that is open instead, over what is left."""

    id: UUID
    run: UUID
    status: str
    digest: str


class AskAgain(Body):
    """`evidence` is what is new since it was denied."""

    evidence: Annotated[str, StringConstraints(max_length=10_000)]


@dataclass(frozen=True, slots=True)
class TakenBack:
    """`status` is that of the request afterwards."""

    id: UUID
    run: UUID
    status: str


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """`run` is the re-run that asks again, `request` the one that was denied."""

    run: UUID
    request: UUID


class Approvals(Endpoint):
    needs = {"GET": Need(("see_request",), "read")}

    @described_list("approvals_list", "Approval requests", row=RequestView, listing=ALL, parameters=[FOR])
    def get(self, request: Request) -> Response:
        person = principal_of(request)
        whose = request.query_params.get("for", "")
        if whose not in {"", "me"}:
            raise Invalid([("", "The parameter for can only be me.")])
        return page(
            queries.inbox(person) if whose else queries.requests(person),
            request,
            self,
            listing=INBOX if whose else ALL,
            show=lambda rows: plains(queries.views(rows, person)),
            also=frozenset({"for"}),
        )


class Approval(Endpoint):
    needs = {"GET": Need(("see_request",), "read")}

    @described(
        "approvals_read", "One approval request, and what forbids the caller to decide it", answer=RequestView
    )
    def get(self, request: Request, pk: UUID) -> Response:
        return answer(found(queries.request_view(pk, principal_of(request)), "approval request", pk))


class Decision(Endpoint):
    """Open to whoever is signed in: the operation refuses by the duty rules and audits the refusal."""

    needs = {"POST": Need((), "")}

    @described(
        "approvals_decide",
        "Approve or deny what the digest stands for",
        body=Decide,
        answer=Decided,
        parameters=[KEY],
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body = read(Decide, request)
        take_once(request, body.step_up)
        row = operations.decide(
            pk,
            caller=caller_of(request),
            verdict=body.verdict,
            shown_digest=body.digest,
            comment=body.comment,
            idempotency_key=idempotency_key(request),
        )
        return answer(Decided(row.pk, row.run_id, row.status, body.verdict.value, body.digest))


class DecisionWithdrawal(Endpoint):
    needs = {"POST": Need(("see_request",), "")}

    @described(
        "approvals_withdraw_decision",
        "Take back one's own decision, for good, while the quorum is not reached",
        body=TakeBack,
        answer=TakenBack,
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body = read(TakeBack, request)
        row = withdrawals.withdraw_decision(pk, caller=caller_of(request), reason=body.reason)
        return answer(TakenBack(row.pk, row.run_id, row.status))


class Striking(Endpoint):
    """The operation refuses by the duty rules and audits the refusal."""

    needs = {"POST": Need(("see_request",), "")}

    @described(
        "approvals_strike",
        "Leave single items out of a request; what is left is asked about anew",
        body=Strike,
        answer=Struck,
        status=201,
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body = read(Strike, request)
        row = strikes.strike(
            pk,
            caller=caller_of(request),
            steps=body.steps,
            shown_digest=body.digest,
            reason=body.reason,
        )
        return answer(Struck(row.pk, row.run_id, row.status, row.digest), status=201)


class Withdrawal(Endpoint):
    needs = {"POST": Need(("see_request",), "runs")}

    @described(
        "approvals_withdraw",
        "Take back a request that one asked for; its run fails at the gate",
        body=TakeBack,
        answer=TakenBack,
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body = read(TakeBack, request)
        row = withdrawals.withdraw_request(pk, caller=caller_of(request), reason=body.reason)
        return answer(TakenBack(row.pk, row.run_id, row.status))


class AskingAgain(Endpoint):
    needs = {"POST": Need(("start_run",), "runs")}

    @described(
        "approvals_ask_again",
        "Ask once more what was denied, with new evidence, of other people",
        body=AskAgain,
        answer=AskedAgain,
        status=201,
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body = read(AskAgain, request)
        run = denied.ask_again(pk, caller=caller_of(request), evidence=body.evidence)
        return answer(AskedAgain(run.pk, pk), status=201)
