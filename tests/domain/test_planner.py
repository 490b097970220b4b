"""The planner's laws: every run ends, nothing runs twice, nothing runs before what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.expressions import ExpressionError
from playbooks.domain.planner import CONDITION, NOT_REACHED, Move, Node, State, plan, run_status
from playbooks.domain.statuses import STEP_ENDED, RunStatus, StepStatus

PENDING = State(StepStatus.PENDING, {})
ENDS = [StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.CANCELLED]


def moves(
    nodes: Sequence[Node],
    states: Mapping[str, State],
    *,
    holds: bool = True,
    fails: frozenset[str] = frozenset(),
) -> tuple[Move, ...]:
    def condition(node: Node, _states: Mapping[str, State]) -> bool:
        if node.key in fails:
            raise ExpressionError("There is no input named nothing.")
        return holds

    return plan(nodes, states, condition=condition, values=lambda node, _: {"from": node.key})


def fresh(nodes: Sequence[Node]) -> dict[str, State]:
    return {node.key: PENDING for node in nodes}


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    size = draw(st.integers(1, 12))
    return [
        Node(
            key=f"s{index}",
            kind=draw(st.sampled_from(["do", "approve", "wait", "set"])),
            needs=tuple(draw(st.sets(st.sampled_from([f"s{i}" for i in range(index)]), max_size=4)))
            if index
            else (),
            after=draw(st.sampled_from(["success", "failure", "always"])),
            when=draw(st.sampled_from([None, "true"])),
            forgives=draw(st.booleans()),
        )
        for index in range(size)
    ]


@given(graphs(), st.data())
def test_every_run_ends_and_no_step_moves_twice_before_it_is_settled(
    nodes: list[Node], data: st.DataObject
) -> None:
    states, began = fresh(nodes), set()
    for _ in range(len(nodes) + 1):
        for move in moves(nodes, states, holds=data.draw(st.booleans())):
            assert move.key not in began
            began.add(move.key)
            states[move.key] = State(move.status, move.outputs or {})
        under_way = [
            key for key, state in states.items() if state.status in {StepStatus.READY, StepStatus.WAITING}
        ]
        if not under_way:
            break
        settled = data.draw(st.sampled_from(under_way))
        states[settled] = State(data.draw(st.sampled_from(ENDS)), {})
        for key in under_way:
            states[key] = State(data.draw(st.sampled_from(ENDS)), {})
    assert {state.status for state in states.values()} <= STEP_ENDED
    assert run_status(nodes, states) in {RunStatus.SUCCEEDED, RunStatus.FAILED}


@given(graphs(), st.data())
def test_nothing_begins_before_all_that_it_needs_has_ended(nodes: list[Node], data: st.DataObject) -> None:
    states = {
        node.key: State(data.draw(st.sampled_from([StepStatus.PENDING, StepStatus.RUNNING, *ENDS])), {})
        for node in nodes
    }
    seen = dict(states)
    by_key = {node.key: node for node in nodes}
    for move in moves(nodes, states):
        assert all(seen[need].status in STEP_ENDED for need in by_key[move.key].needs)
        seen[move.key] = State(move.status, {})


@given(graphs(), st.randoms())
def test_the_order_of_independent_facts_does_not_matter(nodes: list[Node], random: object) -> None:
    first = moves(nodes, fresh(nodes))
    shuffled = list(nodes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert {(m.key, m.status) for m in moves(shuffled, fresh(shuffled))} == {(m.key, m.status) for m in first}


@given(graphs())
def test_planning_again_without_a_new_fact_moves_nothing(nodes: list[Node]) -> None:
    states = fresh(nodes)
    states.update({move.key: State(move.status, {}) for move in moves(nodes, states)})
    assert moves(nodes, states) == ()


def test_a_failure_passes_through_skipped_steps() -> None:
    nodes = [Node("a", "do"), Node("b", "do", ("a",)), Node("c", "do"), Node("d", "do", ("b", "c"))]
    states = {
        **fresh(nodes),
        "a": State(StepStatus.FAILED, {}),
        "c": State(StepStatus.SUCCEEDED, {}),
    }
    assert [(m.key, m.status, m.sentence) for m in moves(nodes, states)] == [
        ("b", StepStatus.SKIPPED, NOT_REACHED),
        ("d", StepStatus.SKIPPED, NOT_REACHED),
    ]


def test_a_false_condition_does_not_stop_what_follows() -> None:
    nodes = [Node("a", "do"), Node("b", "do", ("a",), when="false"), Node("c", "do", ("a", "b"))]
    states = {**fresh(nodes), "a": State(StepStatus.SUCCEEDED, {})}
    assert [(m.key, m.status) for m in moves(nodes, states, holds=False)] == [
        ("b", StepStatus.SKIPPED),
        ("c", StepStatus.READY),
    ]


def test_a_step_whose_every_need_was_skipped_is_skipped() -> None:
    nodes = [Node("a", "do", when="false"), Node("b", "do", ("a",)), Node("c", "do", ("b",))]
    assert [m.status for m in moves(nodes, fresh(nodes), holds=False)] == [StepStatus.SKIPPED] * 3
    assert moves(nodes, fresh(nodes), holds=False)[0].sentence == CONDITION


def test_a_condition_that_cannot_be_evaluated_fails_its_step_with_the_sentence() -> None:
    nodes = [Node("a", "do", when="inputs.nothing")]
    (move,) = moves(nodes, fresh(nodes), fails=frozenset({"a"}))
    assert (move.status, move.sentence) == (StepStatus.FAILED, "There is no input named nothing.")


def test_clean_up_runs_after_a_failure_and_after_a_success() -> None:
    nodes = [
        Node("a", "do"),
        Node("on_failure", "do", ("a",), "failure"),
        Node("always", "do", ("a",), "always"),
    ]
    failed = moves(nodes, {**fresh(nodes), "a": State(StepStatus.FAILED, {})})
    succeeded = moves(nodes, {**fresh(nodes), "a": State(StepStatus.SUCCEEDED, {})})
    assert [m.status for m in failed] == [StepStatus.READY, StepStatus.READY]
    assert [m.status for m in succeeded] == [StepStatus.SKIPPED, StepStatus.READY]


def test_a_forgiven_failure_lets_the_run_succeed() -> None:
    nodes = [Node("a", "do", forgives=True), Node("b", "do", ("a",))]
    states = {"a": State(StepStatus.FAILED, {}), "b": PENDING}
    (move,) = moves(nodes, states)
    assert move.status is StepStatus.READY
    states["b"] = State(StepStatus.SUCCEEDED, {})
    assert run_status(nodes, states) is RunStatus.SUCCEEDED


def test_a_run_with_an_unknown_step_waits_for_a_person() -> None:
    nodes = [Node("a", "do"), Node("b", "do", ("a",))]
    states = {"a": State(StepStatus.UNKNOWN, {}), "b": PENDING}
    assert moves(nodes, states) == ()
    assert run_status(nodes, states) is RunStatus.WAITING
