"""The laws of the simulated world."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from playbooks.connectors.registry import catalogue
from playbooks.connectors.simulator import State, simulate, simulate_end
from playbooks.domain.outcomes import Succeeded

BLOCK = catalogue()["nftables.block_address"]
UNBLOCK = catalogue()["nftables.unblock_address"]

addresses = st.ip_addresses().map(str)


def changed(outcome: object) -> object:
    assert isinstance(outcome, Succeeded)
    return outcome.outputs["changed"]


@st.composite
def states(draw: st.DrawFn) -> State:
    """Worlds that some history of blocks and unblocks led to."""
    state: State = {}
    for action, address in draw(
        st.lists(st.tuples(st.sampled_from([BLOCK, UNBLOCK]), addresses), max_size=6)
    ):
        _, state = simulate(action, {"address": address}, state)
    return state


@given(states(), addresses)
def test_unblocking_what_was_just_blocked_restores_the_world(state: State, address: str) -> None:
    done, after = simulate(BLOCK, {"address": address, "hours": 24}, state)
    if not changed(done):
        assert after == state
        return
    undone, restored = simulate(UNBLOCK, {"address": address}, after)
    assert changed(undone) is True
    assert restored == state


@given(states(), addresses)
def test_blocking_twice_is_blocking_once(state: State, address: str) -> None:
    _, once = simulate(BLOCK, {"address": address, "hours": 24}, state)
    again, twice = simulate(BLOCK, {"address": address, "hours": 48}, once)
    assert changed(again) is False
    assert twice == once


@given(states(), addresses)
def test_undoing_what_is_not_there_changes_nothing(state: State, address: str) -> None:
    _, without = simulate(UNBLOCK, {"address": address}, state)
    undone, after = simulate(UNBLOCK, {"address": address}, without)
    assert changed(undone) is False
    assert after == without


@given(states(), addresses, addresses)
def test_one_target_is_not_another(state: State, address: str, other: str) -> None:
    _, without = simulate(UNBLOCK, {"address": other}, state)
    _, after = simulate(BLOCK, {"address": address, "hours": 1}, without)
    assert changed(simulate(BLOCK, {"address": other, "hours": 1}, after)[0]) is (address != other)


@given(states(), addresses)
def test_the_world_is_plain_json_and_the_one_that_was_given_stays_as_it_was(
    state: State, address: str
) -> None:
    before = json.dumps(state)
    _, after = simulate(BLOCK, {"address": address, "hours": 1}, state)
    assert json.dumps(state) == before
    assert json.loads(json.dumps(after)) == after


@given(st.sampled_from(sorted(key for key, each in catalogue().items() if not each.is_pure)), addresses)
def test_every_answer_keeps_the_schema_and_names_what_was_asked(key: str, address: str) -> None:
    action = catalogue()[key]
    inputs = {"address": address} if "address" in action.inputs["properties"] else {}  # type: ignore[operator]
    outcome, _ = simulate_end(action, inputs, {})
    assert isinstance(outcome, Succeeded)
    Draft202012Validator(action.outputs).validate(outcome.outputs)
    if inputs:
        assert outcome.outputs["address"] == address


def test_reading_and_telling_leave_the_world_alone() -> None:
    for key in ("reputation.lookup_address", "notify.send", "email.send", "http.get"):
        assert simulate(catalogue()[key], {"address": "192.0.2.1", "text": "x"}, {"a": {}})[1] == {"a": {}}


def test_what_is_pure_is_not_simulated() -> None:
    with pytest.raises(ValueError, match=r"script\.run is pure"):
        simulate(catalogue()["script.run"], {"language": "python", "source": "", "inputs": {}}, {})
