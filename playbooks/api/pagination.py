"""Pages by cursor: they stay right while rows are added, and the last one costs what the first one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import Model, QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from playbooks.operations.refusals import Invalid

Row = TypeVar("Row", bound=Model)

RESERVED = frozenset({"cursor", "page_size", "ordering"})


class Pages(CursorPagination):
    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.get_next_link(), "previous": self.get_previous_link()})


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list can be filtered by ({parameter: look-up}) and sorted by; `ordering` is the default."""

    ordering: tuple[str, ...]
    filters: Mapping[str, str]
    sortable: tuple[str, ...] = ()


def page(
    rows: QuerySet[Row],
    request: Request,
    view: APIView,
    *,
    listing: Listing,
    show: Callable[[Sequence[Row]], Sequence[Any]],
    also: frozenset[str] = frozenset(),
) -> Response:
    """One page of `rows`, filtered and sorted as the query says.

    `also` are parameters that the view reads itself. Raises Invalid for one that the list does not have, and for a
    cursor that is of another list.
    """
    pages = Pages()
    pages.ordering = _ordering(request, listing)
    filtered = _filtered(rows, request, listing, also)
    try:
        found = pages.paginate_queryset(filtered, request, view=view)
    except (ValidationError, ValueError, DataError):
        raise Invalid([("", "The cursor is of another list. Begin again without it.")]) from None
    return pages.get_paginated_response(list(show(found or [])))


def _filtered(rows: QuerySet[Row], request: Request, listing: Listing, also: frozenset[str]) -> QuerySet[Row]:
    for name in request.query_params:
        if name in RESERVED | also:
            continue
        if name not in listing.filters:
            raise Invalid(
                [("", f"There is no filter {name}. Filters: {', '.join(sorted(listing.filters)) or 'none'}.")]
            )
        look_up, value = listing.filters[name], request.query_params[name]
        try:
            rows = rows.filter(**{look_up: instant(value) if "_at__" in look_up else value})
        except (ValidationError, ValueError):
            raise Invalid([("", f"The filter {name} cannot be {value[:100]!r}.")]) from None
    return rows


def instant(text: str) -> datetime:
    """A point in time (RFC 3339; a date alone is its midnight in UTC). Raises Invalid."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid([("", f"{text[:100]!r} is no time such as 2026-01-31T09:30:00Z.")]) from None


def _ordering(request: Request, listing: Listing) -> tuple[str, ...]:
    asked = request.query_params.get("ordering", "")
    if not asked:
        return listing.ordering
    if asked.removeprefix("-") not in listing.sortable:
        raise Invalid([("", f"This list can be sorted by {', '.join(listing.sortable) or 'nothing else'}.")])
    return asked, "-pk" if asked.startswith("-") else "pk"
