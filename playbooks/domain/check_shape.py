"""The first layer of the check: whether a document has the shape of a playbook, said in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from playbooks.domain.check_salvage import Shape, is_below, salvaged
from playbooks.domain.kinds import COMMON_KEYS, KEYS_OF_KIND, KINDS, foreign_keys, kind_problem
from playbooks.domain.playbook import (
    MAX_ITEMS,
    MAX_LEVELS,
    MAX_STEPS,
    Input,
    Loop,
    Playbook,
    Retry,
    Script,
    SeatEntry,
    Trigger,
    Undo,
    Wait,
)
from playbooks.domain.problems import Finding, nearest
from playbooks.domain.reader import Path

_PARTS: Mapping[str, type[BaseModel]] = {
    "triggers": Trigger,
    "inputs": Input,
    "fields": Input,
    "seats": SeatEntry,
    "to": SeatEntry,
    "who": SeatEntry,
    "retry": Retry,
    "undo": Undo,
    "wait": Wait,
    "repeat": Loop,
    "script": Script,
}
_LATE: Mapping[str, tuple[str, ...]] = {"approve": ("deny", "escalate", "hold"), "ask": ("fail", "hold")}
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
_Own = Mapping[Path, Sequence[Finding]]


def read_shape(data: object) -> Shape:
    """What is wrong with the shape, and the playbook that is left to look at without its faulty parts."""
    if not isinstance(data, dict):
        sentence = "a playbook is a mapping, beginning with 'playbook:' and its name"
        return Shape(None, (Finding((), sentence),), frozenset())
    if limits := tuple(_limits(data)):
        return Shape(None, limits, frozenset())
    own = {path: found for path, step in _raw_steps(data) if (found := list(_of_step(step, path)))}
    errors: list[ErrorDetails] = []
    try:
        playbook = Playbook.model_validate(data)
    except ValidationError as error:
        errors = [each for each in map(_trimmed, error.errors(include_url=False)) if _is_real(each, data)]
    if not errors:
        return Shape(playbook, (), frozenset())
    findings = [each for found in own.values() for each in found]
    findings += [_finding(each, data) for each in errors if not _is_said(each, own)]
    places = {error["loc"] for error in errors} | {each.path for found in own.values() for each in found}
    playbook_left, late_errors, opaque = salvaged(data, places)
    findings += [_finding(each, data) for each in late_errors if not _is_said(each, own)]
    return Shape(playbook_left, tuple(findings), opaque)


def _raw_steps(block: Mapping[str, Any], at: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every step on every level that is a mapping, in the order written, faulty or not."""
    steps = block.get("steps")
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        if not isinstance(step, dict):
            continue
        path = (*at, "steps", index)
        yield path, step
        if kind_problem(step) or "steps" not in foreign_keys(step):
            yield from _raw_steps(step, path)


def _limits(data: Mapping[str, Any]) -> Iterator[Finding]:
    """What is too large to be looked at any further."""
    paths = [path for path, _ in _raw_steps(data)]
    if len(paths) > MAX_STEPS:
        yield Finding(paths[MAX_STEPS], f"a playbook has at most {MAX_STEPS} steps on all levels together")
    deep = next((path for path in paths if _level(path) > MAX_LEVELS), None)
    if deep:
        yield Finding(deep, f"steps are nested {MAX_LEVELS} levels deep at most; make this a playbook to run")


def _level(path: Path) -> int:
    return len(path) // 2


def _of_step(step: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """What pydantic could not say about a step, or not at the right place."""
    if problem := kind_problem(step):
        yield Finding(path, problem)
        return
    kind = next(kind for kind in KINDS if kind in step)
    for key in foreign_keys(step):
        yield Finding((*path, key), f"a step of kind '{kind}' has no key '{key}'", at_key=True)
    late = step.get("late", "hold")
    if kind in _LATE and late not in _LATE[kind]:
        words = " or ".join((", ".join(map(repr, _LATE[kind][:-1])), repr(_LATE[kind][-1])))
        meant = nearest(str(late), _LATE[kind])
        yield Finding((*path, "late"), f"'late' is one of {words}, not {str(late)[:80]!r}{meant}")
    if kind == "each" and isinstance(step["each"], list) and len(step["each"]) > MAX_ITEMS:
        yield Finding((*path, "each"), f"'each' has more than {MAX_ITEMS} items")


def _trimmed(error: ErrorDetails) -> ErrorDetails:
    """The same error without the name of a type that pydantic tried, which is no part of the document."""
    if error["loc"][-2:] == ("backoff", "float"):
        return error | {"loc": error["loc"][:-1]}
    return error


def _is_real(error: ErrorDetails, data: Mapping[str, Any]) -> bool:
    """Steps that are all faulty count as none at all, and a number is tried as a whole one first."""
    if error["type"] == "too_short" and error["loc"] == ("steps",):
        return not data["steps"]
    return error["loc"][-2:] != ("backoff", "int")


def _step_path(path: Path) -> Path:
    """The path of the innermost step that holds what is at `path`, empty outside of the steps."""
    end = 0
    while path[end : end + 1] == ("steps",) and len(path) > end + 1 and isinstance(path[end + 1], int):
        end += 2
    return path[:end]


def _is_said(error: ErrorDetails, own: _Own) -> bool:
    """Whether our own findings have said it already: a step of an unknown kind has unknown keys."""
    loc: Path = error["loc"]
    if any(is_below(loc, each.path) for found in own.values() for each in found if each.path not in own):
        return True
    found = own.get(_step_path(loc))
    if not found:
        return False
    # A finding below the step is about one of its keys; the kind itself is known then.
    is_of_no_kind = found[0].path in own
    return error["type"] == "step" or (error["type"] == "extra_forbidden" and is_of_no_kind)


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
    return Finding(path, sentence_about(error, path), at_key)


def sentence_about(error: ErrorDetails, path: Path) -> str:
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


def _known_keys(parent: Path, data: Any) -> frozenset[str]:
    at = _step_path(parent)
    rest = parent[len(at) :]
    if rest:
        part = _PARTS.get(str(rest[0]))
        fields = part.model_fields.items() if part else ()
        return frozenset(field.alias or key for key, field in fields)
    if not at:
        return frozenset(Playbook.model_fields)
    step = data
    for key in at:
        step = step[key]
    kind = next((kind for kind in KEYS_OF_KIND if kind in step), "do")
    return COMMON_KEYS | KEYS_OF_KIND[kind] | {kind}
