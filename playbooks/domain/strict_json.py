"""JSON as it is taken from outside: strict (RFC 8259), bounded, and refused with line and column.

The standard library parses; what it would let pass is refused here: duplicate keys, NaN and infinities,
numbers that no column can hold, lone surrogates and NUL in strings, and nesting that would exhaust the stack.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import NoReturn

from playbooks.domain.problems import Problem, Unreadable, place_in

LEAST, GREATEST = -(2**63), 2**64 - 1

# The closing quote is optional, so that an unterminated string is one token, not a scan for each quote in it.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}:,]|[^\s\[\]{}:,"]++', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")


def read_json(raw: bytes, *, max_depth: int = 64) -> object:
    """The value of the JSON text `raw` (UTF-8). Raises Unreadable with one problem."""
    text = _decoded(raw)
    # Counting is much faster than scanning, and what has few brackets cannot be deep.
    if raw.count(b"[") + raw.count(b"{") > max_depth:
        _refuse_depth(text, max_depth)
    try:
        value: object = json.loads(
            text, object_pairs_hook=_pairs, parse_constant=_refused, parse_int=_integer, parse_float=_number
        )
    except _RefusedError:
        raise _at(text, *_culprit(text)) from None
    except json.JSONDecodeError as error:
        raise _at(text, error.pos, f"this is not JSON: {error.msg}") from None
    if "\\u" in text:
        _refuse_escapes(text)
    return value


class _RefusedError(Exception):
    """The standard library met something that is refused; `_culprit` finds where."""


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        text = raw[: error.start].decode()
        raise _at(text, len(text), "this byte is not UTF-8") from None


def _at(text: str, offset: int, message: str) -> Unreadable:
    return Unreadable([Problem(*place_in(text, offset), message)])


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _RefusedError
    return value


def _refused(_constant: str) -> NoReturn:
    raise _RefusedError


def _integer(digits: str) -> int:
    # The length comes first: Python refuses to convert thousands of digits with an error of its own.
    if len(digits) > 20 or not LEAST <= (value := int(digits)) <= GREATEST:
        raise _RefusedError
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _RefusedError
    return value


def _refuse_depth(text: str, max_depth: int) -> None:
    depth = 0
    for match in _TOKEN.finditer(text):
        if match[0] in {"[", "{"}:
            depth += 1
            if depth > max_depth:
                raise _at(text, match.start(), f"nested deeper than {max_depth} levels")
        elif match[0] in {"]", "}"}:
            depth -= 1


def _refuse_escapes(text: str) -> None:
    high = -1  # where an escaped high surrogate that still needs its low one ended
    for match in _ESCAPE.finditer(text):
        code = int(match[1], 16) if match[1] else -1
        if code == 0:
            raise _at(text, match.start(), "the character NUL is refused")
        is_low = 0xDC00 <= code <= 0xDFFF
        if high >= 0 and not (is_low and high == match.start()):
            raise _lone(text, high - 6)
        if is_low and high < 0:
            raise _lone(text, match.start())
        high = match.end() if 0xD800 <= code <= 0xDBFF else -1
    if high >= 0:
        raise _lone(text, high - 6)


def _lone(text: str, offset: int) -> Unreadable:
    return _at(text, offset, "this escape is half of a surrogate pair and no character")


def _culprit(text: str) -> tuple[int, str]:
    """Offset and message of the first thing that the hooks refuse. `text` is valid JSON up to there."""
    keys: list[set[str]] = []  # of each open object or array; arrays have none
    for match, is_key in _tokens_with_keys(text):
        token = match[0]
        if token in {"{", "["}:
            keys.append(set())
        elif token in {"}", "]"}:
            keys.pop()
        elif is_key:
            name = json.loads(token)
            if name in keys[-1]:
                return match.start(), f"the key '{name[:100]}' is given twice"
            keys[-1].add(name)
        elif token in {"NaN", "Infinity", "-Infinity"}:
            return match.start(), f"{token} is no JSON number"
        elif _is_refused_number(token):
            return match.start(), "this number is too large: whole numbers have 64 bits, others are finite"
    return len(text), "this JSON is refused"


def _tokens_with_keys(text: str) -> Iterator[tuple[re.Match[str], bool]]:
    """Every token, and whether it is the key of a member: a string before a colon."""
    tokens = _TOKEN.finditer(text)
    last = next(tokens)
    for token in tokens:
        yield last, last[0].startswith('"') and token[0] == ":"
        last = token
    yield last, False


def _is_refused_number(token: str) -> bool:
    if not _NUMBER.fullmatch(token):
        return False
    try:
        _number(token) if re.search("[.eE]", token) else _integer(token)
    except _RefusedError:
        return True
    return False
