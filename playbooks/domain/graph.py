"""Where the steps of a playbook or a run are drawn: layers from top to bottom (after Sugiyama, 1981).

Each step lies one layer below the last step that it needs, so every edge points down. Edges that pass other
layers get a narrow slot of their own in each of them, so that they run beside the boxes, not behind them. A step
that holds steps is a box around their own small drawing, below its header. All lengths are in SVG user units
(CSS pixels).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from itertools import accumulate, pairwise

BOX_WIDTH = 156  # two boxes side by side fit a phone
BOX_HEIGHT = 64
HEADER_HEIGHT = 44  # of a box that holds others
LANE_WIDTH = 8
COLUMN_GAP = 16
ROW_GAP = 32
MARGIN = 8
SWEEPS = 4
# An edge over more layers is drawn straight: with a slot in each layer, 500 steps would need 100,000 slots.
LONGEST_ROUTED = 16

Point = tuple[int, int]
Slot = str | tuple[str, int]  # a node's id, or (source, layer) where edges from `source` pass a layer


@dataclass(frozen=True, slots=True)
class Node:
    """`needs` are ids of nodes beside it; their order and repetition mean nothing. `inner` are those it holds."""

    id: str
    label: str
    kind: str
    needs: tuple[str, ...]
    inner: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Box:
    """`x` and `y` are the upper left corner; `layer` counts within the box around it."""

    node: Node
    layer: int
    x: int
    y: int
    width: int = BOX_WIDTH
    height: int = BOX_HEIGHT


@dataclass(frozen=True, slots=True)
class Edge:
    """`points` lead from the underside of `source` to the upper side of `target`, always downwards."""

    source: str
    target: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Of all levels: each box is followed by the boxes that it holds."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def layout(nodes: Sequence[Node]) -> Layout:
    """The same nodes in the same order always give the same drawing; boxes are in the order of `nodes`.

    Steps of one layer keep the order of `nodes` unless another order has shorter edges. Raises
    graphlib.CycleError for a cycle and KeyError for a need that is no node; the checker has refused both.
    """
    inner = {node.id: layout(node.inner) for node in nodes if node.inner}
    level = _Level(_layers(nodes), {node.id: _size(inner.get(node.id)) for node in nodes})
    routes = _routes(nodes, level.layer_of)
    rows = _ordered(_rows(level.layer_of, routes), routes)
    centres = _centres(rows, routes, level)
    shift = MARGIN - min((centre - level.width(slot) / 2 for slot, centre in centres.items()), default=0)
    xs = {slot: round(centre + shift) for slot, centre in centres.items()}
    boxes = [_box(node, xs[node.id], level) for node in nodes]
    held = {box.node.id: _moved(inner[box.node.id], box) for box in boxes if box.node.id in inner}
    return Layout(
        width=max((x + level.width(slot) // 2 for slot, x in xs.items()), default=MARGIN) + MARGIN,
        height=level.height + 2 * MARGIN,
        boxes=tuple(each for box in boxes for each in (box, *_boxes_of(held.get(box.node.id)))),
        edges=(
            *(_edge(route, level, xs) for route in routes),
            *(edge for each in held.values() for edge in each.edges),
        ),
    )


class _Level:
    """The nodes beside each other: in which layer each lies, how large it is, where the layers begin and end."""

    def __init__(self, layer_of: Mapping[str, int], sizes: Mapping[str, Point]) -> None:
        self.layer_of = layer_of
        self.sizes = sizes
        heights = [0] * (1 + max(layer_of.values(), default=-1))
        for node, layer in layer_of.items():
            heights[layer] = max(heights[layer], sizes[node][1])
        self._heights = heights
        self._tops = [*accumulate((height + ROW_GAP for height in heights), initial=MARGIN)]
        self.height = sum(heights) + max(len(heights) - 1, 0) * ROW_GAP

    def top(self, layer: int) -> int:
        return self._tops[layer]

    def bottom(self, layer: int) -> int:
        return self._tops[layer] + self._heights[layer]

    def width(self, slot: Slot) -> int:
        return self.sizes[slot][0] if isinstance(slot, str) else LANE_WIDTH


def _size(inner: Layout | None) -> Point:
    """Width and height of a box; a width is even, so that its middle is a whole number."""
    if inner is None:
        return BOX_WIDTH, BOX_HEIGHT
    return max(inner.width + inner.width % 2, BOX_WIDTH), HEADER_HEIGHT + inner.height


def _box(node: Node, centre: int, level: _Level) -> Box:
    width, height = level.sizes[node.id]
    layer = level.layer_of[node.id]
    return Box(node, layer, centre - width // 2, level.top(layer), width, height)


def _boxes_of(inner: Layout | None) -> tuple[Box, ...]:
    return inner.boxes if inner else ()


def _moved(inner: Layout, box: Box) -> Layout:
    """What a box holds, centred below its header."""
    right, down = box.x + (box.width - inner.width) // 2, box.y + HEADER_HEIGHT
    return replace(
        inner,
        boxes=tuple(replace(each, x=each.x + right, y=each.y + down) for each in inner.boxes),
        edges=tuple(
            replace(each, points=tuple((x + right, y + down) for x, y in each.points)) for each in inner.edges
        ),
    )


def _layers(nodes: Sequence[Node]) -> dict[str, int]:
    """The length of the longest path to each node, in the order of `nodes`."""
    needs = {node.id: node.needs for node in nodes}
    depth: dict[str, int] = {}
    for each in TopologicalSorter(needs).static_order():
        depth[each] = 1 + max((depth[need] for need in needs[each]), default=-1)
    return {node.id: depth[node.id] for node in nodes}


def _routes(nodes: Sequence[Node], layer_of: Mapping[str, int]) -> list[tuple[Slot, ...]]:
    """One route an edge: the source, the slots of the layers that it passes, the target."""
    place = {each: index for index, each in enumerate(layer_of)}
    return [
        (source, *_passed(source, range(layer_of[source] + 1, layer_of[node.id])), node.id)
        for node in nodes
        for source in sorted(set(node.needs), key=place.__getitem__)
    ]


def _passed(source: str, layers: range) -> list[Slot]:
    return [(source, layer) for layer in layers] if len(layers) <= LONGEST_ROUTED else []


def _rows(layer_of: Mapping[str, int], routes: Iterable[tuple[Slot, ...]]) -> list[list[Slot]]:
    rows: list[dict[Slot, None]] = [{} for _ in range(1 + max(layer_of.values(), default=-1))]
    for node, layer in layer_of.items():
        rows[layer][node] = None
    for route in routes:
        for slot in route[1:-1]:
            rows[slot[1]][slot] = None  # type: ignore[index]  # inner slots are pairs
    return [list(row) for row in rows]


def _ordered(rows: list[list[Slot]], routes: Sequence[tuple[Slot, ...]]) -> list[list[Slot]]:
    """Each row sorted by the mean place of its neighbours below, then above, in turns."""
    above, below = _neighbours(routes)
    for sweep in range(SWEEPS):
        neighbours, path = (above, rows) if sweep % 2 else (below, rows[::-1])
        place: dict[Slot, float] = {}
        for row in path:
            own = {slot: float(index) for index, slot in enumerate(row)}
            row.sort(
                key={slot: _mean(neighbours.get(slot, ()), place, own[slot]) for slot in row}.__getitem__
            )
            place.update((slot, float(index)) for index, slot in enumerate(row))
    return rows


def _neighbours(routes: Iterable[tuple[Slot, ...]]) -> tuple[dict[Slot, list[Slot]], dict[Slot, list[Slot]]]:
    above: dict[Slot, list[Slot]] = {}
    below: dict[Slot, list[Slot]] = {}
    for upper, lower in dict.fromkeys(pair for route in routes for pair in pairwise(route)):
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    return above, below


def _mean(neighbours: Sequence[Slot], place: Mapping[Slot, float], otherwise: float) -> float:
    return sum(place[each] for each in neighbours) / len(neighbours) if neighbours else otherwise


def _centres(
    rows: Sequence[Sequence[Slot]], routes: Sequence[tuple[Slot, ...]], level: _Level
) -> dict[Slot, float]:
    """Each slot as near below its neighbours, boxes before passing edges, as the others of its row allow."""
    above, _ = _neighbours(routes)
    centres: dict[Slot, float] = {}
    for row in rows:
        wanted = [_mean(_boxes_first(above.get(slot, ())), centres, 0.0) for slot in row]
        centres.update(zip(row, _spread(row, wanted, level), strict=True))
    return centres


def _boxes_first(slots: Sequence[Slot]) -> Sequence[Slot]:
    return [slot for slot in slots if isinstance(slot, str)] or slots


def _spread(row: Sequence[Slot], wanted: Sequence[float], level: _Level) -> list[float]:
    """The places nearest to `wanted` (least squares) that keep the row's order and gaps: isotonic regression.

    A box weighs far more than a passing edge, so that edges give way and chains of boxes stay straight.
    """
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (level.width(left) + level.width(right)) / 2 + COLUMN_GAP)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for slot, centre, offset in zip(row, wanted, offsets, strict=False):
        block = (centre - offset, 100.0 if isinstance(slot, str) else 1.0, 1)
        while blocks and blocks[-1][0] > block[0]:
            block = _merged(blocks.pop(), block)
        blocks.append(block)
    means = [mean for mean, _, length in blocks for _ in range(length)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def _merged(one: tuple[float, float, int], other: tuple[float, float, int]) -> tuple[float, float, int]:
    weight = one[1] + other[1]
    return ((one[0] * one[1] + other[0] * other[1]) / weight, weight, one[2] + other[2])


def _edge(route: tuple[Slot, ...], level: _Level, xs: Mapping[Slot, int]) -> Edge:
    source, *passed, target = str(route[0]), *route[1:-1], str(route[-1])
    layer = level.layer_of[source]
    points = [(xs[source], level.top(layer) + level.sizes[source][1]), (xs[source], level.bottom(layer))]
    for slot in passed:
        points += [(xs[slot], level.top(slot[1])), (xs[slot], level.bottom(slot[1]))]  # type: ignore[arg-type]  # inner slots are pairs
    points.append((xs[target], level.top(level.layer_of[target])))
    return Edge(source, target, tuple(dict.fromkeys(points)))
