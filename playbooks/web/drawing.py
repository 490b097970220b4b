"""The graph of a playbook or a run as SVG, drawn on the server: the same on screen, on paper, in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from playbooks.domain.graph import BOX_WIDTH, Box, Edge, Node, layout

# What fits a box beside its status dot, in the widest of the screens' fonts.
LABEL_CHARACTERS = 17
SUBTITLE_CHARACTERS = 19
CHARACTER_WIDTH = 8  # of what a wider box has room for
LABEL_LINES = 2
LABEL_LINES_OF_BLOCK = 1
LINE_HEIGHT = 15


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known of one step: `status` colours the box (empty where nothing ran), `url` is its details.

    `note` stands below the label beside the status, such as "3 of 5".
    """

    status: str
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    y: int
    words: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A box as the template reads it; `y` of a text counts from the box's upper side."""

    box: Box
    mark: Mark
    label: tuple[Text, ...]
    subtitle: Text
    description: str


@dataclass(frozen=True, slots=True)
class Line:
    path: str
    status: str


def draw(nodes: Sequence[Node], marks: Mapping[str, Mark], *, title: str) -> SafeString:
    """An `<svg>` element to put into a page; every node of the graph, on every level, must have a mark."""
    layout_ = layout(nodes)
    return render_to_string(
        "graph.svg",
        {
            "title": title,
            "summary": f"{len(layout_.boxes)} steps, from top to bottom in the order in which they run.",
            "width": layout_.width,
            "height": layout_.height,
            "shapes": [_shape(box, marks[box.node.id]) for box in layout_.boxes],
            "lines": [_line(edge, marks[edge.source].status) for edge in layout_.edges],
        },
    )


def _shape(box: Box, mark: Mark) -> Shape:
    room = (box.width - BOX_WIDTH) // CHARACTER_WIDTH
    most = LABEL_LINES_OF_BLOCK if box.node.inner else LABEL_LINES
    lines = wrap(box.node.label, LABEL_CHARACTERS + room, max_lines=most, placeholder="…")
    top = 22 + (most - len(lines)) * LINE_HEIGHT // 2
    status = mark.status.replace("_", " ")
    subtitle = " · ".join(part for part in (status or box.node.kind, mark.note) if part)
    return Shape(
        box,
        mark,
        label=tuple(Text(top + index * LINE_HEIGHT, line) for index, line in enumerate(lines)),
        subtitle=Text(
            top + len(lines) * LINE_HEIGHT + 1, _fitting(subtitle, mark.note, SUBTITLE_CHARACTERS + room)
        ),
        description=", ".join(part for part in (box.node.label, box.node.kind, status, mark.note) if part),
    )


def _fitting(subtitle: str, note: str, most: int) -> str:
    """The colour tells the status as well, so that the note goes first where there is no room for both."""
    return note if note and len(subtitle) > most >= len(note) else _short(subtitle, most)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _line(edge: Edge, status: str) -> Line:
    """A curve between two rows, a straight line beside the boxes of a row that it passes."""
    x, y = edge.points[0]
    parts = [f"M{x} {y}"]
    for (x1, y1), (x2, y2) in pairwise(edge.points):
        middle = (y1 + y2) // 2
        parts.append(f"V{y2}" if x1 == x2 else f"C{x1} {middle} {x2} {middle} {x2} {y2}")
    return Line(" ".join(parts), status)
