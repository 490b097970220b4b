"""The drawing of a graph: nothing overlaps, everything points down, and the same graph looks the same."""

import time
from collections.abc import Iterator, Sequence
from graphlib import CycleError
from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.graph import HEADER_HEIGHT, Box, Node, layout


def _level(draw: st.DrawFn, prefix: str, most: int, levels: int) -> list[Node]:
    nodes = []
    for index in range(draw(st.integers(0 if prefix == "s" else 1, most))):
        needs = draw(st.lists(st.integers(0, index - 1), max_size=4)) if index else []
        is_block = levels > 0 and draw(st.integers(0, 5)) == 0
        inner = _level(draw, f"{prefix}{index}_", 4, levels - 1) if is_block else []
        needed = tuple(f"{prefix}{need}" for need in needs)
        nodes.append(Node(f"{prefix}{index}", f"Step {index}", "do", needed, tuple(inner)))
    return draw(st.permutations(nodes))


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Acyclic graphs of up to 20 nodes on the first of up to three levels, in any order."""
    return _level(draw, "s", 20, 2)


def levels(nodes: Sequence[Node]) -> Iterator[Sequence[Node]]:
    """The nodes beside each other, level by level."""
    yield nodes
    for node in nodes:
        if node.inner:
            yield from levels(node.inner)


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@given(graphs())
def test_no_two_boxes_overlap_and_all_lie_inside(nodes: list[Node]) -> None:
    drawn = layout(nodes)
    box_of = {box.node.id: box for box in drawn.boxes}
    for level in levels(nodes):
        beside = [box_of[node.id] for node in level]
        assert not any(overlap(one, other) for one, other in combinations(beside, 2))
    for box in drawn.boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= drawn.width
        assert box.y + box.height <= drawn.height


@given(graphs())
def test_a_box_lies_below_the_header_of_the_box_that_holds_it_and_follows_it(nodes: list[Node]) -> None:
    drawn = layout(nodes)
    box_of = {box.node.id: box for box in drawn.boxes}
    place = {box.node.id: index for index, box in enumerate(drawn.boxes)}
    for outer in drawn.boxes:
        for inner in (box_of[node.id] for node in outer.node.inner):
            assert place[outer.node.id] < place[inner.node.id]
            assert outer.x < inner.x
            assert inner.x + inner.width < outer.x + outer.width
            assert outer.y + HEADER_HEIGHT < inner.y
            assert inner.y + inner.height < outer.y + outer.height


@given(graphs())
def test_every_need_is_one_edge_that_leads_down_to_a_later_layer(nodes: list[Node]) -> None:
    drawn = layout(nodes)
    layer_of = {box.node.id: box.layer for box in drawn.boxes}
    assert {(edge.source, edge.target) for edge in drawn.edges} == {
        (need, node.id) for level in levels(nodes) for node in level for need in node.needs
    }
    for edge in drawn.edges:
        assert layer_of[edge.source] < layer_of[edge.target]
        assert all(upper[1] < lower[1] for upper, lower in pairwise(edge.points))


@given(graphs())
def test_an_edge_touches_no_box_on_its_way(nodes: list[Node]) -> None:
    drawn = layout(nodes)
    for edge in drawn.edges:
        passing = edge.points[1:-1]
        assert not any(
            box.x < x < box.x + box.width and box.y <= y <= box.y + box.height
            for x, y in passing
            for box in drawn.boxes
            if not edge.source.startswith(f"{box.node.id}_")  # the boxes around it
        )


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_needs_change_nothing(nodes: list[Node], random: Random) -> None:
    def shuffled(node: Node) -> Node:
        needs = [*node.needs, *node.needs[:1]]
        random.shuffle(needs)
        return Node(
            node.id, node.label, node.kind, tuple(needs), tuple(shuffled(each) for each in node.inner)
        )

    one, other = layout(nodes), layout([shuffled(node) for node in nodes])
    assert [(box.x, box.y) for box in one.boxes] == [(box.x, box.y) for box in other.boxes]
    assert one.edges == other.edges


def test_parallel_steps_keep_the_order_in_which_the_author_wrote_them() -> None:
    nodes = [Node("z", "z", "do", ()), Node("a", "a", "do", ()), Node("end", "end", "do", ("a", "z"))]
    left, right, _ = layout(nodes).boxes
    assert left.x < right.x


def test_a_chain_is_straight_even_where_an_edge_passes_it() -> None:
    nodes = [Node("a", "a", "do", ()), Node("b", "b", "do", ("a",)), Node("c", "c", "do", ("b", "a"))]
    xs = [box.x for box in layout(nodes).boxes]
    assert max(xs) - min(xs) <= 2


def test_an_empty_graph_has_no_boxes() -> None:
    assert layout([]).boxes == ()


def test_a_cycle_is_an_error() -> None:
    with pytest.raises(CycleError):
        layout([Node("a", "a", "do", ("b",)), Node("b", "b", "do", ("a",))])


@pytest.mark.parametrize("chained", [False, True])
def test_five_hundred_steps_are_placed_in_a_fraction_of_a_second(chained: bool) -> None:
    random = Random(7)
    nodes = [Node("s0", "s0", "do", ())]
    for index in range(1, 500):
        needs = {f"s{random.randrange(index)}" for _ in range(3)} | ({f"s{index - 1}"} if chained else set())
        nodes.append(Node(f"s{index}", f"s{index}", "do", tuple(needs)))
    started = time.process_time()
    layout(nodes)
    assert time.process_time() - started < 0.5  # 0.1 s where it was written; room for slower machines
