"""Two texts that mean the same are the same playbook, and each kind of step knows its own keys only."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from playbooks.domain.canonical import digest
from playbooks.domain.playbook import Playbook, document, needs_of
from playbooks.domain.reader import read_yaml
from tests.domain.language import BLOCK_ATTACKER

DATA: Any = read_yaml(BLOCK_ATTACKER).data


def shuffled(value: Any, seed: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        seed.shuffle(keys)
        return {key: shuffled(value[key], seed) for key in keys}
    return [shuffled(each, seed) for each in value] if isinstance(value, list) else value


def of_steps(*steps: dict[str, Any]) -> Playbook:
    return Playbook.model_validate({"playbook": "a", "title": "A", "steps": list(steps)})


@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_change_the_document(seed: random.Random) -> None:
    text = json.dumps(shuffled(DATA, seed))
    assert document(Playbook.model_validate(read_yaml(text).data)) == document(Playbook.model_validate(DATA))


def test_a_playbook_comes_back_from_its_document_unchanged() -> None:
    playbook = Playbook.model_validate(DATA)
    again = Playbook.model_validate(json.loads(json.dumps(document(playbook))))
    assert document(again) == document(playbook)
    assert needs_of(again) == needs_of(playbook)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"timeout": "90s"}, {"timeout": "1m30s"}),
        ({"needs": []}, {}),
        ({"after": "success", "title": "", "with": {}}, {}),
        ({"retry": {"times": 1, "backoff": 1}}, {"retry": {"times": 1, "every": "5s", "backoff": 1.0}}),
    ],
)
def test_what_means_the_same_has_the_same_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    step = {"id": "a", "do": "x.y"}
    assert digest(document(of_steps(step | one))) == digest(document(of_steps(step | other)))


def test_the_implicit_order_and_the_explicit_one_are_the_same_document() -> None:
    first, second = {"id": "a", "set": {"x": 1}}, {"id": "b", "set": {"x": 1}}
    third = {"id": "c", "set": {"x": 1}}
    implicit = of_steps(first, second, third | {"needs": ["b", "a", "a"]})
    explicit = of_steps(first, second | {"needs": ["a"]}, third | {"needs": ["a", "b"]})
    assert document(implicit) == document(explicit)
    assert needs_of(implicit) == {"a": (), "b": ("a",), "c": ("a", "b")}


@pytest.mark.parametrize(
    "change",
    [
        {"do": "x.z"},
        {"with": {"hours": 25}},
        {"using": "other"},
        {"when": "true"},
        {"after": "always"},
        {"undo": {"none": "why"}},
        {"continue_on_failure": True},
    ],
)
def test_what_means_something_else_has_another_digest(change: dict[str, Any]) -> None:
    step = {"id": "a", "do": "x.y", "with": {"hours": 24}}
    assert digest(document(of_steps(step | change))) != digest(document(of_steps(step)))


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ({"do": "x.y"}, "do"),
        ({"approve": "Go?", "seats": [{"role": "tier-2"}]}, "approve"),
        ({"wait": {"for": "5m"}}, "wait"),
        ({"set": {}}, "set"),
    ],
)
def test_the_one_key_makes_the_kind(step: dict[str, Any], kind: str) -> None:
    assert of_steps({"id": "a", **step}).steps[0].kind == kind


@pytest.mark.parametrize(
    "step",
    [
        {},
        {"do": ""},
        {"do": None},
        {"wait": None},
        {"wait": {}},
        {"wait": {"for": "0s"}},
        {"wait": {"for": "5m", "until": "x"}},
        {"set": None},
        {"do": "x.y", "set": {}},
        {"each": [], "steps": []},
        {"approve": "Go?"},
        {"approve": "Go?", "seats": []},
        {"approve": "Go?", "seats": [{"role": "tier-2"}], "late": "approve"},
        {"approve": "Go?", "seats": [{"role": "tier-2"}], "continue_on_failure": True},
        {"approve": "Go?", "seats": [{"role": "tier-2"}], "retry": {"times": 1}},
        {"do": "x.y", "seats": [{"role": "tier-2"}]},
        {"do": "x.y", "retry": {"times": 11}},
        {"do": "x.y", "retry": {"times": True}},
        {"do": "x.y", "timeout": 30},
        {"do": "x.y", "undo": "none"},
        {"do": "x.y", "undo": {"none": ""}},
        {"do": "x.y", "undo": {"none": "why", "do": "x.z"}},
        {"do": "x.y", "undo": {"none": "why", "using": "z"}},
        {"do": "x.y", "id": "in"},
        {"do": "x.y", "id": "Upper"},
        {"do": "x.y", "id": "a-b"},
    ],
)
def test_a_step_that_cannot_mean_what_it_says_is_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        of_steps({"id": "a", **step})


def test_a_playbook_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Playbook.model_validate(DATA).title = "Another"
