"""What is wrong with a document, where, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """`line` and `column` count from 1. Problems sort by place."""

    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of a document that could be read: at the value under `path`, or at its key."""

    path: tuple[str | int, ...]
    message: str
    at_key: bool = False


class Unreadable(ValueError):
    """The text is no document at all, or one of a form that is refused; `problems` are sorted."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("; ".join(f"{each.line}:{each.column}: {each.message}" for each in self.problems))


def nearest(name: str, known: Iterable[str]) -> str:
    """A suffix such as ", did you mean 'with'?", empty when no known name is near."""
    close = get_close_matches(name[:100], list(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""


def place_in(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of the character at `offset`."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
