"""Moves a run on after a fact: asks the planner, applies its moves, and ends the run when nothing is left.

Called inside the transaction that recorded the fact, with the run row locked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError, evaluate, render
from playbooks.domain.planner import Move, Node, State, plan, run_status
from playbooks.domain.statuses import RUN_ENDED, STEP_ENDED, RunStatus, StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Run, Step
from playbooks.operations import requests, rollbacks
from playbooks.operations.change import Change
from playbooks.operations.definitions import Definition, definition_of
from playbooks.operations.moves import move, move_step, wait
from playbooks.operations.rounds import Steps, current_steps, moment, scope_of, states_of


def advance(change: Change) -> Steps:
    """Applies every move that follows, and returns the steps of the current round by key."""
    run = change.run
    steps = current_steps(run)
    if run.status == RunStatus.CANCELLING:
        _finish_cancelling(change, steps)
        return steps
    nodes = _nodes(run, steps)
    for each in _plan(change, nodes, steps):
        _apply(change, steps[each.key], each)
    _move_run(change, nodes, steps)
    return steps


def _nodes(run: Run, steps: Steps) -> Sequence[Node]:
    if run.status == RunStatus.ROLLING_BACK:
        return tuple(Node(key=key, kind="do", needs=tuple(step.needs)) for key, step in steps.items())
    return definition_of(run.version_id).nodes


def _plan(change: Change, nodes: Sequence[Node], steps: Steps) -> Sequence[Move]:
    """The planner's moves, with the playbook's conditions and values evaluated on the states it passes."""
    run, now = change.run, moment(change.now)

    def condition(node: Node, states: Mapping[str, State]) -> bool:
        value = evaluate(node.when or "true", scope_of(run, states, now))
        if not isinstance(value, bool):
            raise ExpressionError(f"The condition of {node.key} is {value!r}, and not true or false.")
        return value

    def values(node: Node, states: Mapping[str, State]) -> Mapping[str, object]:
        definition = definition_of(run.version_id)
        rendered = render(definition.steps[node.key].set, scope_of(run, states, now))
        return dict(rendered) if isinstance(rendered, Mapping) else {}

    return plan(nodes, states_of(steps), condition=condition, values=values)


def _apply(change: Change, step: Step, to: Move) -> None:
    if to.status is StepStatus.WAITING:
        _begin_to_wait(change, step)
        return
    move_step(step, to.status, now=change.now, sentence=to.sentence, outputs=to.outputs or {})
    if to.status is StepStatus.READY:
        change.ready += 1
    else:
        change.note_step(_VERBS[to.status], step, sentence=to.sentence)


_VERBS = {
    StepStatus.SUCCEEDED: Verb.STEP_SUCCEEDED,
    StepStatus.FAILED: Verb.STEP_FAILED,
    StepStatus.SKIPPED: Verb.STEP_SKIPPED,
}


def _begin_to_wait(change: Change, step: Step) -> None:
    """A gate opens its request; a timer writes down when it is due."""
    definition = definition_of(change.run.version_id)
    if step.kind == "approve":
        requests.open_gate(change, step)
        return
    timer = definition.steps[step.key].wait
    due_at = change.now + parse_duration(timer.for_ if timer and timer.for_ else "0s")
    wait(step, WaitReason.TIME, now=change.now, due_at=due_at)


def _move_run(change: Change, nodes: Sequence[Node], steps: Steps) -> None:
    run = change.run
    status = run_status(nodes, states_of(steps))
    if run.status == RunStatus.ROLLING_BACK:
        if status in RUN_ENDED:
            _end_rollback(change, status)
    elif status in RUN_ENDED:
        _end(change, status, steps)
    elif status.value != run.status and not (run.status == RunStatus.QUEUED and status is RunStatus.RUNNING):
        move(run, status)


def _end(change: Change, status: RunStatus, steps: Steps) -> None:
    run, definition = change.run, definition_of(change.run.version_id)
    outputs: Mapping[str, object] = {}
    if status is RunStatus.FAILED:
        sentence = _why_failed(definition, steps)
    else:
        outputs, sentence = _outputs(definition, run, steps, moment(change.now))
        status = RunStatus.FAILED if sentence else status
    move(run, status, ended_at=change.now, outputs=outputs, sentence=sentence)
    change.note(Verb.RUN_ENDED, outcome=status.value, facts={"status": status.value, "sentence": sentence})
    if status is RunStatus.FAILED and definition.playbook.on_failure == "rollback":
        rollbacks.begin(change)


def _why_failed(definition: Definition, steps: Steps) -> str:
    """The sentence of the first step whose failure nothing forgives."""
    failed = (node.key for node in definition.nodes if not node.forgives)
    return next(f"{key}: {steps[key].sentence}" for key in failed if steps[key].status == StepStatus.FAILED)


def _outputs(definition: Definition, run: Run, steps: Steps, now: str) -> tuple[dict[str, object], str]:
    """The outputs of the run, or the sentence that says why they cannot be had."""
    try:
        rendered = render(definition.playbook.outputs, scope_of(run, states_of(steps), now))
    except ExpressionError as error:
        return {}, f"The outputs of the playbook cannot be computed: {error}"
    return dict(rendered) if isinstance(rendered, Mapping) else {}, ""


def _end_rollback(change: Change, status: RunStatus) -> None:
    ended = RunStatus.ROLLED_BACK if status is RunStatus.SUCCEEDED else RunStatus.ROLLBACK_FAILED
    move(change.run, ended)
    change.note(Verb.ROLLBACK_ENDED, outcome=ended.value, facts={"round": change.run.rollbacks})


def _finish_cancelling(change: Change, steps: Steps) -> None:
    if all(step.status in STEP_ENDED for step in steps.values()):
        move(change.run, RunStatus.CANCELLED, ended_at=change.now)
        change.note(Verb.RUN_CANCELLED)
