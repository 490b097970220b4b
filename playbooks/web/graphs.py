"""The graph of a playbook and that of a run: the same drawing, with and without statuses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.safestring import SafeString

from playbooks.domain.frames import block_of, frame_of, name_of
from playbooks.domain.graph import Node
from playbooks.domain.kinds import BLOCKS, KINDS
from playbooks.domain.statuses import STEP_ENDED, RunStatus, StepStatus
from playbooks.queries.runs import RunView, StepView
from playbooks.web.drawing import Mark, draw

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

    A step inside a block is drawn once, with how many of its turns have ended.
    """
    undone = {
        each.undoes for lap in run.rollbacks for each in lap.steps if each.status == StepStatus.SUCCEEDED
    }
    turns: dict[str, list[StepView]] = defaultdict(list)
    for each in run.steps:
        turns[name_of(each.step)].append(each)
    held: dict[str, list[str]] = defaultdict(list)
    for step, views in turns.items():
        held[name_of(block_of(frame_of(views[0].step)))].append(step)
    nodes = _nodes_of_run(held[""], turns, held)
    marks = {step: _mark(views, undone, url) for step, views in turns.items()}
    return draw(nodes, marks, title="Steps of the run")


def graph_of_document(document: Mapping[str, Any]) -> SafeString:
    """`document` is a version's, in which every step says what it needs."""
    nodes = _nodes_of_document(document["steps"])
    return draw(nodes, dict(_marks(nodes)), title="Steps of the playbook")


def anchor(step: str, *, lap: int = 0) -> str:
    """The id of a step's details on the page of its run."""
    return f"step-{lap}-{step}"


def _nodes_of_run(
    steps: Sequence[str], turns: Mapping[str, Sequence[StepView]], held: Mapping[str, Sequence[str]]
) -> tuple[Node, ...]:
    return tuple(
        Node(
            step,
            turns[step][0].title,
            _kind(turns[step][0].kind, turns[step][0].action),
            turns[step][0].needs,
            _nodes_of_run(held.get(step, ()), turns, held),
        )
        for step in steps
    )


def _mark(views: Sequence[StepView], undone: set[str | None], url: str) -> Mark:
    """Of the turns of one step, the one that asks for attention first."""
    shown = min(views, key=lambda each: _FIRST.index(StepStatus(each.status)))
    ended = sum(each.status in STEP_ENDED for each in views)
    note = f"{ended} of {len(views)}" if frame_of(shown.step) else ""
    return Mark(_status(shown, undone), f"{url}#{anchor(shown.step)}", note)


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


def _status(step: StepView, undone: set[str | None]) -> str:
    return RunStatus.ROLLED_BACK if step.step in undone else step.status


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
