"""The first layer of the check: whether a document has the shape of a playbook, said in plain sentences.

A document with faults is not given up: what can be understood becomes a playbook in which a stand-in takes
the place of each faulty step, so that the layers above find the rest in the same round.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from playbooks.domain.kinds import COMMON_KEYS, KEYS_OF_KIND, foreign_keys, kind_problem
from playbooks.domain.playbook import (
    Identifier,
    Input,
    Playbook,
    Retry,
    SeatEntry,
    Step,
    Trigger,
    Undo,
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
_BOUNDS = {
    "too_short": "'{name}' is empty",
    "string_too_short": "'{name}' is empty",
    "too_long": "'{name}' has more than {max_length} items",
    "string_too_long": "'{name}' has more than {max_length} characters",
    "greater_than_equal": "'{name}' has to be at least {ge}",
    "less_than_equal": "'{name}' has to be at most {le}",
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
    return error["type"] == "step" or (
        error["type"] == "extra_forbidden" and len(loc) == 3 and not said[0].at_key
    )


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
        subject = f"an item of '{name}'" if isinstance(path[-1], int) else f"'{name}'"
        return f"{subject} has to be {_WANTED[kind]}, not {_TYPE_NAMES.get(type(given), 'this')}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        meant = nearest(str(given), known)
        return f"'{name}' is one of {context['expected']}, not {str(given)[:80]!r}{meant}"
    template = _BOUNDS.get(kind)
    return template.format(name=name, **context) if template else error["msg"]


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
    places: set[Path] = {error["loc"] for error in errors}
    faults = frozenset(place[:depth] for place in places for depth in range(1, len(place) + 1))
    clean = {
        key: value for key, value in data.items() if key in Playbook.model_fields and (key,) not in places
    }
    clean |= {"playbook": "unreadable", "title": "unreadable"}
    if "triggers" in clean:
        clean["triggers"] = [
            {"alert": "true"} if ("triggers", index) in faults else trigger
            for index, trigger in enumerate(data["triggers"])
        ]
    for name, stand_in in (("inputs", {"type": "string"}), ("outputs", None)):
        if name in clean:
            clean[name] = {
                key: stand_in if (name, key) in faults else value
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


def _step(step: object, index: int, faults: Collection[Path], opaque: set[str]) -> object:
    """A step without its faulty keys, or else a stand-in with its id and needs, which is noted as opaque."""
    raw = step if isinstance(step, dict) else {}
    path: Path = ("steps", index)
    if path not in faults:
        return raw
    foreign = set() if kind_problem(raw) else set(foreign_keys(raw))
    sound = {key: value for key, value in raw.items() if key not in foreign and (*path, key) not in faults}
    if "approve" in sound and not sound.get("seats"):
        sound["seats"] = [{"role": "unreadable"}]
    try:
        Step.model_validate(sound)
    except ValidationError:
        step_id = sound.get("id", f"unreadable_{index}")
        opaque.add(step_id)
        return {"id": step_id, "set": {}, **({"needs": sound["needs"]} if "needs" in sound else {})}
    return sound


def _is_identifier(value: object) -> bool:
    try:
        _IDENTIFIER.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True
