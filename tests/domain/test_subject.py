"""What an approval is about, and where what would run now first differs from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.canonical import canonical
from playbooks.domain.subject import Covered, first_difference, subject

BLOCK = Covered(
    step="block",
    action="nftables.block_address",
    effect="change",
    connection_id="c-1",
    connection="edge-firewall",
    connection_revision=3,
    parameters={"address": "203.0.113.9", "hours": 24},
    target="203.0.113.9",
    is_simulated=False,
    undo={"action": "nftables.unblock_address", "parameters": {"address": "203.0.113.9"}},
)
SHOWN = {
    "step": "block",
    "action": "nftables.block_address",
    "effect": "change",
    "connection": {"id": "c-1", "name": "edge-firewall", "revision": 3},
    "parameters": {"address": "203.0.113.9", "hours": 24},
    "target": "203.0.113.9",
    "simulated": False,
    "undo": {"action": "nftables.unblock_address", "parameters": {"address": "203.0.113.9"}},
}


def test_a_covered_action_is_shown_exactly_as_it_would_run() -> None:
    assert BLOCK.as_json() == SHOWN


def test_a_subject_says_which_run_which_version_who_has_to_decide_and_what_would_run() -> None:
    about = subject(
        run="r-1",
        version_digest="ab" * 32,
        gate="gate",
        frozen_at="2026-11-01T00:00:00Z",
        seats=("tier-2", "network-owner"),
        profile="team",
        policies={"change-in-production": 2},
        covered=(BLOCK,),
        not_covered=("later",),
    )
    assert about == {
        "run": "r-1",
        "version": "ab" * 32,
        "gate": "gate",
        "frozen_at": "2026-11-01T00:00:00Z",
        "seats": ["tier-2", "network-owner"],
        "profile": "team",
        "policies": {"change-in-production": 2},
        "covered": [SHOWN],
        "not_covered": ["later"],
    }


def test_a_subject_that_cannot_be_taken_back_says_why() -> None:
    gone = Covered("wipe", "edr.wipe", "destroy", "c-2", "edr", 1, {}, "web-1", True, "A disk stays wiped.")
    assert gone.as_json()["undo"] == "A disk stays wiped."
    assert gone.as_json()["simulated"] is True


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ({"a": 1}, {"a": 1}, ""),
        ({"a": 1}, {"a": 2}, "a"),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, "a.b.c"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "a.1"),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, "a"),
        ({"a": [1, 2]}, {"a": [1]}, "a"),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, "a"),
        ({"a": 1}, {"a": 1, "b": 2}, "b"),
        ({"a": 1, "b": 2}, {"a": 1}, "b"),
        ({"a": 1}, {"a": 1.0}, "a"),
        ({"a": 1}, {"a": True}, "a"),
        ({"a": "1"}, {"a": 1}, "a"),
        ({"a": {"b": 1}}, {"a": [1]}, "a"),
        ({"a": {"b": 1}}, {"a": None}, "a"),
        ({}, {"a": None}, "a"),
        ({"a": None}, {}, "a"),
        ([1], {"a": 1}, "the whole subject"),
        (None, {"a": 1}, "the whole subject"),
        ([], [], ""),
        ("café", "cafe\u0301", "the whole subject"),
    ],
)
def test_the_first_difference_is_named_by_where_it_is(old: object, new: object, place: str) -> None:
    assert first_difference(old, new) == place


def test_a_place_is_told_from_where_the_comparison_begins() -> None:
    assert first_difference({"a": 1}, {"a": 2}, "covered.block") == "covered.block.a"
    assert first_difference([1], None, "covered.block") == "covered.block"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 1)
    | st.sampled_from([0.0, 1.0, 0.5])
    | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


@given(VALUES, VALUES)
def test_what_has_no_difference_is_the_same_to_the_last_byte(old: object, new: object) -> None:
    if not first_difference(old, new):
        assert canonical(old) == canonical(new)
    assert first_difference(old, old) == ""
