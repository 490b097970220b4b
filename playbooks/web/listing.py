"""Lists: filters, search and pages, all of them in the address, so that a view can be kept and shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

Row = TypeVar("Row", bound=Model)
View = TypeVar("View")

SIZE = 25
LAST_PAGE = 1000
LONGEST_SEARCH = 200


@dataclass(frozen=True, slots=True)
class Filter:
    label: str
    url: str
    active: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[View]):
    """`previous_url` and `next_url` are empty where there is no such page."""

    rows: tuple[View, ...]
    previous_url: str
    next_url: str
    summary: str


def page_of(
    rows: QuerySet[Row], request: HttpRequest, show: Callable[[Sequence[Row]], Sequence[View]]
) -> Page[View]:
    """One page of `rows`, in as many queries as `show` needs and one more."""
    number = _number(request)
    first = (number - 1) * SIZE
    found = list(rows[first : first + SIZE + 1])
    return Page(
        rows=tuple(show(found[:SIZE])),
        previous_url=address(request, page=str(number - 1)) if number > 1 else "",
        next_url=address(request, page=str(number + 1)) if len(found) > SIZE else "",
        summary=f"Page {number}",
    )


def filters(request: HttpRequest, name: str, choices: Mapping[str, str]) -> list[Filter]:
    """Tabs that set the parameter `name`. The first choice is the one without it."""
    chosen = choice(request, name, choices)
    return [
        Filter(label, address(request, **{name: value, "page": ""}), value == chosen)
        for value, label in choices.items()
    ]


def choice(request: HttpRequest, name: str, choices: Mapping[str, str]) -> str:
    """The chosen one, and the first for anything that is none of them."""
    value = request.GET.get(name, "")
    return value if value in choices else next(iter(choices))


def search_of(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]


def searched(rows: QuerySet[Row], text: str, *columns: str) -> QuerySet[Row]:
    """Those of `rows` that have `text` in one of the columns; all of them for an empty text."""
    if not text:
        return rows
    condition = Q()
    for column in columns:
        condition |= Q(**{f"{column}__icontains": text})
    return rows.filter(condition)


def address(request: HttpRequest, **changes: str) -> str:
    """The address of the page with some parameters changed; empty ones are left out."""
    parameters = request.GET.copy()
    for name, value in changes.items():
        parameters[name] = value
    for name in [name for name, value in parameters.items() if not value]:
        del parameters[name]
    return f"?{parameters.urlencode()}"


def _number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return min(max(int(text), 1), LAST_PAGE) if text.isascii() and text.isdigit() and len(text) < 9 else 1
