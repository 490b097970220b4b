"""The fourth layer of the check: what an expression gives fits the place where it stands, as far as it is known.

What is not known is never a problem.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from playbooks.domain.actions import Catalogue
from playbooks.domain.alerts import ALERT_FIELDS
from playbooks.domain.check_uses import Schema, Use, uses
from playbooks.domain.expression_types import Types, alone
from playbooks.domain.expressions import ExpressionError, sources, syntax_error
from playbooks.domain.observables import OBSERVABLE_TYPES
from playbooks.domain.playbook import Playbook, placed
from playbooks.domain.problems import Finding
from playbooks.domain.reader import Path
from playbooks.domain.step_outputs import input_schema, literal_schema, outputs_schema

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_NUMBER: Schema = {"type": "integer"}
_NO_TEXT = {"severity": _NUMBER, "rule": {}, "observables": {}, "assets": _TEXTS}
_ALERT: Mapping[str, Schema] = {
    **{f"alert.{name}": _NO_TEXT.get(name, _TEXT) for name in ALERT_FIELDS},
    **{f"alert.observables.{name}": _TEXTS for name in OBSERVABLE_TYPES},
}
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


def type_findings(playbook: Playbook, catalogue: Catalogue, opaque: frozenset[str]) -> Iterator[Finding]:
    """`opaque` stand in for what is faulty (check_salvage.Shape): their types are not known."""
    scopes = _Scopes(playbook, catalogue, opaque)
    for use in uses(playbook, catalogue):
        types = scopes.of(use.scope.blocks)
        yield from (
            _condition(use, types)
            if use.is_condition
            else _value(use, use.path, use.value, use.wanted, types)
        )


class _Scopes:
    """The types of the names inside each block; they differ in `item` only."""

    def __init__(self, playbook: Playbook, catalogue: Catalogue, opaque: frozenset[str]) -> None:
        self._lists = {place.step.id: place for place in placed(playbook) if place.step.kind == "each"}
        self._known = dict(_known(playbook, catalogue, opaque))
        self._made: dict[str, Types] = {}

    def of(self, blocks: tuple[str, ...]) -> Types:
        """What is known inside these blocks; `item` is that of the innermost list."""
        innermost = next((block for block in reversed(blocks) if block in self._lists), "")
        item = self._item(innermost) if innermost else {}
        key = json.dumps(item, sort_keys=True)
        if key not in self._made:
            self._made[key] = Types(self._known | {"item": item})
        return self._made[key]

    def _item(self, block: str) -> Schema:
        place = self._lists[block]
        given = place.step.each
        if not isinstance(given, str):
            return _items(literal_schema(given))
        try:
            source = alone(given)
        except ExpressionError:
            return {}
        return _items(self.of(place.blocks).known.get("".join((source or "").split()), {}))


def _items(schema: Schema) -> Schema:
    items = schema.get("items", {})
    return items if isinstance(items, Mapping) else {}


def _known(playbook: Playbook, catalogue: Catalogue, opaque: frozenset[str]) -> Iterator[tuple[str, Schema]]:
    yield from _ALERT.items()
    yield "now", _TEXT
    yield "turn", _NUMBER
    for name, spec in playbook.inputs.items():
        if f"inputs.{name}" not in opaque:
            yield f"inputs.{name}", input_schema(spec)
    for place in placed(playbook):
        step = place.step
        if step.id in opaque:
            continue
        yield f"steps.{step.id}.state", _TEXT
        if step.kind == "approve":
            yield f"steps.{step.id}.approvers", _TEXTS
        for name, schema in _properties(outputs_schema(step, catalogue)).items():
            yield f"steps.{step.id}.outputs.{name}", schema


def _properties(schema: Schema) -> Mapping[str, Schema]:
    properties = schema.get("properties", {})
    return {
        name: each for name, each in properties.items() if name.isidentifier() and isinstance(each, Mapping)
    }


def _condition(use: Use, types: Types) -> Iterator[Finding]:
    source = str(use.value)
    if syntax_error(source):
        return
    judged = types.judge(source)
    if judged.problem:
        yield Finding(use.path, judged.problem)
    elif judged.gives is not None and "boolean" not in judged.gives:
        yield Finding(use.path, f"a condition is true or false, and this gives {_listed(judged.gives)}")


def _value(use: Use, path: Path, value: object, wanted: Any, types: Types) -> Iterator[Finding]:
    """The problems of the expressions in a nested value. `wanted` is the schema at `path`."""
    schema: Schema = wanted if isinstance(wanted, Mapping) else {}
    if isinstance(value, str):
        yield from _text(use, path, value, schema, types)
    elif isinstance(value, Mapping):
        properties = schema.get("properties", {})
        for key, each in value.items():
            yield from _value(use, (*path, key), each, properties.get(key), types)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _value(use, (*path, index), each, schema.get("items"), types)


def _text(use: Use, path: Path, text: str, wanted: Schema, types: Types) -> Iterator[Finding]:
    try:
        found = list(sources(text))
        whole = alone(text)
    except ExpressionError:
        return
    for source in found:
        if syntax_error(source):
            return
        if problem := types.judge(source).problem:
            yield Finding(path, problem)
            return
    gives = types.judge(whole).gives if whole else frozenset({"string"})
    if found and gives is not None and not _fits(gives, wanted):
        what = use.what or f"'{path[-1]}'"
        yield Finding(
            path, f"{what} {_wants(use, path)}{_listed_schema(wanted)}, and this gives {_listed(gives)}"
        )


def _wants(use: Use, path: Path) -> str:
    return "wants " if path == use.path else f"wants at '{path[-1]}' "


def _fits(gives: frozenset[str], wanted: Schema) -> bool:
    kind = wanted.get("type")
    kinds = {kind} if isinstance(kind, str) else set(kind or _WORDS)
    return not gives.isdisjoint(kinds)


def _listed_schema(wanted: Schema) -> str:
    kind = wanted.get("type")
    return _listed({kind} if isinstance(kind, str) else set(kind or ()))


def _listed(kinds: Any) -> str:
    named = set(kinds)
    if {"integer", "number"} <= named:
        named -= {"integer"}
    return " or ".join(_WORDS.get(each, each) for each in sorted(named))
