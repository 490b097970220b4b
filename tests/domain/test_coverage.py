"""What a gate answers for, and what can never run without one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.check import check
from playbooks.domain.coverage import covered_by, gates_of, guarded_steps
from playbooks.domain.planner import Node, State, plan
from playbooks.domain.playbook import Playbook, Step, needs_of, placed
from playbooks.domain.statuses import STEP_ENDED, StepStatus
from tests.domain.language import BLOCK_ATTACKER, CATALOGUE, playbook

SEATS = "seats: [{role: tier-2}]"
BLOCK = "do: nftables.block_address, with: {address: a, hours: 1}"
LOOK = "do: reputation.lookup_address, with: {address: a}"


def test_the_gate_of_the_shipped_playbook_covers_the_block_and_the_message() -> None:
    shipped = check(BLOCK_ATTACKER, CATALOGUE).playbook
    assert shipped is not None
    assert covered_by(shipped, "gate", CATALOGUE) == ("block", "tell")
    assert gates_of(shipped, "tell") == ("gate",)
    assert gates_of(shipped, "owner") == ()


def test_coverage_ends_at_the_next_gates_and_leaves_reads_out() -> None:
    chain = playbook(
        f"id: one, approve: Go?, {SEATS}",
        f"id: look, {LOOK}",
        f"id: a, {BLOCK}",
        f"id: two, approve: Go on?, {SEATS}",
        f"id: b, {BLOCK}",
    )
    assert covered_by(chain, "one", CATALOGUE) == ("a",)
    assert covered_by(chain, "two", CATALOGUE) == ("b",)
    assert gates_of(chain, "b") == ("two",)


def test_what_follows_a_denial_is_behind_the_gate_and_not_guarded_by_it() -> None:
    branches = playbook(
        f"id: gate, approve: Go?, {SEATS}",
        f"id: yes_, needs: [gate], {BLOCK}",
        f"id: no_, needs: [gate], after: failure, {BLOCK}",
        f"id: ever, needs: [gate], after: always, {BLOCK}",
    )
    assert covered_by(branches, "gate", CATALOGUE) == ("yes_", "no_", "ever")
    assert gates_of(branches, "no_") == ("gate",)
    assert guarded_steps(branches) == {"yes_"}


@pytest.mark.parametrize(
    ("gate", "step", "guarded"),
    [
        ("", "needs: [gate]", True),
        ("", "needs: [gate, other]", True),
        ("when: 'true', ", "needs: [gate]", True),
        ("when: 'true', ", "needs: [gate, other]", False),
        ("needs: [maybe], ", "needs: [gate, other]", False),
        ("needs: [maybe, other], ", "needs: [gate, other]", True),
        ("", "needs: [other]", False),
        ("", "needs: [gate], after: always", False),
    ],
)
def test_a_gate_that_may_be_skipped_guards_only_what_is_skipped_with_it(
    gate: str, step: str, guarded: bool
) -> None:
    graph = playbook(
        f"id: other, needs: [], {LOOK}",
        f"id: maybe, needs: [], when: 'true', {LOOK}",
        f"id: gate, needs: [], {gate}approve: Go?, {SEATS}".replace("needs: [], needs", "needs"),
        f"id: step, {step}, {BLOCK}",
    )
    assert ("step" in guarded_steps(graph)) is guarded


def test_a_gate_covers_what_is_inside_the_blocks_that_it_reaches_up_to_the_gates_there() -> None:
    nested = playbook(
        f"id: gate, approve: Go?, {SEATS}",
        "id: hosts, each: [a], steps: ["
        f"{{id: first, {BLOCK}}}, {{id: inner, approve: Go on?, {SEATS}}}, {{id: second, {BLOCK}}}, "
        f"{{id: again, repeat: {{until: 'true', most: 2}}, steps: [{{id: deep, {BLOCK}}}, {{id: look, {LOOK}}}]}}]",
        f"id: last, {BLOCK}",
    )
    assert covered_by(nested, "gate", CATALOGUE) == ("first", "last")
    assert covered_by(nested, "inner", CATALOGUE) == ("second", "deep")
    assert gates_of(nested, "first") == gates_of(nested, "last") == ("gate",)
    assert gates_of(nested, "deep") == ("inner",)
    assert guarded_steps(nested) == {"hosts", "first", "inner", "second", "again", "deep", "look", "last"}


def test_a_gate_inside_a_block_guards_nothing_outside() -> None:
    nested = playbook(
        f"id: hosts, each: [a], steps: [{{id: inner, approve: Go?, {SEATS}}}, {{id: inside, {BLOCK}}}]",
        f"id: last, {BLOCK}",
    )
    assert covered_by(nested, "inner", CATALOGUE) == ("inside",)
    assert gates_of(nested, "last") == ()
    assert guarded_steps(nested) == {"inside"}


def test_running_a_playbook_acts_and_a_script_does_not() -> None:
    mixed = playbook(f"id: gate, approve: Go?, {SEATS}", "id: a, run: other", "id: b, script: {python: x}")
    assert covered_by(mixed, "gate", CATALOGUE) == ("a",)


_KINDS = [
    f"approve: Go?, {SEATS}",
    BLOCK,
    LOOK,
    f"{BLOCK}, continue_on_failure: true",
    "run: other",
    "script: {python: x}",
    "each: [1, 2], steps: ",
    "repeat: {until: 'true', most: 2}, steps: ",
]


def _block(draw: st.DrawFn, prefix: str, depth: int) -> list[str]:
    steps: list[str] = []
    for index in range(draw(st.integers(1, 6 if depth == 0 else 3))):
        known = [f"{prefix}{i}" for i in range(index)]
        needs = draw(st.lists(st.sampled_from(known), max_size=3)) if known else []
        kind = draw(st.sampled_from(_KINDS if depth < 2 else _KINDS[:-2]))
        if kind.endswith("steps: "):
            kind += (
                "[" + ", ".join(f"{{{each}}}" for each in _block(draw, f"{prefix}{index}_", depth + 1)) + "]"
            )
        after = draw(st.sampled_from(["success", "success", "always", "failure"]))
        when = draw(st.sampled_from(["", ", when: 'true'"]))
        steps.append(f"id: {prefix}{index}, needs: [{', '.join(needs)}], after: {after}{when}, {kind}")
    return steps


@st.composite
def graphs(draw: st.DrawFn) -> Playbook:
    """Playbooks of up to three levels; every id says where its step is."""
    return playbook(*_block(draw, "s", 0))


@given(graphs())
def test_the_gates_of_a_step_are_those_that_cover_it(graph: Playbook) -> None:
    steps = [place.step for place in placed(graph)]
    gates = [step.id for step in steps if step.kind == "approve"]
    for step in steps:
        if step.do == "nftables.block_address" or step.kind == "run":
            covering = [gate for gate in gates if step.id in covered_by(graph, gate, CATALOGUE)]
            assert list(gates_of(graph, step.id)) == covering


@given(graphs(), st.data())
def test_no_guarded_step_runs_unless_a_gate_upstream_was_granted(
    graph: Playbook, data: st.DataObject
) -> None:
    """Plays the graph through the real planner, with any outcome of a step, any value of a condition."""
    _play(graph, graph.steps, frozenset(), data)


def _play(
    graph: Playbook, steps: tuple[Step, ...], granted_around: frozenset[str], data: st.DataObject
) -> None:
    """One block; the blocks inside are played, once, when they begin. `granted_around` are gates before it."""
    needs = needs_of(graph)
    nodes = [
        Node(step.id, step.kind, needs[step.id], step.after, step.when, step.continue_on_failure)
        for step in steps
    ]
    states = {node.key: State(StepStatus.PENDING, {}) for node in nodes}
    guarded = guarded_steps(graph)
    granted: set[str] = set()
    while True:
        moves = plan(nodes, states, condition=lambda *_: data.draw(st.booleans()), values=lambda *_: {})
        states |= {move.key: State(move.status, {}) for move in moves}
        for move in moves:
            if move.status not in STEP_ENDED:
                before = granted_around | (_upstream(move.key, needs) & granted)
                assert move.key not in guarded or before
                inner = next(step.steps for step in steps if step.id == move.key)
                if inner:
                    _play(graph, inner, before, data)
        running = [
            key for key, state in states.items() if state.status not in STEP_ENDED | {StepStatus.PENDING}
        ]
        if not running:
            break
        key = data.draw(st.sampled_from(running))
        ended = data.draw(st.sampled_from([StepStatus.SUCCEEDED, StepStatus.FAILED]))
        states[key] = State(ended, {})
        if ended is StepStatus.SUCCEEDED and next(n for n in nodes if n.key == key).kind == "approve":
            granted.add(key)


def _upstream(key: str, needs: dict[str, tuple[str, ...]]) -> set[str]:
    return set(needs[key]).union(*(_upstream(need, needs) for need in needs[key]))
