"""What a dry run tells in the end: the path, from the steps as they stand, and what a rollback would take back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from playbooks.domain.dry_runs.progress import is_shown
from playbooks.domain.dry_runs.record import (
    MOST_SHOWN,
    MOST_TURNS,
    LeftOut,
    PathRun,
    PathStep,
    PathTurn,
    Walked,
)
from playbooks.domain.dry_runs.walk import LiveFrame, LiveStep, LiveTurn, Walk
from playbooks.domain.frames import Row, needs_between
from playbooks.domain.rollback import Done, RollbackPlan, UndoRun, rollback_plan
from playbooks.domain.statuses import RunStatus, StepStatus

MOST_UNDOINGS = 2000  # steps of a run of which a rollback is planned here
MOST_OUTPUTS = 64 * 1024  # characters of JSON that are shown of one step
DETACHED = "The run of {playbook} that it started goes its own way; roll that back on its own page."
ONLY_FIRST_TURNS = f"Of each block the first {MOST_TURNS} turns are shown; all of them were walked."
ONLY_FIRST = f"Of each list the first {MOST_SHOWN} entries are shown."
NO_PLAN = f"The rollback of more than {MOST_UNDOINGS} steps is not planned here."
_WORDS = {
    StepStatus.SUCCEEDED: "taken",
    StepStatus.PENDING: "not_reached",
    StepStatus.READY: "not_reached",
    StepStatus.RUNNING: "not_reached",
}


def report(walk: Walk, *, stopped: str) -> Walked:
    """`stopped` is the sentence of the bound that was reached, empty for a walk to the end."""
    pages = _Pages()
    path = tuple(pages.steps(walk.top))
    plan = _rollback(walk)
    ledger = walk.ledger
    return Walked(
        status="unfinished" if stopped else walk.status.value,
        sentence=stopped or walk.sentence,
        began_at=walk.began_at,
        ended_at=walk.now,
        path=path,
        actions=tuple(ledger.actions),
        approvals=tuple(ledger.approvals),
        questions=tuple(ledger.questions),
        waits=tuple(ledger.waits),
        left_out=LeftOut(**ledger.left_out),
        outputs=dict(walk.outputs),
        undoing=tuple({"step": step, **call.as_json()} for step, _, call in (plan.calls() if plan else ())),
        stays=tuple(
            {"step": step, "sentence": sentence} for step, sentence in (plan.irreversible if plan else ())
        ),
        notes=tuple(_notes(walk, pages)),
    )


def _notes(walk: Walk, pages: _Pages) -> Iterator[str]:
    if pages.has_left_out_turns:
        yield ONLY_FIRST_TURNS
    if pages.room <= 0 or any(
        len(each) >= MOST_SHOWN for each in (walk.ledger.actions, walk.ledger.approvals)
    ):
        yield ONLY_FIRST
    if _rolls_back(walk) and len(walk.steps) > MOST_UNDOINGS:
        yield NO_PLAN


@dataclass
class _Pages:
    """Writes the path down, as far as there is room for steps."""

    room: int = MOST_SHOWN
    has_left_out_turns: bool = field(default=False)

    def steps(self, frame: LiveFrame) -> Iterator[PathStep]:
        for node in frame.nodes:
            self.room -= 1
            yield self._step(frame.steps[node.key])

    def _step(self, step: LiveStep) -> PathStep:
        document = step.document
        begun = [turn for turn in step.turns if turn.frame is not None]
        shown = begun[:MOST_TURNS] if self.room > 0 else []
        self.has_left_out_turns |= len(begun) > len(shown)
        return PathStep(
            key=step.key,
            id=document.id,
            title=document.title or document.id,
            kind=document.kind,
            status=_WORDS.get(step.status, step.status.value),
            sentence=step.sentence,
            at=step.at,
            outputs=_shown(step),
            turns=tuple(self._turn(turn, turn.frame) for turn in shown if turn.frame is not None),
            turns_left_out=len(begun) - len(shown),
            run=self._run(step, step.child) if step.child else None,
        )

    def _turn(self, turn: LiveTurn, frame: LiveFrame) -> PathTurn:
        return PathTurn(
            index=turn.index,
            item=turn.item,
            status=turn.status.value,
            sentence=turn.sentence,
            outputs=dict(turn.outputs),
            steps=tuple(self.steps(frame)),
        )

    def _run(self, step: LiveStep, child: Walk) -> PathRun:
        is_told = is_shown(step, child.definition) and self.room > 0
        return PathRun(
            playbook=child.definition.slug,
            number=child.definition.number,
            title=child.definition.playbook.title if is_told else child.definition.slug,
            status=child.status.value,
            sentence=child.sentence if is_told else "",
            is_detached=step.document.detached,
            is_shown=is_told,
            outputs=dict(child.outputs) if is_told else {},
            path=tuple(self.steps(child.top)) if is_told else (),
        )


def _shown(step: LiveStep) -> Mapping[str, Any]:
    outputs = dict(step.outputs)
    if isinstance(results := outputs.get("results"), list) and step.document.kind == "each":
        outputs["results"] = results[:MOST_TURNS]
    size = len(json.dumps(outputs))
    return outputs if size <= MOST_OUTPUTS else {"left_out": f"{size // 1024} KiB"}


def _rolls_back(walk: Walk) -> bool:
    return walk.status is RunStatus.FAILED and walk.definition.playbook.on_failure == "rollback"


def _rollback(walk: Walk) -> RollbackPlan | None:
    return _plan_of(walk) if _rolls_back(walk) and len(walk.steps) <= MOST_UNDOINGS else None


def _plan_of(walk: Walk) -> RollbackPlan:
    needs = {node.key: node.needs for nodes in walk.definition.nodes.values() for node in nodes}
    rows = {
        key: Row(key, needs[step.document.id], step.document.kind == "repeat")
        for key, step in walk.steps.items()
    }
    done = [each for step in walk.steps.values() if (each := _done(walk, step, needs[step.document.id]))]
    return rollback_plan(done, all_needs=needs_between(rows))


def _done(walk: Walk, step: LiveStep, needs: tuple[str, ...]) -> Done | None:
    effect = walk.world.effect(walk.definition, step.document)
    if step.child is not None:
        plan = _plan_of(step.child)
        undo: UndoRun | str = UndoRun(step.child.definition.slug, plan)
        if step.document.detached:
            undo = DETACHED.format(playbook=step.child.definition.slug)
        return Done(step.key, needs, effect, bool(plan.undoings or plan.irreversible), undo)
    if step.call is None or step.document.kind != "do" or step.status is not StepStatus.SUCCEEDED:
        return None
    changed = step.outputs.get("changed") is not False
    scope = step.frame.scope(walk.moment)
    undoing = walk.world.undo(step.key, step.document, scope, step.call.parameters, step.outputs)
    return Done(step.key, needs, effect, changed, undoing)
