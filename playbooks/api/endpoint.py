"""What every endpoint is: closed unless it says what it needs, and described for OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from playbooks.api.answers import ProblemDetails, page_of
from playbooks.api.pagination import Listing
from playbooks.api.permissions import Entitled, Need
from playbooks.operations.refusals import Invalid, Missing

Found = TypeVar("Found")
Method = Callable[..., Any]

PROBLEMS = {
    (400, "application/problem+json"): ProblemDetails,
    (401, "application/problem+json"): ProblemDetails,
    (403, "application/problem+json"): ProblemDetails,
    (404, "application/problem+json"): ProblemDetails,
}
CONFLICT = {(409, "application/problem+json"): ProblemDetails}
KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="The same key with the same request gives the same answer and no second change.",
)


class LengthRequired(APIException):
    """A WSGI server hands over no body whose length is unknown, and an alert must not be lost in silence."""

    status_code = 411
    default_detail = "Send the body with a Content-Length, not in chunks."


class OneRepresentation(DefaultContentNegotiation):
    """An endpoint has one representation, whatever `Accept` says; `?format=` is a parameter like others."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 — the framework's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class Endpoint(APIView):
    """`needs` says for each method what it takes; a method without an entry does not exist."""

    needs: ClassVar[Mapping[str, Need]] = {}
    permission_classes: Sequence[type[BasePermission]] = (Entitled,)
    content_negotiation_class = OneRepresentation
    metadata_class = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "Transfer-Encoding" in request.headers and "Content-Length" not in request.headers:
            raise LengthRequired
        if any("\0" in each for each in request.query_params.values()):
            raise Invalid([("", "A parameter holds the character NUL.")])


def described(
    name: str,
    summary: str,
    *,
    answer: Any,
    body: Any = None,
    status: int = 200,
    parameters: Sequence[OpenApiParameter] = (),
    is_write: bool = False,
) -> Callable[[Method], Method]:
    """How a method stands in the OpenAPI document: `name` is its operationId.

    `answer` is the shape of the body, or {(status, media type): shape} where there are several.
    """
    answers = answer if isinstance(answer, dict) else {status: answer}
    decorate: Callable[[Method], Method] = extend_schema(
        operation_id=name,
        summary=summary,
        request=body,
        parameters=list(parameters),
        responses={**answers, **PROBLEMS, **(CONFLICT if is_write else {})},
    )
    return decorate


def described_list(
    name: str, summary: str, *, row: type[Any], listing: Listing, parameters: Sequence[OpenApiParameter] = ()
) -> Callable[[Method], Method]:
    """`described` for a page of `row`, with the parameters that the list takes."""
    taken = [
        *parameters,
        *(OpenApiParameter(each, str, description="Filter.") for each in sorted(listing.filters)),
        OpenApiParameter("cursor", str, description="From `next` or `previous` of another page."),
        OpenApiParameter("page_size", int, description="At most 200."),
    ]
    if listing.sortable:
        choices = [sign + each for each in listing.sortable for sign in ("", "-")]
        taken.append(OpenApiParameter("ordering", str, enum=choices))
    return described(name, summary, answer=page_of(row), parameters=taken)


def found(value: Found | None, what: str, key: UUID | str | int) -> Found:
    """The value, or Missing: one answer for what is not there and for what the caller may not know of."""
    if value is None:
        raise Missing(f"There is no {what} {key}.")
    return value
