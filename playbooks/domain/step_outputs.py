"""What later steps may read of a step, as JSON Schemas; `{}` stands for what nobody can know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from playbooks.domain.actions import Catalogue
from playbooks.domain.playbook import Input, Step

Schema = Mapping[str, Any]

# Besides `state`; the outputs themselves are under `outputs`.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "do": ("state", "outputs"),
    "set": ("state", "outputs"),
    "approve": ("state", "approvers"),
    "ask": ("state", "outputs", "answered_by"),
    "wait": ("state",),
    "run": ("state", "outputs"),
    "each": ("state", "outputs"),
    "repeat": ("state", "outputs"),
    "script": ("state", "outputs"),
}
_JSON_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean", "list": "array"}
_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer"}


def fields_of(step: Step) -> tuple[str, ...]:
    """The names under `steps.<id>`."""
    waits_for_event = step.wait is not None and step.wait.event is not None
    return ("state", "outputs") if waits_for_event else FIELDS[step.kind]


def outputs_schema(step: Step, catalogue: Catalogue) -> Schema:
    """The schema of `steps.<id>.outputs`. Where it has `additionalProperties: False`, other names are errors."""
    make = _OUTPUTS.get(step.kind)
    if make:
        return _object(make(step))
    action = catalogue.get(step.do)
    return action.outputs if action else {}


def input_schema(spec: Input) -> Schema:
    """The schema of a value that was accepted for this input."""
    return {"type": _JSON_TYPES.get(spec.type, "string")}


def literal_schema(value: object) -> Schema:
    """The type of a value that is written out, unknown where an expression may make it another."""
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return _NUMBER
    if isinstance(value, str):
        return {} if "${" in value else _TEXT
    if isinstance(value, list):
        items = [literal_schema(each) for each in value]
        alike = items[0] if items and all(each == items[0] for each in items) else {}
        return {"type": "array", "items": alike}
    if isinstance(value, Mapping):
        return {"type": "object", "properties": {key: literal_schema(each) for key, each in value.items()}}
    return {}


def _of_set(step: Step) -> Mapping[str, Schema]:
    return {name: literal_schema(value) for name, value in (step.set or {}).items()}


def _of_question(step: Step) -> Mapping[str, Schema]:
    return {name: input_schema(spec) for name, spec in step.fields.items()}


def _of_wait(step: Step) -> Mapping[str, Schema]:
    is_for_event = step.wait is not None and step.wait.event is not None
    return {"arrived": {"type": "boolean"}, "data": {"type": "object"}} if is_for_event else {}


def _of_each(step: Step) -> Mapping[str, Schema]:
    given = {name: literal_schema(value) for name, value in step.outputs.items()}
    result = {"item": {}, "state": _TEXT, "outputs": {"type": "object", "properties": given}}
    results = {"type": "array", "items": {"type": "object", "properties": result}}
    return {"count": _NUMBER, "succeeded": _NUMBER, "failed": _NUMBER, "results": results}


def _of_repeat(step: Step) -> Mapping[str, Schema]:
    return {"turns": _NUMBER, **{name: literal_schema(value) for name, value in step.outputs.items()}}


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


_OUTPUTS: Mapping[str, Callable[[Step], Mapping[str, Schema]]] = {
    "set": _of_set,
    "ask": _of_question,
    "wait": _of_wait,
    "each": _of_each,
    "repeat": _of_repeat,
}
