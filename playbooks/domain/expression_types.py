"""The types of expressions before anything runs, told by CEL's own checker from what is known of the names.

Each known name is declared as a qualified variable (`inputs.count`); what is not declared is dynamic. What the
checker refuses but the evaluation takes (comparing numbers of two kinds, null, alternatives of two types) is no
problem: there are never false alarms, only missed ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

from playbooks.domain.expressions import NAMES, sources

Schema = Mapping[str, Any]

# The checker takes has() of a declared variable for its value.
_HAS = re.compile(r"\bhas\s*\(")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_SELECT = re.compile(r"expression of type '([^']+)' cannot be the operand of a select operation")
_COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"})
_NUMBERS = frozenset({"int", "uint", "double"})
_SCALARS: Mapping[str, Any] = {
    "string": cel.Type.STRING,
    "integer": cel.Type.INT,
    "boolean": cel.Type.BOOL,
}
_GIVEN: Mapping[str, frozenset[str]] = {
    "INT": frozenset({"integer", "number"}),
    "UINT": frozenset({"integer", "number"}),
    "DOUBLE": frozenset({"integer", "number"}),
    "STRING": frozenset({"string"}),
    "BOOL": frozenset({"boolean"}),
    "NULL": frozenset({"null"}),
    "LIST": frozenset({"array"}),
    "MAP": frozenset({"object"}),
}
_NO_VALUES = frozenset({"TIMESTAMP", "DURATION", "BYTES", "TYPE"})
_WORDS = {
    "int": "a whole number",
    "uint": "a whole number",
    "double": "a number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "map": "a mapping",
    "dyn": "a value",
    "timestamp": "a timestamp",
    "google.protobuf.Timestamp": "a timestamp",
    "google.protobuf.Duration": "a duration",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """`problem` is a sentence, empty for none. `gives` are JSON Schema's types, None where nobody knows."""

    problem: str = ""
    gives: frozenset[str] | None = None


UNKNOWN = Judged()


class Types:
    """What is known of the names in one scope. `known` are schemas by dotted name, such as `inputs.count`."""

    def __init__(self, known: Mapping[str, Schema]) -> None:
        self.known = {name: each for root, schema in known.items() for name, each in _below(root, schema)}
        declared = {name: kind for name, each in self.known.items() if (kind := _type(each)) is not None}
        self._environment = cel.NewEnv(variables=dict.fromkeys(NAMES, cel.Type.DYN) | declared)

    def judge(self, source: str) -> Judged:
        """About an expression that compiles without types."""
        if _HAS.search(source):
            return UNKNOWN
        try:
            kind = self._environment.compile(source).return_type().name().partition("<")[0]
        except RuntimeError as error:
            return Judged(problem=next(_problems(source, str(error)), ""))
        if kind in _NO_VALUES:
            sentence = f"{_quoted(source)} gives a {kind.lower()}, which cannot be recorded; write string(…)"
            return Judged(problem=sentence)
        return Judged(gives=_GIVEN.get(kind))


def alone(text: str) -> str | None:
    """The source of a text that is one `${ … }` and nothing else, whose value keeps its type; else None."""
    found = list(sources(text))
    is_alone = len(found) == 1 and text.startswith("${") and text[2:-1].strip() == found[0]
    return found[0] if is_alone else None


def _below(name: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The name itself, and each property that an expression can name."""
    yield name, schema
    for key, each in schema.get("properties", {}).items():
        if _NAME.fullmatch(key) and isinstance(each, Mapping):
            yield from _below(f"{name}.{key}", each)


def _type(schema: Schema) -> Any:
    """The CEL type of a value, None where it is not sure. Numbers may be whole or not, so they are dynamic."""
    kind = schema.get("type")
    if kind == "object":
        return cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    if kind == "array":
        items = schema.get("items")
        inner = _type(items) if isinstance(items, Mapping) else None
        return cel.Type.List(cel.Type.DYN if inner is None else inner)
    return _SCALARS.get(kind) if isinstance(kind, str) else None


def _problems(source: str, message: str) -> Iterator[str]:
    for line in message.splitlines():
        if found := _SELECT.search(line):
            yield f"{_quoted(source)} reads a field of {_word(found[1])}, which has none"
        elif (found := _OVERLOAD.search(line)) and _is_certain(found[1], given := _arguments(found[2])):
            yield f"{_quoted(source)} {_misfit(found[1], given)}"


def _misfit(operator: str, given: list[str]) -> str:
    words = [_word(each) for each in given]
    if operator in _COMPARISONS and len(words) == 2:
        verb = "looks for {} in {}" if operator == "@in" else "compares {} with {}"
        return verb.format(*words)
    if operator == "_?_:_":
        return f"asks whether {words[0]} is true"
    name = operator.strip("_").replace("_", "")
    return f"uses '{name}' on {' and '.join(words)}"


def _is_certain(operator: str, given: list[str]) -> bool:
    """Whether the evaluation fails as well, or compares what can never be equal."""
    kinds = [each.partition("(")[0] for each in given]
    if "null_type" in kinds:
        return False
    if operator == "_?_:_":
        return kinds[0] not in {"bool", "dyn"}
    if len(set(kinds)) == 1 and kinds[0] in {"list", "map"}:
        return False
    if operator == "@in" and kinds[1] in {"list", "map"}:
        kinds[1] = re.split(r"[(,)]", given[1])[1].strip()
        return not set(kinds) <= _NUMBERS and kinds[1] in _WORDS and kinds[1] not in {"list", "map"}
    return not (operator in _COMPARISONS and set(kinds) <= _NUMBERS)


def _arguments(text: str) -> list[str]:
    """`int, map(string, dyn)` -> its two types."""
    return re.findall(r"[^\s,()]+(?:\((?:[^()]|\([^()]*\))*\))?", text)


def _word(kind: str) -> str:
    return _WORDS.get(kind.partition("(")[0], f"a {kind}")


def _quoted(source: str) -> str:
    line = " ".join(source.split())
    return f"`{line[:77]}…`" if len(line) > 78 else f"`{line}`"
