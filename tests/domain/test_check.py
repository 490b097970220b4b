"""Check reports every problem at once, with its place, what is wrong and the nearest valid name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.check import check
from tests.domain.language import BLOCK_ATTACKER, CATALOGUE, HEAD, NESTED, problems

SEATS = "seats: [{role: tier-2}]"
OWNER = "id: owner, do: assets.find_owner, with: {address: '${ inputs.address }'}"


def of_steps(*steps: str) -> list[str]:
    return problems(HEAD + "".join(f"  - {{{step}}}\n" for step in steps))


def test_the_shipped_playbook_is_clean() -> None:
    checked = check(BLOCK_ATTACKER, CATALOGUE)
    assert checked.problems == ()
    assert checked.playbook is not None
    assert checked.playbook.playbook == "block-attacker"


def test_a_playbook_with_every_kind_of_step_on_three_levels_is_clean() -> None:
    assert problems(NESTED) == []


def test_all_problems_come_at_once_each_at_its_place() -> None:
    text = BLOCK_ATTACKER
    for old, new in [
        ("nftables.block_address", "nftables.block_adress"),
        ("every: 5s", "every: 5x"),
        ("steps.gate.approvers", "steps.gat.approvers"),
        ("late: escalate ", "late: approve "),
        ("on_failure: rollback", "on_failure: rolback"),
        ("using: soc-channel", "usign: soc-channel"),
        ("alert.severity", "alert.severty"),
    ]:
        assert old in text
        text = text.replace(old, new)
    lines = text.splitlines()
    found = [
        (lines[each.line - 1][each.column - 1 :].split()[0], each.message)
        for each in check(text, CATALOGUE).problems
    ]
    assert found == [
        ("alert.source", "unknown name 'severty' in alert, did you mean 'severity'?"),
        ("5x,", "'5x' is not a duration; write it like 30s, 5m, 24h, 7d or 1h30m"),
        ("approve", "'late' is one of 'deny', 'escalate' or 'hold', not 'approve'"),
        (
            "nftables.block_adress",
            "unknown action 'nftables.block_adress', did you mean 'nftables.block_address'?",
        ),
        ("usign:", "unknown key 'usign', did you mean 'using'?"),
        ('"${', "no step has the id 'gat', did you mean 'gate'?"),
        ("rolback", "'on_failure' is one of 'stop' or 'rollback', not 'rolback', did you mean 'rollback'?"),
    ]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["id: a"], "a step needs one of 'do', 'approve', 'ask', 'wait', 'run', 'each'"),
        (["id: a, set: {}, wait: {for: 5m}"], "exactly one kind, and this has 'wait' and 'set'"),
        (
            [f"id: a, approve: Go?, {SEATS}, retry: {{times: 1}}"],
            "a step of kind 'approve' has no key 'retry'",
        ),
        (["id: a, approve: Go?"], "a gate needs 'seats'"),
        (["set: {}"], "the key 'id' is missing"),
        (["id: null, set: {}"], "'id' has to be text, not nothing"),
        (["id: loop, set: {}"], "'loop' is a word of the expression language"),
        (["id: A, set: {}"], "'A' is no id"),
        (["id: a, set: {}", "id: a, set: {}"], "the id 'a' is used by an earlier step"),
        (["id: a, needs: [b], set: {}"], "'a' needs 'b', but no step has this id"),
        (["id: owner, set: {}", "id: b, needs: [ownr], set: {}"], "did you mean 'owner'?"),
        (["id: a, needs: [a], set: {}"], "these steps wait for each other: a → a"),
        (
            ["id: a, needs: [c], set: {}", "id: b, set: {}", "id: c, set: {}"],
            "these steps wait for each other: a → c → b → a",
        ),
        (
            ["id: a, do: asset.find_owner"],
            "unknown action 'asset.find_owner', did you mean 'assets.find_owner'?",
        ),
        (["id: a, do: assets.find_owner"], "assets.find_owner needs the input 'address'"),
        (
            ["id: a, do: assets.find_owner, with: {address: x, adress: y}"],
            "assets.find_owner has no input 'adress', did you mean 'address'?",
        ),
        (
            ["id: a, do: notify.send, with: {text: 5}"],
            "input 'text' of notify.send: 5 is not of type 'string'",
        ),
        ([f"{OWNER}, timeout: 2h"], "assets.find_owner may take 1m at most, not 2h"),
        ([f"{OWNER}, retry: {{times: 11}}"], "'times' has to be at most 10"),
        ([f"{OWNER}, retry: {{times: 1, every: 2h}}"], "the wait before a retry is 1h at most"),
        ([f"id: a, approve: Go?, {SEATS}, within: 366d"], "a gate is open for 365d at most"),
        ([f"{OWNER}, undo: none"], "no way back needs its reason"),
        ([f"{OWNER}, undo: {{do: x.y}}"], "unknown action 'x.y'"),
        (
            ["id: a, set: {x: '${ inputs.adress }'}"],
            "unknown name 'adress' in inputs, did you mean 'address'?",
        ),
        (["id: a, set: {x: '${ 1 + }'}"], "ends too early"),
        (["id: a, set: {x: '${ 1 '}"], "not closed"),
        (["id: a, set: {x: '${ item }'}"], "'item' is not known in 'a'"),
        (["id: a, when: '${ true }', set: {}"], "write it without ${ }"),
        (["id: a, when: inputs.y, set: {}"], "unknown name 'y' in inputs"),
        ([OWNER, "id: b, set: {x: '${ steps.owner.outputs.ownr }'}"], "did you mean 'owner'?"),
        ([OWNER, "id: b, set: {x: '${ steps.owner.approvers }'}"], "unknown name 'approvers' in steps.owner"),
        ([OWNER, "id: b, set: {x: '${ steps.owner }'}"], "'steps.owner' is too little"),
        ([OWNER, "id: b, needs: [], set: {x: '${ steps.owner.state }'}"], "has not ended when 'b' starts"),
        (["id: a, set: {x: '${ steps.a.outputs.x }'}"], "has not ended when 'a' starts"),
        ([OWNER, f"id: g, needs: [], approve: Go?, {SEATS}, show: [owner]"], "has not ended when 'g' starts"),
        ([f"id: g, approve: Go?, {SEATS}, show: [ownr]"], "no step has the id 'ownr'"),
        (["id: a, set: {x: '${ alert.observables.ipp }'}"], "unknown name 'ipp' in alert.observables"),
        (["id: a, set: {x: '${ alert.rule.nme }'}"], "unknown name 'nme' in alert.rule"),
        (["id: wipe, do: disks.wipe, with: {host: h}"], "'wipe' destroys, and could run without an approval"),
    ],
)
def test_one_fault_is_named(steps: list[str], message: str) -> None:
    assert any(message in problem for problem in of_steps(*steps)), of_steps(*steps)


def test_one_fault_makes_one_problem() -> None:
    assert (
        len(of_steps(OWNER, "id: b, each: 5, steps: [], at_once: 2", "id: c, needs: [b, owner], set: {}"))
        == 1
    )


@pytest.mark.parametrize(
    "steps",
    [
        [OWNER, "id: b, set: {x: '${ steps.owner.outputs.owner }', y: '${ steps.owner.state }'}"],
        ["id: a, set: {x: 1}", "id: b, when: steps.a.outputs.x == 1, set: {y: '$${ literal'}"],
        [f"{OWNER}, undo: {{do: notify.send, with: {{text: '${{ steps.owner.outputs.owner }}'}}}}"],
        [f"id: g, approve: Go?, {SEATS}", "id: wipe, do: disks.wipe, with: {host: h}"],
        ["id: a, do: nftables.block_address, with: {address: x, hours: '${ 1 + 1 }'}"],
        ["id: a, wait: {for: 5m}", "id: b, set: {x: '${ steps.a.state }'}"],
    ],
)
def test_what_is_right_has_no_problem(steps: list[str]) -> None:
    assert of_steps(*steps) == []


def test_triggers_inputs_and_outputs_see_only_what_there_is_by_then() -> None:
    text = """
