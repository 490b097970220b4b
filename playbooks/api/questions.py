"""Questions that runs put to people, and the answers to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import KEY, Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, idempotency_key, read
from playbooks.api.permissions import Need
from playbooks.operations import answers as operations
from playbooks.operations.refusals import Invalid
from playbooks.queries import questions as queries
from playbooks.queries.questions import QuestionRow, QuestionView

FILTERS = {"status": "status", "run": "run", "case": "run__case", "role": "role"}
ALL = Listing(("-opened_at", "-pk"), FILTERS, ("opened_at",))
ASKED = Listing(("opened_at", "pk"), FILTERS)
SEE = Need(("see_run",), "read")
FOR = OpenApiParameter(
    "for",
    str,
    enum=["me"],
    description="me: open, and one of the caller's roles may answer; the oldest first.",
)


class Answers(Body):
    """{field: value}; a field that is left out has its default."""

    answers: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    id: UUID
    run: UUID
    step: str
    status: str


class Questions(Endpoint):
    needs = {"GET": SEE}

    @described_list("questions_list", "Questions of runs", row=QuestionRow, listing=ALL, parameters=[FOR])
    def get(self, request: Request) -> Response:
        person = principal_of(request)
        whose = request.query_params.get("for", "")
        if whose not in {"", "me"}:
            raise Invalid([("", "The parameter for can only be me.")])
        return page(
            queries.asked_of(person) if whose else queries.questions(person),
            request,
            self,
            listing=ASKED if whose else ALL,
            show=lambda rows: plains(queries.rows(rows, person)),
            also=frozenset({"for"}),
        )


class Question(Endpoint):
    needs = {"GET": SEE}

    @described("questions_read", "One question: its fields, and its answers", answer=QuestionView)
    def get(self, request: Request, pk: UUID) -> Response:
        return answer(found(queries.question_view(pk, principal_of(request)), "question", pk))


class Answer(Endpoint):
    """Open to whoever may see runs: the operation refuses whoever does not hold the role, and every token."""

    needs = {"POST": Need(SEE.permissions, "")}

    @described(
        "questions_answer",
        "Answer a question; whoever does counts as having asked for what follows",
        body=Answers,
        answer=Answered,
        parameters=[KEY],
        is_write=True,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        row = operations.answer(
            pk,
            caller=caller_of(request),
            answers=read(Answers, request).answers,
            idempotency_key=idempotency_key(request),
        )
        return answer(Answered(row.pk, row.run_id, row.step.key, row.status))
