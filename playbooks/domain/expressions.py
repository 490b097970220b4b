"""Expressions are CEL (https://cel.dev). Only this module and expression_types.py know the library.

The library returns errors as values that look like text; here they are raised, as sentences. Values that go
in and come out are those of JSON. Times go in as RFC 3339 text (`timestamp(now)` computes with them), since
the library takes no datetime; a timestamp, duration or bytes as result is refused, with the advice to write
string(…).

Bounds: 4 KB of source, 32 levels of syntax, 10,000 iterations (both by the library), 1 MiB of values that an
expression refers to, 64 KiB of them where it iterates (each turn may copy them), 64 KiB of result.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from playbooks.domain.expression_tree import Path, References, references_in
from playbooks.domain.problems import nearest

# `outputs` is in scope in the undo of an action, `item` inside an `each`, `turn` inside a `repeat`.
NAMES = ("alert", "case", "inputs", "steps", "run", "item", "turn", "now", "outputs")
MAX_SOURCE = 4096
MAX_CONTEXT = 1024 * 1024
MAX_CONTEXT_OF_LOOP = 64 * 1024
MAX_RESULT = 64 * 1024
MAX_DEPTH = 64
# Canonical JSON (RFC 8785) carries whole numbers exactly up to here.
GREATEST = 2**53 - 1

_OPENING = re.compile(r"\$\$\{|\$\{")
# A string literal may hold braces, so it is one token.
_BRACE = re.compile(r""""(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[{}]""", re.DOTALL)


class ExpressionError(ValueError):
    """An expression that cannot be evaluated; the message is one sentence for the author."""


def evaluate(source: str, scope: Mapping[str, object], *, names: tuple[str, ...] = NAMES) -> object:
    """The value of `source`, made of dict, list, str, int, float, bool and None. Raises ExpressionError.

    `names` are those that may be used at all: a policy sees others than a playbook.
    """
    expression, references = _compiled(source, names)
    limit = MAX_CONTEXT_OF_LOOP if references.loops else MAX_CONTEXT
    context = _Context(source, limit).of(scope, references.paths)
    try:
        value = expression.eval(data=context)
    except RuntimeError as error:
        raise ExpressionError(_sentence(source, str(error), scope, references.paths, names)) from None
    if value.type() == cel.Type.ERROR:
        raise ExpressionError(_sentence(source, str(value.value()), scope, references.paths, names))
    return _Result(source).of(value)


def is_true(source: str, scope: Mapping[str, object], what: str, *, names: tuple[str, ...] = NAMES) -> bool:
    """The truth of a condition. Raises ExpressionError, with `what` as its subject, for any other value."""
    value = evaluate(source, scope, names=names)
    if not isinstance(value, bool):
        raise ExpressionError(f"{what} is {value!r:.80}, and not true or false.")
    return value


def render(value: object, scope: Mapping[str, object]) -> object:
    """`value` with every `${ … }` in its texts replaced. Raises ExpressionError.

    `${ … }` alone keeps the type of its value; inside text, true and false are written so, the items of a
    list are joined by ", ", and a mapping is written as JSON. `$${` stands for a literal `${`.
    """
    if isinstance(value, str):
        return _render_text(value, scope)
    if isinstance(value, Mapping):
        return {key: render(each, scope) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [render(each, scope) for each in value]
    return value


def paths(source: str, *, names: tuple[str, ...] = NAMES) -> frozenset[Path]:
    """The dotted references: `steps.gate.approvers` is ("steps", "gate", "approvers"); an index ends one."""
    return _compiled(source, names)[1].paths


def references(value: object) -> frozenset[Path]:
    """The same over a nested value with `${ … }` in its texts."""
    return frozenset(path for source in sources(value) for path in paths(source))


def sources(value: object) -> Iterator[str]:
    """The source of every `${ … }` in a nested value. Raises ExpressionError for one that is not closed."""
    if isinstance(value, str):
        yield from (piece for piece, is_source in _pieces(value) if is_source)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from sources(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from sources(each)


def syntax_error(source: str, *, names: tuple[str, ...] = NAMES) -> str | None:
    """The sentence about an expression that does not compile, None for one that does."""
    try:
        _compiled(source, names)
    except ExpressionError as error:
        return str(error)
    return None


@lru_cache(maxsize=8)
def _environment(names: tuple[str, ...]) -> Any:
    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))


