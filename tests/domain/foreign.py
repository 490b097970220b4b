"""The control flow of other engines' playbooks, read generically: which step leads to which, and when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import yaml

from playbooks.domain.planner import Node

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"


@dataclass(frozen=True)
class Edge:
    """`when`: "" in any case, "choice" when `label` is the one that is chosen, "option" when it is among those
    chosen, "failure" when the source failed.
    """

    source: str
    target: str
    when: str = ""
    label: str = ""


def of_xsoar(path: Path) -> tuple[list[Edge], set[str]]:
    """The edges, and the steps after whose failure it goes on."""
    tasks = yaml.safe_load(path.read_text())["tasks"]
    edges = [
        Edge(name, after, "" if label == "#none#" else "choice", "" if label == "#none#" else label)
        for name, task in tasks.items()
        for label, following in (task.get("nexttasks") or {}).items()
        for after in following
    ]
    return edges, {name for name, task in tasks.items() if task.get("continueonerror")}


def of_splunk(path: Path) -> tuple[list[Edge], set[str]]:
    whole = json.loads(path.read_text())
    data = whole.get("coa", whole)["data"]
    return [_of_port(each, data["nodes"]) for each in data.get("edges", ())], set()


def _of_port(edge: Any, nodes: Any) -> Edge:
    kind = {"decision": "choice", "prompt": "choice", "filter": "option"}.get(
        nodes[edge["sourceNode"]]["type"], ""
    )
    label = str([each["index"] for each in edge.get("conditions", ())])
    return Edge(edge["sourceNode"], edge["targetNode"], kind, label if kind else "")


def of_bpmn(path: Path) -> tuple[list[Edge], set[str]]:
    root = ET.parse(path).getroot()
    kind_of = {each.get("id"): each.tag.removeprefix(BPMN) for each in root.iter() if each.get("id")}
    edges = []
    ways = {"exclusiveGateway": "choice", "eventBasedGateway": "choice", "inclusiveGateway": "option"}
    for flow in root.iter(f"{BPMN}sequenceFlow"):
        source, target = flow.get("sourceRef", ""), flow.get("targetRef", "")
        when = ways.get(kind_of[source], "")
        edges.append(Edge(source, target, when, (flow.get("id") or "") if when else ""))
    return edges, set()


def of_cacao(path: Path) -> tuple[list[Edge], set[str]]:
    """A branch ends by itself, and what follows the branching step follows the ends of its branches."""
    flow = json.loads(path.read_text())["workflow"]
    edges = [each for name, step in flow.items() for each in _of_cacao_step(name, step)]
    edges = [each for each in edges if flow.get(each.target, {"type": "end"})["type"] != "end"]
    for name, step in flow.items():
        heads = [each for each in edges if each.source == name]
        following = step.get("on_completion")
        if heads and _branches(step) and flow.get(following, {"type": "end"})["type"] != "end":
            last = {end for each in heads for end in _ends(each.target, edges)}
            edges += [Edge(end, following) for end in sorted(last)]
    return edges, set()


def _branches(step: Any) -> bool:
    return step["type"] in {"if-condition", "while-condition", "switch-condition", "parallel"}


def _of_cacao_step(name: str, step: Any) -> Iterator[Edge]:
    for key in ("on_true", "on_false"):
        if key in step:
            yield Edge(name, step[key], "choice", key)
    for label, target in step.get("cases", {}).items():
        yield Edge(name, target, "choice", label)
    for target in step.get("next_steps", ()):
        yield Edge(name, target)
    if "on_failure" in step:
        yield Edge(name, step["on_failure"], "failure")
    for key in ("on_success", "on_completion"):
        if key in step and not _branches(step):
            yield Edge(name, step[key])


def _ends(start: str, edges: Iterable[Edge]) -> set[str]:
    following = {each.target for each in edges if each.source == start}
    return set().union(*(_ends(each, edges) for each in following)) if following else {start}


def without_loops(edges: Iterable[Edge]) -> list[Edge]:
    """The edges but those that lead back to where they came from."""
    kept: list[Edge] = []
    for edge in edges:
        if not _leads(edge.target, edge.source, kept):
            kept.append(edge)
    return kept


def _leads(start: str, end: str, edges: list[Edge]) -> bool:
    seen, ahead = set(), [start]
    while ahead:
        here = ahead.pop()
        if here == end:
            return True
        if here not in seen:
            seen.add(here)
            ahead += [each.target for each in edges if each.source == here]
    return False


def nodes_of(edges: Iterable[Edge], forgiving: set[str]) -> list[Node]:
    """Our graph: each way out of a choice, and each way after a failure, is a step of its own.

    Where ways meet of which one is taken after a failure only, it goes on in any case.
    """
    edges = list(edges)
    ways = {each: f"{each.source}|{each.when}|{each.label}" for each in edges if each.when}
    steps = dict.fromkeys(name for each in edges for name in (each.source, each.target))
    into = {
        name: sorted({ways.get(each, each.source) for each in edges if each.target == name}) for name in steps
    }
    meets = {each.target for each in edges if len(into[each.target]) > 1}
    after = "always" if any(each.when == "failure" for each in edges) else "success"
    nodes = [
        Node(name, "do", tuple(into[name]), after if name in meets else "success", None, name in forgiving)
        for name in steps
    ]
    for each, key in {key: (each, key) for each, key in ways.items()}.values():
        when = None if each.when == "failure" else each.label
        nodes.append(Node(key, "set", (each.source,), "failure" if when is None else "success", when))
    return nodes
