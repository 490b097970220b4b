"""The graph of a playbook and that of a run: the same drawing, with and without statuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.safestring import SafeString

from playbooks.domain.graph import Node
from playbooks.domain.kinds import BLOCKS, KINDS
from playbooks.domain.statuses import RunStatus, StepStatus
from playbooks.queries.runs import InnerStep, RunView, StepView
from playbooks.web.drawing import Mark, draw
from playbooks.web.selecting import anchor, query_of

# Of a step that runs in several turns, the status that asks for attention first.
_FIRST = (
    StepStatus.UNKNOWN,
    StepStatus.FAILED,
    StepStatus.RUNNING,
    StepStatus.WAITING,
    StepStatus.READY,
    StepStatus.PENDING,
    StepStatus.CANCELLED,
    StepStatus.SUCCEEDED,
    StepStatus.SKIPPED,
)
_WORDS = {"approve": "gate", "ask": "question"}


def graph_of_run(run: RunView, *, url: str = "") -> SafeString:
    """`url` is the page that has the steps' details, empty for the page on which the graph is.

    A step inside a block is drawn once, whatever the number of turns, with how many of them are so.
    """
    held: dict[str, list[InnerStep]] = {}
    for each in run.inner:
        held.setdefault(each.block, []).append(each)
    top = [each for each in run.steps if "." not in each.step or not run.inner]
    nodes = [_node(each.step, each, _nodes_inside(each.step, held)) for each in top]
    marks = {
        **{each.step: _mark(each, url) for each in top},
        **{each.step: _mark_inside(each, url) for each in run.inner},
    }
    return draw(nodes, marks, title="Steps of the run")


def graph_of_document(document: Mapping[str, Any], marks: Mapping[str, Mark] | None = None) -> SafeString:
    """`document` is a version's, in which every step says what it needs; `marks` are of steps that something is
    known of.
    """
    nodes = _nodes_of_document(document["steps"])
    return draw(nodes, {**dict(_marks(nodes)), **(marks or {})}, title="Steps of the playbook")


def _nodes_of_document(steps: Sequence[Mapping[str, Any]]) -> tuple[Node, ...]:
    return tuple(
        Node(
            each["id"],
            each.get("title") or each["id"],
            _kind_in(each),
            tuple(each["needs"]),
            _nodes_of_document(each.get("steps", ())),
        )
        for each in steps
    )


def _marks(nodes: Sequence[Node]) -> Iterator[tuple[str, Mark]]:
    for node in nodes:
        yield node.id, Mark("", "#document")
        yield from _marks(node.inner)


def _kind(kind: str, action: str) -> str:
    return _WORDS.get(kind) or action or kind


def _kind_in(step: Mapping[str, Any]) -> str:
    kind = next(name for name in KINDS if name in step)
    if kind in BLOCKS:
        return _block(step)
    return f"run {step['run']}" if kind == "run" else _kind(kind, step.get("do", ""))


def _block(step: Mapping[str, Any]) -> str:
    if "repeat" in step:
        return f"repeat, at most {step['repeat']['most']}"
    at_once = step.get("at_once", 1)
    return f"each, {at_once} at once" if at_once > 1 else "each, one by one"


def _node(step: str, view: StepView | InnerStep, inner: tuple[Node, ...]) -> Node:
    return Node(step, view.title, _kind(view.kind, view.action), view.needs, inner)


def _nodes_inside(block: str, held: Mapping[str, Sequence[InnerStep]]) -> tuple[Node, ...]:
    return tuple(_node(each.step, each, _nodes_inside(each.step, held)) for each in held.get(block, ()))


def _mark(step: StepView, url: str) -> Mark:
    status = RunStatus.ROLLED_BACK if step.undone else step.status
    return Mark(status, _address(step.step, url), step.turns.sentence if step.turns else "")


def _mark_inside(step: InnerStep, url: str) -> Mark:
    """Of all turns, the status that asks for attention first, and how many are in it."""
    status = next((each for each in _FIRST if step.counts.get(each)), StepStatus.PENDING)
    count = sum(step.counts.values())
    note = f"{step.counts[status]} of {count}" if count else ""
    return Mark(status, _address(step.example or step.block, url), note)


def _address(place: str, url: str) -> str:
    return f"{url}{query_of(place)}#{anchor(place)}"
