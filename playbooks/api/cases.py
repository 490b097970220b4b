"""Cases: listed, read and closed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list, found
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.models import Case as CaseModel
from playbooks.operations import cases as operations
from playbooks.queries import cases as queries
from playbooks.queries.cases import CaseRow, CaseView

LISTING = Listing(
    ordering=("-opened_at", "-pk"),
    filters={"status": "status", "severity_from": "severity__gte", "text": "title__icontains"},
    sortable=("opened_at", "severity"),
)
SEE = Need(("see_case",), "read", on=CaseModel)


class Close(Body):
    resolution: Annotated[str, StringConstraints(max_length=10_000)]


class Cases(Endpoint):
    needs = {"GET": SEE}

    @described_list("cases_list", "Cases, newest first", row=CaseRow, listing=LISTING)
    def get(self, request: Request) -> Response:
        rows = queries.cases(principal_of(request))
        return page(
            rows, request, self, listing=LISTING, show=lambda found: plains([queries.row(c) for c in found])
        )


class Case(Endpoint):
    needs = {"GET": SEE}

    @described("cases_read", "One case with its alerts and runs", answer=CaseView)
    def get(self, request: Request, pk: UUID) -> Response:
        return answer(found(queries.case_view(pk, principal_of(request)), "case", pk))


class Closing(Endpoint):
    needs = {"POST": Need(("work_case",), "cases", on=CaseModel)}

    @described("cases_close", "Close a case with its resolution", body=Close, answer=CaseView, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        operations.close(pk, caller=caller_of(request), resolution=read(Close, request).resolution)
        return answer(found(queries.case_view(pk, principal_of(request)), "case", pk))
