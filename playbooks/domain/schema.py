"""The language as JSON Schema 2020-12, so that editors complete it, explain it and mark what is wrong.

It is made from the models, split by the kinds of steps. What needs a catalogue or an expression (unknown actions,
names, types, cycles) is told by the check only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playbooks.domain.kinds import COMMON_KEYS, KEYS_OF_KIND, KINDS
from playbooks.domain.playbook import MAX_ITEMS, MAX_STEPS, Playbook
from playbooks.domain.schema_words import EXAMPLE, KIND_EXAMPLES, WORDS

Schema = dict[str, Any]

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "approve": ("seats",),
    "ask": ("fields", "who"),
    "each": ("steps",),
    "repeat": ("steps",),
}
# What holds for the values of a key in the steps of one kind only.
_OF_KIND: Mapping[str, Mapping[str, Schema]] = {
    "approve": {"late": {"enum": ["deny", "escalate", "hold"]}, "seats": {"minItems": 1}},
    "ask": {"late": {"enum": ["fail", "hold"], "default": "fail"}, "fields": {"minProperties": 1}},
    "each": {"steps": {"minItems": 1}, "each": {"type": ["array", "string"], "maxItems": MAX_ITEMS}},
    "repeat": {"steps": {"minItems": 1}},
}
_ONE_OF: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "Undo": (("do",), ("none",)),
    "SeatEntry": (("role",), ("on_call",), ("owner_of",)),
    "Wait": (("for",), ("until",), ("event", "key")),
    "Loop": (("until", "most"), ("while", "most")),
    "Script": (("python",), ("shell",)),
}
_ONLY_WITH: Mapping[str, Mapping[str, list[str]]] = {
    "Undo": {"with": ["do"], "using": ["do"]},
    "Wait": {"within": ["event"], "late": ["event"], "key": ["event"]},
}


def json_schema() -> Schema:
    """The schema of a playbook. Each key has a description; each kind of step is an alternative of its own."""
    made = Playbook.model_json_schema()
    definitions: dict[str, Schema] = made.pop("$defs")
    step = _described("Step", definitions.pop("Step"))
    parts = {name: _part(name, each) for name, each in sorted(definitions.items())}
    whole = _described("Playbook", made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": "A playbook of Countersign",
        "description": "A document of steps that respond to an alert: what runs, in which order, and who approves.",
        "examples": [EXAMPLE],
        "$defs": {**parts, "Step": _step(), **{_name(kind): _kind(kind, step) for kind in KINDS}},
    }


def _step() -> Schema:
    """A step has exactly one of the kinds as its key, which decides what else it may have."""
    return {
        "type": "object",
        "description": f"One step; at most {MAX_STEPS} on all levels. One key says its kind: {', '.join(KINDS)}.",
        "oneOf": [{"$ref": f"#/$defs/{_name(kind)}"} for kind in KINDS],
    }


def _kind(kind: str, step: Schema) -> Schema:
    keys = [key for key in step["properties"] if key in COMMON_KEYS | KEYS_OF_KIND[kind] | {kind}]
    narrowed = _OF_KIND.get(kind, {})
    properties = {key: step["properties"][key] | narrowed.get(key, {}) for key in keys}
    if properties[kind].get("type") == "string":
        properties[kind] = properties[kind] | {"minLength": 1}
    return {
        "type": "object",
        "title": kind,
        "description": WORDS["Kind"][kind],
        "properties": properties,
        "required": ["id", kind, *_REQUIRED.get(kind, ())],
        "additionalProperties": False,
        "examples": [KIND_EXAMPLES[kind]],
    }


def _name(kind: str) -> str:
    return f"Step_{kind}"


def _part(name: str, made: Schema) -> Schema:
    part = _described(name, made)
    if name in _ONE_OF:
        part["oneOf"] = [{"required": list(keys)} for keys in _ONE_OF[name]]
    if name in _ONLY_WITH:
        part["dependentRequired"] = dict(_ONLY_WITH[name])
    return part


def _described(name: str, made: Schema) -> Schema:
    """The schema of a model with our descriptions, without what pydantic adds for machines."""
    words = WORDS[name]
    properties = {key: _plain(each) | {"description": words[key]} for key, each in made["properties"].items()}
    kept: Schema = {"type": "object", "description": words[""], "properties": properties}
    if "required" in made:
        kept["required"] = made["required"]
    return kept | {"additionalProperties": False}


def _plain(made: Schema) -> Schema:
    """A value that may be left out is not written as null; names of ours are no titles for people."""
    kept = {key: value for key, value in made.items() if key not in {"title", "anyOf", "ge", "le"}}
    options = [each for each in made.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) == 1:
        kept |= options[0]
    elif options:
        kept |= {"type": "number", "minimum": made["ge"], "maximum": made["le"]}
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    if kept.get("default", 0) is None or kept.get("default") in ("", {}, []):
        del kept["default"]
    return kept
