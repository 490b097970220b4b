"""Break-glass and its reviews, for people in their own session."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import StrictInt, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import KEY, Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, idempotency_key, read
from playbooks.api.permissions import Need
from playbooks.api.stepping_up import StepUpProof, take_once
from playbooks.domain.break_glass import USUAL_MINUTES
from playbooks.models import Finding
from playbooks.operations import break_glass as operations
from playbooks.operations import reviews as review_operations
from playbooks.queries import break_glass as queries
from playbooks.queries.break_glass import GlassView

SEE = Need(("see_request",), "read")
ALL = Listing(("-broken_at", "-pk"), {"run": "request__run", "case": "request__run__case"}, ("broken_at",))
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


class Break(Body):
    """`digest` is that of the subject as it was shown. The proof was begun for break_glass with the same digest."""

    digest: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    reason: Text
    minutes: StrictInt = USUAL_MINUTES
    step_up: StepUpProof | None = None


class Review(Body):
    finding: Finding
    comment: Text


class BreakGlass(Endpoint):
    needs = {"POST": Need(("break_glass",), None)}

    @described(
        "approvals_break_glass",
        "Run past an open gate; a review is due, and nothing calls it approved",
        body=Break,
        answer=GlassView,
        parameters=[KEY],
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body = read(Break, request)
        take_once(request, body.step_up)
        row = operations.use(
            pk,
            caller=caller_of(request),
            shown_digest=body.digest,
            reason=body.reason,
            minutes=body.minutes,
            idempotency_key=idempotency_key(request),
        )
        return answer(_view(request, row.pk))


class Reviews(Endpoint):
    needs = {"GET": SEE}

    @described_list("reviews_list", "What was passed by break-glass", row=GlassView, listing=ALL)
    def get(self, request: Request) -> Response:
        person = principal_of(request)
        return page(
            queries.passed(person),
            request,
            self,
            listing=ALL,
            show=lambda rows: plains(queries.views(rows, person)),
        )


class OneReview(Endpoint):
    needs = {"GET": SEE}

    @described("reviews_read", "One break-glass, and its review", answer=GlassView)
    def get(self, request: Request, pk: UUID) -> Response:
        return answer(_view(request, pk))


class Reviewing(Endpoint):
    needs = {"POST": Need(("review_break_glass",), None)}

    @described(
        "reviews_review",
        "Review a break-glass, once; nobody with a hand in it may",
        body=Review,
        answer=GlassView,
        parameters=[KEY],
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        body = read(Review, request)
        review_operations.review(
            pk,
            caller=caller_of(request),
            finding=body.finding,
            comment=body.comment,
            idempotency_key=idempotency_key(request),
        )
        return answer(_view(request, pk))


def _view(request: Request, pk: UUID) -> GlassView:
    return found(queries.glass_view(pk, principal_of(request)), "break-glass", pk)
