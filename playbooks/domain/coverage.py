"""Which steps a gate answers for, and which gates answer for a step (approvals.md, Coverage).

A gate covers from itself on to the next gates. It covers what is inside the blocks that it reaches, where the
gates inside cut only within their block; a gate inside a block covers nothing outside of it. Steps are named by
their ids in the document, on every level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from playbooks.domain.actions import Catalogue, Effect
from playbooks.domain.playbook import Playbook, Step, needs_of, placed


def covered_by(playbook: Playbook, gate_id: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The acting steps from the gate on up to the next gates, in the order written.

    It does not matter after which end of the gate a step would run: what follows a denial is behind the gate
    as well, and the gate has not let it through. An action that the catalogue does not know counts as more
    than a read, and a playbook that is run counts as acting; a script is isolated, so it never acts.
    """
    graph = _graph(playbook)
    reached: set[str] = set()
    ahead = list(graph.followers[gate_id])
    while ahead:
        step_id = ahead.pop()
        if step_id in reached or graph.steps[step_id].kind == "approve":
            continue
        reached.add(step_id)
        ahead += [*graph.followers[step_id], *graph.starts[step_id]]
    return tuple(
        step_id for step_id, step in graph.steps.items() if step_id in reached and _acts(step, catalogue)
    )


def gates_of(playbook: Playbook, step_id: str) -> tuple[str, ...]:
    """The nearest gates upstream of a step, in the order written: those whose `covered_by` reaches it.

    Where a path reaches the start of a block, it goes on with what the block itself needs.
    """
    graph = _graph(playbook)
    gates: set[str] = set()
    seen: set[str] = set()
    ahead = [step_id]
    while ahead:
        here = ahead.pop()
        if here in seen:
            continue
        seen.add(here)
        if not graph.needs[here] and graph.block_of[here]:
            ahead.append(graph.block_of[here])
        for need in graph.needs[here]:
            (gates.add if graph.steps[need].kind == "approve" else ahead.append)(need)
    return tuple(each for each in graph.steps if each in gates)


def guarded_steps(playbook: Playbook) -> frozenset[str]:
    """The steps that can only run after a gate upstream was granted, whatever else is skipped or fails.

    A step runs when one of its needs was not skipped and, after success, none failed. So a gate guards what
    needs nothing else; what needs something besides, it guards only if the gate itself cannot be skipped.
    A block that is guarded guards all that is inside. Raises graphlib.CycleError.
    """
    graph = _graph(playbook)
    firm: set[str] = set()  # what nothing but a failure upstream can make skipped, once its block runs
    guarded: set[str] = set()
    for step_id in TopologicalSorter(graph.needs).static_order():
        step, needed = graph.steps[step_id], graph.needs[step_id]
        behind = [need for need in needed if graph.steps[need].kind == "approve" or need in guarded]
        if step.after == "success" and behind and (len(behind) == len(needed) or not firm.isdisjoint(behind)):
            guarded.add(step_id)
        if step.when is None and step.after != "failure" and (not needed or not firm.isdisjoint(needed)):
            firm.add(step_id)
    for step_id in graph.steps:  # blocks come before what they hold
        if graph.block_of[step_id] in guarded:
            guarded.add(step_id)
    return frozenset(guarded)


@dataclass(frozen=True, slots=True)
class _Graph:
    """By step id, in the order written. `starts` are the steps with which a block begins."""

    steps: Mapping[str, Step]
    needs: Mapping[str, tuple[str, ...]]
    followers: Mapping[str, list[str]]
    starts: Mapping[str, list[str]]
    block_of: Mapping[str, str]


def _graph(playbook: Playbook) -> _Graph:
    places = placed(playbook)
    needs = needs_of(playbook)
    followers: dict[str, list[str]] = defaultdict(list)
    starts: dict[str, list[str]] = defaultdict(list)
    for place in places:
        for need in needs[place.step.id]:
            followers[need].append(place.step.id)
        if not needs[place.step.id]:
            starts[place.block].append(place.step.id)
    return _Graph(
        steps={place.step.id: place.step for place in places},
        needs=needs,
        followers=followers,
        starts=starts,
        block_of={place.step.id: place.block for place in places},
    )


def _acts(step: Step, catalogue: Catalogue) -> bool:
    if step.kind != "do":
        return step.kind == "run"
    action = catalogue.get(step.do)
    return action is None or action.effect is not Effect.READ
