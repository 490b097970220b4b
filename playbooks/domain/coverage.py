"""Which steps a gate answers for, and which gates answer for a step (approvals.md, Coverage)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from graphlib import TopologicalSorter

from playbooks.domain.actions import Catalogue, Effect
from playbooks.domain.playbook import Playbook, Step, needs_of


def covered_by(playbook: Playbook, gate_id: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The `do` steps that do more than read, from the gate on up to the next gates, in the order written.

    It does not matter after which end of the gate a step would run: what follows a denial is behind the gate
    as well, and the gate has not let it through. An action that the catalogue does not know counts as more
    than a read.
    """
    steps = {step.id: step for step in playbook.steps}
    followers = _followers(needs_of(playbook))
    reached: set[str] = set()
    ahead = list(followers[gate_id])
    while ahead:
        step = steps[ahead.pop()]
        if step.id in reached or step.kind == "approve":
            continue
        reached.add(step.id)
        ahead.extend(followers[step.id])
    return tuple(step.id for step in playbook.steps if step.id in reached and _acts(step, catalogue))


def gates_of(playbook: Playbook, step_id: str) -> tuple[str, ...]:
    """The nearest gates upstream of a step, in the order written: those whose `covered_by` reaches it."""
    steps = {step.id: step for step in playbook.steps}
    needs = needs_of(playbook)
    gates: set[str] = set()
    seen: set[str] = set()
    ahead = [step_id]
    while ahead:
        step = steps[ahead.pop()]
        if step.id in seen:
            continue
        seen.add(step.id)
        for need in needs[step.id]:
            (gates.add if steps[need].kind == "approve" else ahead.append)(need)
    return tuple(step.id for step in playbook.steps if step.id in gates)


def guarded_steps(playbook: Playbook) -> frozenset[str]:
    """The steps that can only run after a gate upstream was granted, whatever else is skipped or fails.

    A step runs when one of its needs was not skipped and, after success, none failed. So a gate guards what
    needs nothing else; what needs something besides, it guards only if the gate itself cannot be skipped.
    Raises graphlib.CycleError.
    """
    steps = {step.id: step for step in playbook.steps}
    needs = needs_of(playbook)
    firm: set[str] = set()  # what nothing but a failure upstream can make skipped
    guarded: set[str] = set()
    for step_id in TopologicalSorter(needs).static_order():
        step, needed = steps[step_id], needs[step_id]
        behind = [need for need in needed if steps[need].kind == "approve" or need in guarded]
        if step.after == "success" and behind and (len(behind) == len(needed) or not firm.isdisjoint(behind)):
            guarded.add(step_id)
        if step.when is None and step.after != "failure" and (not needed or not firm.isdisjoint(needed)):
            firm.add(step_id)
    return frozenset(guarded)


def _acts(step: Step, catalogue: Catalogue) -> bool:
    if step.kind != "do":
        return False
    action = catalogue.get(step.do)
    return action is None or action.effect is not Effect.READ


def _followers(needs: Mapping[str, tuple[str, ...]]) -> Mapping[str, list[str]]:
    followers: dict[str, list[str]] = defaultdict(list)
    for step_id, needed in needs.items():
        for need in needed:
            followers[need].append(step_id)
    return followers
