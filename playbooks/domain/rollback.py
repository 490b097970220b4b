"""What a rollback undoes, and in which order.

The steps that really changed something are undone in reverse of the dependencies that really held; independent
ones need not wait for each other. What cannot be undone is listed with its sentence, and so is what stays because
other runs hold the same target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from playbooks.domain.canonical import digest


@dataclass(frozen=True, slots=True)
class Done:
    """A step that succeeded. `undo` is what takes it back, or who keeps it, or why nothing can take it back."""

    key: str
    needs: tuple[str, ...]
    effect: str
    changed: bool
    undo: UndoCall | UndoRun | Kept | str


@dataclass(frozen=True, slots=True)
class Kept:
    """It could be taken back, and is not as long as others hold the same target (a digest)."""

    sentence: str
    target: str


@dataclass(frozen=True, slots=True)
class UndoCall:
    """An action ready to run: parameters are resolved."""

    action: str
    connection: str
    connection_revision: int
    parameters: Mapping[str, object]

    def as_json(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "connection": self.connection,
            "connection_revision": self.connection_revision,
            "parameters": dict(self.parameters),
        }


@dataclass(frozen=True, slots=True)
class UndoRun:
    """The rollback of a run that the step started."""

    run: str
    plan: RollbackPlan

    def as_json(self) -> dict[str, Any]:
        return {"run": self.run, "plan": self.plan.as_json()}


@dataclass(frozen=True, slots=True)
class Undoing:
    key: str
    needs: tuple[str, ...]  # keys of the steps that have to be undone before
    call: UndoCall | UndoRun


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """`undoings` in an order that keeps the dependencies; `irreversible` is (step, why), `kept` (step, by whom)."""

    undoings: tuple[Undoing, ...]
    irreversible: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, Kept], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "undo": [
                {"step": each.key, "needs": list(each.needs), **each.call.as_json()} for each in self.undoings
            ],
            "irreversible": [{"step": step, "sentence": sentence} for step, sentence in self.irreversible],
            "kept": [{"step": step, "sentence": kept.sentence} for step, kept in self.kept],
        }

    def calls(self, within: str = "") -> Iterator[tuple[str, Undoing, UndoCall]]:
        """Every call, also of the runs that are rolled back with this one: (step, undoing, call)."""
        for undoing in self.undoings:
            step = f"{within}{undoing.key}"
            if isinstance(undoing.call, UndoRun):
                yield from undoing.call.plan.calls(f"{step} › ")
            else:
                yield step, undoing, undoing.call

    def all_kept(self, within: str = "") -> Iterator[tuple[str, str]]:
        """What stays, also of the runs that are rolled back with this one: (step, sentence)."""
        yield from ((f"{within}{step}", kept.sentence) for step, kept in self.kept)
        for undoing in self.undoings:
            if isinstance(undoing.call, UndoRun):
                yield from undoing.call.plan.all_kept(f"{within}{undoing.key} › ")

    @property
    def digest(self) -> str:
        """Binds a confirmation to exactly this plan."""
        return digest(self.as_json())


def rollback_plan(steps: Sequence[Done], *, all_needs: Mapping[str, tuple[str, ...]]) -> RollbackPlan:
    """The plan for `steps`. `all_needs` holds the dependencies of every step of the run, also of those that
    changed nothing, since order passes through them.
    """
    changed = [step for step in steps if step.changed and step.effect != "read"]
    back = {step.key: step.undo for step in changed if isinstance(step.undo, UndoCall | UndoRun)}
    order = tuple(TopologicalSorter(all_needs).static_order())
    followers = _followers(back, order, all_needs)
    return RollbackPlan(
        undoings=tuple(
            Undoing(key, tuple(sorted(followers[key])), back[key]) for key in reversed(order) if key in back
        ),
        irreversible=tuple((step.key, step.undo) for step in changed if isinstance(step.undo, str)),
        kept=tuple((step.key, step.undo) for step in changed if isinstance(step.undo, Kept)),
    )


def _followers(
    back: Mapping[str, object], order: Sequence[str], all_needs: Mapping[str, tuple[str, ...]]
) -> dict[str, set[str]]:
    """For each step to undo: the steps to undo that came after it."""
    ancestors: dict[str, set[str]] = {}
    for key in order:
        ancestors[key] = set(all_needs[key]).union(*(ancestors[need] for need in all_needs[key]))
    return {key: {later for later in back if key in ancestors[later]} for key in back}
