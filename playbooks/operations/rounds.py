"""The steps of a run that are under way, frame by frame, and what expressions see of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from playbooks.domain.frames import TOP, block_of, enclosing, index_of, name_of
from playbooks.domain.planner import Node, Progress
from playbooks.domain.scope import scope
from playbooks.domain.statuses import RunStatus, StepStatus
from playbooks.models import Run, RunTrigger, Step, Turn
from playbooks.operations.definitions import definition_of
from playbooks.operations.statements import fetch, key, places

Steps = Mapping[str, Step]

NOT_STARTED = frozenset({StepStatus.PENDING, StepStatus.READY, StepStatus.WAITING})
IN_ROLLBACK = frozenset({RunStatus.ROLLING_BACK, RunStatus.ROLLED_BACK, RunStatus.ROLLBACK_FAILED})


@dataclass
class Frame:
    """`steps` are those of the frame by the planner's key: the id in the playbook; of steps that undo, the key of
    what they undo. `outer` are the steps of the frames that hold this one.
    """

    run: Run
    path: str
    nodes: Sequence[Node]
    steps: Steps
    outer: Sequence[Step] = ()

    @cached_property
    def block(self) -> Step:
        """The step whose turn this is. Raises StopIteration for the run's own frame, which is nobody's turn."""
        return next(step for step in self.outer if step.key == block_of(self.path))

    @property
    def is_stopping(self) -> bool:
        return self.run.status == RunStatus.CANCELLING or (self.path != TOP and self.block.is_stopping)

    @cached_property
    def bindings(self) -> dict[str, object]:
        """`item` of the innermost `each`, `turn` of the innermost `repeat`."""
        bound: dict[str, object] = {}
        blocks = {step.key: step for step in self.outer}
        for frame in filter(None, (self.path, *enclosing(self.path))):
            block = blocks[block_of(frame)]
            if block.kind == "repeat":
                bound.setdefault("turn", index_of(frame) + 1)
            elif "item" not in bound:
                bound["item"] = Turn.objects.get(step=block, index=index_of(frame)).item
        return bound

    def scope(self, now: str, states: Mapping[str, Progress] | None = None) -> dict[str, object]:
        """What the expressions of the frame see, when its own steps are in `states` (by default, as they are)."""
        own = states or self.steps
        seen = {**{step.name: step for step in self.outer}, **own} if self.outer else own
        return scope_of(self.run, seen, now) | self.bindings


def open_frame(run: Run, path: str = TOP) -> Frame:
    """The frame of the round that is under way."""
    frames = [path, *enclosing(path)]
    condition = f"run_id = %s AND round = %s AND frame IN ({places(frames)}) ORDER BY position"
    rows = fetch(Step, condition, [key(Run, run.pk), round_of(run), *frames])
    for step in rows:
        step.run = run
    own = {_planned(step): step for step in rows if step.frame == path}
    return Frame(run, path, _nodes(run, path, own), own, [step for step in rows if step.frame != path])


def frame_of_round(run: Run, steps: Steps, path: str) -> Frame:
    """The frame at `path` of steps that were loaded, of all frames of a round in which the run does."""
    around = enclosing(path)
    own = {step.name: step for step in steps.values() if step.frame == path}
    outer = [step for step in steps.values() if step.frame in around]
    return Frame(run, path, definition_of(run.version_id).nodes[name_of(block_of(path))], own, outer)


def round_of(run: Run) -> int:
    """0 while the run does; the number of its latest rollback while it undoes."""
    return run.rollbacks if undoes(run) else 0


def undoes(run: Run) -> bool:
    return run.status in IN_ROLLBACK or run.trigger == RunTrigger.EXPIRY


def _nodes(run: Run, path: str, own: Steps) -> Sequence[Node]:
    if undoes(run):
        return tuple(Node(key=key, kind=step.kind, needs=tuple(step.needs)) for key, step in own.items())
    nodes = definition_of(run.version_id).nodes[name_of(block_of(path))]
    return tuple(_after_gates(run, node, own) for node in nodes) if run.repeats_id and not path else nodes


def _after_gates(run: Run, node: Node, own: Steps) -> Node:
    """In a re-run a gate may be asked again of which some is done already: what is left waits for it all the same."""
    if not any(own[need].adopts_id for need in node.needs):
        return node
    gates = definition_of(run.version_id).gates[node.key]
    return replace(node, needs=tuple(dict.fromkeys([*node.needs, *gates])))


def _planned(step: Step) -> str:
    return step.key if step.round else step.name


def steps_of_round(run: Run, number: int) -> dict[str, Step]:
    """Every step of a round by its key, on all levels."""
    return {step.key: step for step in run.steps.filter(round=number).order_by("position", "pk")}


def scope_of(run: Run, states: Mapping[str, Progress], now: str) -> dict[str, object]:
    """What the expressions of the run see when its steps are in `states`."""
    return scope(
        context=run.context,
        inputs=run.inputs,
        run={"id": str(run.pk), "trigger": run.trigger, "simulated": run.is_simulated},
        states=states,
        now=now,
    )


def moment(now: datetime) -> str:
    """`now` as expressions see it: RFC 3339, UTC, whole seconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