playbook: a
title: A
triggers: [{alert: inputs.x == 1}]
inputs: {x: {type: ip, default: "${ steps.a.state }"}}
steps: [{id: a, set: {v: 1}}]
outputs: {ok: "${ steps.a.outputs.v }", bad: "${ steps.b.state }"}
"""
    assert problems(text) == [
        "'inputs' is not known in a trigger; there are alert, now",
        "'steps' is not known in an input; there are alert, case, now",
        "no step has the id 'b'",
    ]


@pytest.mark.parametrize(
    "text", ["", "a", "[1]", "steps: []", "steps: {a: 1}", "[" * 30_000, "\x00", "inputs: 1"]
)
def test_what_is_no_playbook_at_all_has_problems_and_no_playbook(text: str) -> None:
    checked = check(text, CATALOGUE)
    assert checked.playbook is None
    assert checked.problems


WORDS = [re.findall(r"\w+|\W", text) for text in (BLOCK_ATTACKER, NESTED)]
ODD = ["", "x", "id", "steps", "needs", "each", "[]", "{}", "${", "5", "null", ": ", "- ", "gate", '"']


@given(
    st.integers(0, len(WORDS) - 1),
    st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(ODD)), min_size=1, max_size=6),
)
def test_no_mutation_of_a_playbook_crashes_the_check(text: int, changes: list[tuple[int, str]]) -> None:
    words = list(WORDS[text])
    for index, word in changes:
        words[index % len(words)] = word
    checked = check("".join(words), CATALOGUE)
    assert (checked.playbook is None) == bool(checked.problems)
    assert list(checked.problems) == sorted(checked.problems)
