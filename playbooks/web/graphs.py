"""The graph of a playbook and that of a run: the same drawing, with and without statuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.safestring import SafeString

from playbooks.domain.governance import kind_of
from playbooks.domain.graph import Node
from playbooks.domain.statuses import RunStatus, StepStatus
from playbooks.queries.runs import RunView, StepView
from playbooks.web.drawing import Mark, draw


def graph_of_run(run: RunView, *, url: str = "") -> SafeString:
    """`url` is the page that has the steps' details, empty for the page on which the graph is."""
    undone = {
        each.undoes for lap in run.rollbacks for each in lap.steps if each.status == StepStatus.SUCCEEDED
    }
    nodes = [Node(each.step, each.title, _kind(each.kind, each.action), each.needs) for each in run.steps]
    marks = {each.step: Mark(_status(each, undone), f"{url}#{anchor(each.step)}") for each in run.steps}
    return draw(nodes, marks, title="Steps of the run")


def graph_of_document(document: Mapping[str, Any]) -> SafeString:
    """`document` is a version's, in which every step says what it needs."""
    steps = document["steps"]
    nodes = [
        Node(each["id"], each.get("title") or each["id"], _kind_in(each), tuple(each["needs"]))
        for each in steps
    ]
    marks = {each["id"]: Mark("", "#document") for each in steps}
    return draw(nodes, marks, title="Steps of the playbook")


def anchor(step: str, *, lap: int = 0) -> str:
    """The id of a step's details on the page of its run."""
    return f"step-{lap}-{step}"


def _status(step: StepView, undone: set[str | None]) -> str:
    return RunStatus.ROLLED_BACK if step.step in undone else step.status


def _kind(kind: str, action: str) -> str:
    return "gate" if kind == "approve" else action or kind


def _kind_in(step: Mapping[str, Any]) -> str:
    return _kind(kind_of(step), step.get("do", ""))