@lru_cache(maxsize=4096)
def _compiled(source: str, names: tuple[str, ...]) -> tuple[Any, References]:
    if "\0" in source or not _is_unicode(source):
        raise ExpressionError("An expression holds NUL or half of a surrogate pair, which are no characters.")
    size = len(source.encode())
    if size > MAX_SOURCE:
        raise ExpressionError(f"An expression has {size} bytes; at most {MAX_SOURCE} are evaluated.")
    try:
        checked = _environment(names).compile(source)
        parsed = _environment(names).compile(source, disable_check=True)
    except RuntimeError as error:
        raise ExpressionError(_sentence(source, str(error), None, frozenset(), names)) from None
    return checked, references_in(parsed.serialize())


def _render_text(text: str, scope: Mapping[str, object]) -> object:
    pieces = list(_pieces(text))
    if len(pieces) == 1 and pieces[0][1]:
        return evaluate(pieces[0][0], scope)
    rendered = "".join(_text(evaluate(piece, scope)) if is_source else piece for piece, is_source in pieces)
    if len(rendered) > max(MAX_RESULT, len(text)):
        raise ExpressionError(f"A text that is filled in becomes longer than {MAX_RESULT} characters.")
    return rendered


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The literal pieces (False) and the sources (True) of a text, in order."""
    end = 0
    while opening := _OPENING.search(text, end):
        if opening.start() > end:
            yield text[end : opening.start()], False
        end = opening.end()
        if opening[0] == "$${":
            yield "${", False
            continue
        closing = _closing(text, end)
        yield text[end:closing].strip(), True
        end = closing + 1
    if end < len(text):
        yield text[end:], False


def _closing(text: str, start: int) -> int:
    """The offset of the brace that closes the source which begins at `start`."""
    depth = 1
    for token in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.start()
    raise ExpressionError(f"In {_short(text)} a ${{ is not closed by }}; write $${{ for the characters.")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


class _Context:
    """The part of the scope that an expression refers to, as the library takes it: plain and bounded."""

    def __init__(self, source: str, limit: int) -> None:
        self._source = source
        self._limit = limit
        self._left = limit

    def of(self, scope: Mapping[str, object], paths: frozenset[Path]) -> dict[str, object]:
        context: dict[str, object] = {}
        for path in sorted(paths):
            self._add(context, scope, path)
        return context

    def _add(self, context: dict[str, Any], scope: Any, path: Path) -> None:
        """Copies what `path` leads to. Sorted paths come parent first, and a parent was copied as a whole."""
        for depth, name in enumerate(path):
            if not isinstance(scope, Mapping) or name not in scope:
                return
            scope = scope[name]
            is_last = depth == len(path) - 1
            if is_last or not isinstance(scope, Mapping):
                context.setdefault(name, None)
                context[name] = self._plain(scope, depth)
                return
            context = context.setdefault(name, {})

    def _plain(self, value: object, depth: int) -> object:
        self._take(1, depth)
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, Mapping):
            return {self._text(str(key), depth): self._plain(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(each, depth + 1) for each in value]
        if isinstance(value, datetime):
            return value.isoformat()
        raise ExpressionError(
            f"{_short(self._source)} refers to a {type(value).__name__}, which is no JSON value."
        )

    def _text(self, text: str, depth: int) -> str:
        self._take(len(text), depth)
        # The library would end the text at a NUL in silence.
        if "\0" in text or not _is_unicode(text):
            raise ExpressionError(
                f"{_short(self._source)} refers to a text with NUL or half a surrogate pair."
            )
        return text

    def _take(self, size: int, depth: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ExpressionError(
                f"{_short(self._source)} refers to more than {self._limit // 1024} KiB of values."
            )
        if depth > MAX_DEPTH:
            raise ExpressionError(
                f"{_short(self._source)} refers to values nested deeper than {MAX_DEPTH} levels."
            )


class _Result:
    """Turns the library's value into Python's, and stops as soon as it is too large."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._left = MAX_RESULT

    def of(self, value: Any, depth: int = 0) -> object:
        self._take(1, depth)
        kind = value.type()
        if kind == cel.Type.STRING:
            text: str = value.value()
            self._take(len(text), depth)
            return text
        plain = value.value()
        if isinstance(plain, list):
            return [self.of(each, depth + 1) for each in plain]
        if isinstance(plain, dict):
            return {self._key(key): self.of(each, depth + 1) for key, each in plain.items()}
        return self._scalar(plain)

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise ExpressionError(f"{_short(self._source)} gives a mapping with a key that is no text.")
        self._take(len(key), 0)
        return key

    def _scalar(self, value: object) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            if abs(value) > GREATEST:
                raise ExpressionError(
                    f"{_short(self._source)} gives {value}, too large to be exact; write string(…)."
                )
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ExpressionError(f"{_short(self._source)} gives {value}, which cannot be recorded.")
            return value
        raise ExpressionError(
            f"{_short(self._source)} gives a {type(value).__name__}, which is no JSON value; write string(…)."
        )

    def _take(self, size: int, depth: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ExpressionError(f"{_short(self._source)} gives more than {MAX_RESULT // 1024} KiB.")
        if depth > MAX_DEPTH:
            raise ExpressionError(
                f"{_short(self._source)} gives values nested deeper than {MAX_DEPTH} levels."
            )


def _sentence(
    source: str,
    message: str,
    scope: Mapping[str, object] | None,
    paths: frozenset[Path],
    names: tuple[str, ...],
) -> str:
    """What the library says, in our words. `scope` is None for an error of compilation."""
    subject = _short(source)
    if scope is not None and re.search("Key not found|No value with name|non-message type", message):
        return f"{subject} cannot be evaluated: {_missing(scope, paths, message)}"
    for pattern, sentence in _SENTENCES:
        match = re.search(pattern, message)
        if match:
            # The library calls operators _+_ and !_.
            name = re.sub(r"_?([^\w\s'(),]+)_", r"\1", match[1]) if match.groups() else ""
            return f"{subject} {sentence.format(name, nearest(name.partition('.')[0], names))}"
    return f"{subject} cannot be evaluated: {_first_line(message)}."


_SENTENCES = (
    (r"undeclared reference to '([^']+)'", "uses the unknown name '{0}'{1}"),
    (r"recursion (?:limit|depth)", "is nested deeper than 32 levels."),
    (r"Syntax error: mismatched input '<EOF>'", "is no CEL expression: it ends too early."),
    (r"Syntax error: (.*?)(?:, expecting| expecting|\n|$)", "is no CEL expression: {0}."),
    (r"divide by zero|modulus by zero", "divides by zero."),
    (r"Iteration budget exceeded", "takes more than 10,000 iterations."),
    (r"jump_condition", "needs a condition that is true or false before the question mark."),
    (
        r"[Nn]o matching overloads? (?:found : |for )(.*?)(?: \[|\n|$)",
        "uses values of types that do not fit: {0}.",
    ),
    (r"Index error: index=(-?\d+)", "takes item {0} of a list that is shorter."),
    (r"integer overflow", "gives a whole number beyond 64 bits."),
)


def _missing(scope: Mapping[str, object], paths: frozenset[Path], message: str) -> str:
    """Which of the references leads nowhere, and why where that is known."""
    for path in sorted(paths):
        depth = _depth_found(scope, path)
        if depth == len(path):
            continue
        name = ".".join(path[: depth + 1])
        if path[0] == "steps" and depth == 2:
            return f"{name} has no value; step '{path[1]}' did not succeed, or never gives it."
        return f"{name} has no value."
    return f"{_first_line(message)}."


def _depth_found(scope: object, path: Path) -> int:
    for depth, name in enumerate(path):
        if not isinstance(scope, Mapping) or name not in scope:
            return depth
        scope = scope[name]
    return len(path)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first_line(message: str) -> str:
    line = message.partition("\n")[0]
    line = re.sub(r"^(?:[A-Z_]+: )+(?:<input>:-?\d+:-?\d+: )?", "", line)
    return re.sub(r" \[[A-Z_]+\]$", "", line)


def _short(source: str) -> str:
    """The expression as it is quoted in a sentence."""
    line = " ".join(source.split())
    return f"`{line[:77]}…`" if len(line) > 78 else f"`{line}`"
