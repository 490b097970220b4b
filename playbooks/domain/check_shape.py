"""The first layer of the check: whether a document has the shape of a playbook, said in plain sentences.

A document with faults is not given up: what can be understood becomes a playbook in which each faulty step is a
stand-in, so that the layers above find the rest in the same round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from playbooks.domain.playbook import (
    COMMON_KEYS,
    KEYS_OF_KIND,
    Identifier,
    Input,
    Playbook,
    Retry,
    SeatEntry,
    Step,
    Trigger,
    Undo,
    foreign_keys,
    kind_problem,
)
from playbooks.domain.problems import Finding, nearest
from playbooks.domain.reader import Path

_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)
_PARTS: Mapping[str, type[BaseModel]] = {
    "triggers": Trigger,
    "inputs": Input,
    "seats": SeatEntry,
    "retry": Retry,
    "undo": Undo,
}
_TYPE_NAMES = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "nothing",
}
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """`playbook` is None when nothing can be said about the steps. `opaque` are the ids of stand-ins."""

    playbook: Playbook | None
    findings: tuple[Finding, ...]
    opaque: frozenset[str]


def read_shape(data: object) -> Shape:
    if not isinstance(data, dict):
        return Shape(
            None,
            (Finding((), "a playbook is a mapping, beginning with 'playbook:' and its name"),),
            frozenset(),
        )
    kinds: dict[str | int, list[Finding]] = dict(_kind_findings(data.get("steps")))
    try:
        return Shape(Playbook.model_validate(data), (), frozenset())
    except ValidationError as error:
        errors = error.errors(include_url=False)
    findings = [each for found in kinds.values() for each in found]
    findings += [_finding(each, data) for each in errors if not _is_said(each, kinds)]
    return replace(_salvaged(data, errors), findings=tuple(findings))


def _kind_findings(steps: object) -> Iterator[tuple[int, list[Finding]]]:
    """Step index -> what is wrong with its kind, of the steps where something is."""
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        if not isinstance(step, dict):
            continue
        if problem := kind_problem(step):
            yield index, [Finding(("steps", index), problem)]
        elif foreign := foreign_keys(step):
            kind = next(kind for kind in KEYS_OF_KIND if kind in step)
            message = f"a step of kind '{kind}' has no key"
            yield (
                index,
                [Finding(("steps", index, key), f"{message} '{key}'", at_key=True) for key in foreign],
            )


def _is_said(error: ErrorDetails, kinds: Mapping[str | int, list[Finding]]) -> bool:
    """Whether the findings about kinds have said it already: a step of an unknown kind has unknown keys."""
    loc = error["loc"]
    said = kinds.get(loc[1]) if len(loc) > 1 and loc[0] == "steps" else None
    if not said:
        return False
    # A finding at a key is about a key of another kind; the kind itself is known then.
    return error["type"] == "step" or (error["type"] == "extra_forbidden" and len(loc) == 3 and not said[0].at_key)


def _finding(error: ErrorDetails, data: object) -> Finding:
    path: Path = error["loc"]
    at_key = path[-1:] == ("[key]",)
    if at_key:
        path = path[:-1]
    if error["type"] == "extra_forbidden" or (at_key and error["type"] == "literal_error"):
        message = f"unknown key '{path[-1]}'{nearest(str(path[-1]), _known_keys(path[:-1], data))}"
        return Finding(path, message, at_key=True)
    if error["type"] == "missing":
        return Finding(path[:-1], f"the key '{path[-1]}' is missing")
    return Finding(path, _sentence(error, path), at_key)


def _sentence(error: ErrorDetails, path: Path) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    name = next((part for part in reversed(path) if isinstance(part, str)), "the playbook")
    if kind in _WANTED:
        return f"'{name}' has to be {_WANTED[kind]}, not {_TYPE_NAMES.get(type(given), 'this')}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return (
            f"'{name}' is one of {context['expected']}, not {str(given)[:80]!r}{nearest(str(given), known)}"
        )
    if kind in {"too_short", "string_too_short"}:
        return f"'{name}' is empty"
    if kind in {"too_long", "string_too_long"}:
        return f"'{name}' has more than {context['max_length']} {'characters' if isinstance(given, str) else 'items'}"
    if kind in {"greater_than_equal", "less_than_equal"}:
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return f"'{name}' has to be {bound}"
    return error["msg"]


def _known_keys(parent: Path, data: object) -> frozenset[str]:
    if parent[:1] == ("steps",) and len(parent) == 2:
        step: Any = data["steps"][parent[1]]  # type: ignore[index]
        kind = next((kind for kind in KEYS_OF_KIND if kind in step), "do")
        return COMMON_KEYS | KEYS_OF_KIND[kind] | {kind}
    name = next((part for part in reversed(parent) if part in _PARTS), None)
    if name is None:
        return frozenset({"for"}) if "wait" in parent else frozenset(Playbook.model_fields)
    return frozenset(field.alias or key for key, field in _PARTS[str(name)].model_fields.items())


def _salvaged(data: Mapping[str, Any], errors: Sequence[ErrorDetails]) -> Shape:
    """What is left of the document when the faulty parts are left out or replaced by harmless ones."""
    faults = _Faults(frozenset(error["loc"] for error in errors))
    clean = {key: value for key, value in data.items() if key in Playbook.model_fields and not faults.at((key,))}
    clean |= {"playbook": "unreadable", "title": "unreadable"}
    if "triggers" in clean:
        clean["triggers"] = [
            {"alert": "true"} if faults.within(("triggers", index)) else trigger
            for index, trigger in enumerate(data["triggers"])
        ]
    for name, stand_in in (("inputs", {"type": "string"}), ("outputs", None)):
        if name in clean:
            clean[name] = {
                key: stand_in if faults.within((name, key)) else value
                for key, value in data[name].items()
                if _is_identifier(key)
            }
    opaque: set[str] = set()
    if "steps" in clean:
        clean["steps"] = [_step(step, index, faults, opaque) for index, step in enumerate(data["steps"])]
    try:
        return Shape(Playbook.model_validate(clean), (), frozenset(opaque))
    except ValidationError:
        return Shape(None, (), frozenset())


@dataclass(frozen=True, slots=True)
class _Faults:
    paths: frozenset[Path]

    def at(self, path: Path) -> bool:
        return path in self.paths

    def within(self, path: Path) -> bool:
        return any(each[: len(path)] == path for each in self.paths)


def _step(step: object, index: int, faults: _Faults, opaque: set[str]) -> object:
    """A step without its faulty keys, or else a stand-in with its id and needs, which is noted as opaque."""
    raw = step if isinstance(step, dict) else {}
    path: Path = ("steps", index)
    if not faults.within(path):
        return raw
    foreign = set() if kind_problem(raw) else set(foreign_keys(raw))
    sound = {key: value for key, value in raw.items() if key not in foreign and not faults.within((*path, key))}
    if "approve" in sound and not sound.get("seats"):
        sound["seats"] = [{"role": "unreadable"}]
    try:
        Step.model_validate(sound)
    except ValidationError:
        stand_in = {"id": f"unreadable_{index}", "set": {}}
        stand_in |= {key: sound[key] for key in ("id", "needs") if key in sound}
        opaque.add(stand_in["id"])
        return stand_in
    return sound


def _is_identifier(value: object) -> bool:
    try:
        _IDENTIFIER.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True
