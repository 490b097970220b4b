"""What was posted, cut into alerts with their exact bytes: one JSON object, an array, or one a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from playbooks.api.parsing import MEBIBYTE
from playbooks.api.problems import TooLarge
from playbooks.domain.problems import Problem, Unreadable
from playbooks.domain.strict_json import read_json

ALERT_LIMIT = MEBIBYTE
ALERTS_LIMIT = 1000
TOO_LARGE = f"An alert has at most {ALERT_LIMIT // MEBIBYTE} MiB."


@dataclass(frozen=True, slots=True)
class Part:
    """One alert as it was posted. `line` and `column` say, from 1, where it begins in the body."""

    raw: bytes
    line: int
    column: int

    def read(self) -> object:
        """The JSON value. Raises Unreadable with places in the body."""
        if len(self.raw) > ALERT_LIMIT:
            raise Unreadable([Problem(self.line, self.column, TOO_LARGE)])
        try:
            return read_json(self.raw)
        except Unreadable as error:
            raise Unreadable(self._in_body(each) for each in error.problems) from None

    def _in_body(self, problem: Problem) -> Problem:
        column = problem.column + (self.column - 1 if problem.line == 1 else 0)
        return Problem(problem.line + self.line - 1, column, problem.message)


def single(body: bytes) -> Part | None:
    """The body as one alert; None when it is an array. Raises TooLarge."""
    if body.lstrip()[:1] == b"[":
        return None
    if len(body) > ALERT_LIMIT:
        raise TooLarge(TOO_LARGE)
    return Part(body, 1, 1)


def lines(body: bytes) -> list[Part]:
    """One alert a line (NDJSON); empty lines mean nothing."""
    return _bounded(
        Part(line, number, 1) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()
    )


def elements(body: bytes) -> list[Part]:
    """The elements of a JSON array. Raises Unreadable for what is none; what stands inside is read later."""
    try:
        return _bounded(_elements(body.decode()))
    except (ValueError, RecursionError):
        read_json(body)
        raise


def _bounded(parts: Iterator[Part]) -> list[Part]:
    found: list[Part] = []
    for part in parts:
        if len(found) == ALERTS_LIMIT:
            raise TooLarge(f"A request has at most {ALERTS_LIMIT} alerts. Send them in parts.")
        found.append(part)
    return found


# Numbers stay text here: this only finds where an element ends.
_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str)


def _elements(text: str) -> Iterator[Part]:
    line, line_start = 1, 0
    previous, position = 0, _after_space(text, text.index("[") + 1)
    while not text.startswith("]", position):
        line += text.count("\n", previous, position)
        line_start = text.rfind("\n", previous, position) + 1 or line_start
        _, end = _SCANNER.raw_decode(text, position)
        yield Part(text[position:end].encode(), line, position - line_start + 1)
        previous, position = position, _after_space(text, end)
        if text.startswith(",", position):
            position = _after_space(text, position + 1)
            if text.startswith("]", position):
                raise ValueError("A comma comes before another element.")
        elif not text.startswith("]", position):
            raise ValueError("Elements are separated by commas.")
    if _after_space(text, position + 1) != len(text):
        raise ValueError("Nothing comes after the array.")


def _after_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position
