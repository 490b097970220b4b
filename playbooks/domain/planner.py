"""What happens next in a run: a pure function from the steps' states to moves.

It is called after every fact (an outcome, a decision, a timer), and its answer does not depend on the order in
which independent facts arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from graphlib import TopologicalSorter
from types import MappingProxyType
from typing import Protocol

from playbooks.domain.expressions import ExpressionError
from playbooks.domain.kinds import CALLS
from playbooks.domain.statuses import STEP_ENDED, RunStatus, StepStatus

NOT_REACHED = "Skipped, because something that it follows failed."
NOTHING_FAILED = "Skipped, because nothing that it follows failed."
ALL_SKIPPED = "Skipped, because everything that it follows was skipped."
CONDITION = "Skipped, because its condition is false."


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One step as the planner sees it. `needs` are keys of other nodes. Two nodes are one if they are the same object,
    so that the order of a definition's nodes is found again at once.
    """

    key: str
    kind: str  # one of kinds.KINDS
    needs: tuple[str, ...] = ()
    after: str = "success"  # success, failure, always
    when: str | None = None
    forgives: bool = False  # continue_on_failure


class Progress(Protocol):
    """How far a step has come, as the planner reads it. `status` is one of StepStatus, or its text."""

    @property
    def status(self) -> str: ...

    @property
    def outputs(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class State:
    status: StepStatus
    outputs: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Move:
    """Step `key` goes to `status`. `outputs` come with the success of a `set`."""

    key: str
    status: StepStatus
    sentence: str = ""
    outputs: Mapping[str, object] | None = None


# Given a node and the states so far: whether its condition holds, and the values of a `set`. Both may raise
# ExpressionError.
Condition = Callable[[Node, Mapping[str, Progress]], bool]
Values = Callable[[Node, Mapping[str, Progress]], Mapping[str, object]]

NOTHING: Mapping[str, str] = MappingProxyType({})
_MAY_PASS_ON = frozenset({StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.SKIPPED})


def plan(
    nodes: Sequence[Node],
    states: Mapping[str, Progress],
    *,
    condition: Condition,
    values: Values,
    is_stopping: bool = False,
    struck: Mapping[str, str] = NOTHING,
) -> tuple[Move, ...]:
    """Every move that follows from `states`, in the order in which they follow from each other.

    When it `is_stopping`, nothing new starts but what is to run in any case (`after: always`). What was `struck` is
    skipped with its sentence when its turn comes.
    """
    now = dict(states)
    failed: set[str] = set()
    moves: list[Move] = []
    for node in _in_order(tuple(nodes)):
        status = now[node.key].status
        if status == StepStatus.PENDING and _is_due(node, now):
            stops = is_stopping and node.after != "always"
            move = (
                Move(node.key, StepStatus.CANCELLED)
                if stops
                else _move(node, now, failed, condition, values, struck)
            )
            status = move.status
            now[node.key] = State(status, move.outputs or {})
            moves.append(move)
        if status in _MAY_PASS_ON and _has_failed(node, status, failed):
            failed.add(node.key)
    return tuple(moves)


def run_status(nodes: Sequence[Node], states: Mapping[str, Progress]) -> RunStatus:
    """The status of the run that these steps make: running, waiting, succeeded or failed."""
    statuses = {states[node.key].status for node in nodes}
    if statuses & {StepStatus.READY, StepStatus.RUNNING}:
        return RunStatus.RUNNING
    if statuses - STEP_ENDED:
        return RunStatus.WAITING
    failed = StepStatus.FAILED in statuses and any(
        states[node.key].status == StepStatus.FAILED and not node.forgives for node in nodes
    )
    return RunStatus.FAILED if failed else RunStatus.SUCCEEDED


@lru_cache(maxsize=256)
def _in_order(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Each node after all that it needs."""
    by_key = {node.key: node for node in nodes}
    order = TopologicalSorter({node.key: node.needs for node in nodes}).static_order()
    return tuple(by_key[key] for key in order)


def _is_due(node: Node, states: Mapping[str, Progress]) -> bool:
    return all(states[need].status in STEP_ENDED for need in node.needs)


def _move(
    node: Node,
    states: Mapping[str, Progress],
    failed: Set[str],
    condition: Condition,
    values: Values,
    struck: Mapping[str, str],
) -> Move:
    skipped = _reason_to_skip(node, states, failed) or struck.get(node.key, "")
    if skipped:
        return Move(node.key, StepStatus.SKIPPED, skipped)
    try:
        if node.when is not None and not condition(node, states):
            return Move(node.key, StepStatus.SKIPPED, CONDITION)
        return _entry(node, states, values)
    except ExpressionError as error:
        return Move(node.key, StepStatus.FAILED, str(error))


def _entry(node: Node, states: Mapping[str, Progress], values: Values) -> Move:
    """How a step of each kind begins."""
    if node.kind == "set":
        return Move(node.key, StepStatus.SUCCEEDED, outputs=values(node, states))
    if node.kind in CALLS:
        return Move(node.key, StepStatus.READY)
    return Move(node.key, StepStatus.WAITING)


def _reason_to_skip(node: Node, states: Mapping[str, Progress], failed: Set[str]) -> str:
    follows_failure = not failed.isdisjoint(node.needs)
    if node.after == "failure":
        return "" if follows_failure else NOTHING_FAILED
    if follows_failure:
        return "" if node.after == "always" else NOT_REACHED
    if node.needs and all(states[need].status == StepStatus.SKIPPED for need in node.needs):
        return ALL_SKIPPED
    return ""


def _has_failed(node: Node, status: str, failed: Set[str]) -> bool:
    """Whether `node` failed, or was never reached because of a failure: that passes on, a false condition does not."""
    if status in {StepStatus.FAILED, StepStatus.CANCELLED}:
        return not node.forgives
    return status == StepStatus.SKIPPED and node.after == "success" and not failed.isdisjoint(node.needs)
