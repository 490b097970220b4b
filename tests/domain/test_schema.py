"""The JSON Schema of the language takes every sound playbook, refuses the faulty, and explains every key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from playbooks.domain.kinds import COMMON_KEYS, KEYS_OF_KIND, KINDS
from playbooks.domain.playbook import (
    Input,
    Loop,
    Playbook,
    Retry,
    Script,
    SeatEntry,
    Step,
    Trigger,
    Undo,
    Wait,
)
from playbooks.domain.reader import read_yaml
from playbooks.domain.schema import json_schema
from tests.domain.language import LIBRARY

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def of_step(step: str) -> Any:
    return read_yaml(f"playbook: a\ntitle: A\nsteps:\n  - {{{step}}}\n").data


def test_it_is_a_schema_that_refers_to_nothing_outside() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert all(each.startswith("#/$defs/") for each in references(SCHEMA))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


@pytest.mark.parametrize("name", sorted(path.name for path in LIBRARY.glob("*.yaml")))
def test_every_shipped_playbook_is_valid(name: str) -> None:
    VALIDATOR.validate(read_yaml((LIBRARY / name).read_text()).data)


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_is_valid_and_a_step_of_the_language(kind: str) -> None:
    for step in SCHEMA["$defs"][f"Step_{kind}"]["examples"]:
        VALIDATOR.validate({"playbook": "a", "title": "A", "steps": [step]})
        assert Step.model_validate(step).kind == kind


def test_the_example_is_a_valid_playbook() -> None:
    for example in SCHEMA["examples"]:
        VALIDATOR.validate(example)
        Playbook.model_validate(example)


@pytest.mark.parametrize("model", [Playbook, Trigger, Input, SeatEntry, Retry, Undo, Wait, Loop, Script])
def test_every_key_of_a_model_is_there_and_explained(model: Any) -> None:
    part = SCHEMA if model is Playbook else SCHEMA["$defs"][model.__name__]
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert set(part["properties"]) == keys
    assert all(each["description"] for each in part["properties"].values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_has_the_keys_of_its_kind_and_no_others(kind: str) -> None:
    part = SCHEMA["$defs"][f"Step_{kind}"]
    assert set(part["properties"]) == COMMON_KEYS | KEYS_OF_KIND[kind] | {kind}
    assert all(each["description"] for each in part["properties"].values())


FAULTY = [
    "id: a",
    "id: a, sett: {}",
    "id: a, set: {}, do: x.y",
    "set: {}",
    "id: A, set: {}",
    "id: in, set: {}",
    "id: a, set: {X: 1}",
    "id: a, do: ''",
    "id: a, do: 5",
    "id: a, do: x.y, seats: [{role: r}]",
    "id: a, do: x.y, timeout: 30",
    "id: a, do: x.y, timeout: 0s",
    "id: a, do: x.y, timeout: 1x",
    "id: a, do: x.y, retry: {times: 11}",
    "id: a, do: x.y, retry: {times: 1, backoff: 0}",
    "id: a, do: x.y, undo: {}",
    "id: a, do: x.y, undo: {none: why, using: c}",
    "id: a, do: x.y, undo: {none: why, do: x.z}",
    "id: a, do: x.y, secret_outputs: password",
    "id: a, approve: Go?",
    "id: a, approve: Go?, seats: []",
    "id: a, approve: Go?, seats: [{rol: r}]",
    "id: a, approve: Go?, seats: [{role: r}], late: fail",
    "id: a, approve: Go?, seats: [{role: r}], continue_on_failure: true",
    "id: a, ask: Who?, who: {role: r}",
    "id: a, ask: Who?, who: {role: r}, fields: {}",
    "id: a, ask: Who?, fields: {n: {type: text}}, who: {role: r}",
    "id: a, ask: Who?, fields: {n: {type: ip}}, who: {role: r}, late: deny",
    "id: a, wait: 5m",
    "id: a, wait: {}",
    "id: a, wait: {for: 5m, until: x}",
    "id: a, wait: {for: 5m, late: fail}",
    "id: a, wait: {event: e}",
    "id: a, run: Other",
    "id: a, run: other, steps: []",
    "id: a, each: 5, steps: [{id: b, set: {}}]",
    "id: a, each: [1]",
    "id: a, each: [1], steps: []",
    "id: a, each: [1], steps: [{id: b}]",
    "id: a, each: [1], at_once: 0, steps: [{id: b, set: {}}]",
    "id: a, repeat: {until: x}, steps: [{id: b, set: {}}]",
    "id: a, repeat: {most: 1}, steps: [{id: b, set: {}}]",
    "id: a, repeat: {until: x, while: y, most: 1}, steps: [{id: b, set: {}}]",
    "id: a, repeat: {until: x, most: 1001}, steps: [{id: b, set: {}}]",
    "id: a, script: {}",
    "id: a, script: {python: x, shell: y}",
]


@pytest.mark.parametrize("step", FAULTY)
def test_a_step_that_the_models_refuse_is_invalid(step: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Playbook.model_validate(of_step(step))
    assert not VALIDATOR.is_valid(of_step(step))


@pytest.mark.parametrize(
    "text",
    [
        "title: A\nsteps: [{id: a, set: {}}]",
        "playbook: a\nsteps: [{id: a, set: {}}]",
        "playbook: A\ntitle: A\nsteps: [{id: a, set: {}}]",
        "playbook: a\ntitle: A\nsteps: []",
        "playbook: a\ntitle: A\nstep: []",
        "playbook: a\ntitle: A\nsteps: [{id: a, set: {}}]\non_failure: rolback",
        "playbook: a\ntitle: A\nsteps: [{id: a, set: {}}]\nreferences: [ATTACK]",
        "playbook: a\ntitle: A\nsteps: [{id: a, set: {}}]\ninputs: {x: {}}",
        "playbook: a\ntitle: A\nsteps: [{id: a, set: {}}]\ntriggers: [{alrt: x}]",
    ],
)
def test_a_playbook_that_the_models_refuse_is_invalid(text: str) -> None:
    data = read_yaml(text).data
    with pytest.raises(ValueError, match="validation error"):
        Playbook.model_validate(data)
    assert not VALIDATOR.is_valid(data)
