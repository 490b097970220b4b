"""Moves a run on after a fact: asks the planner, applies its moves, and ends what has nothing left to do.

Called inside the transaction that recorded the fact, with the run row locked. A run is planned frame by frame: what
ends a frame ends a turn of the block that holds it, and that may end the frame around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playbooks.domain.expressions import ExpressionError, is_true, render
from playbooks.domain.frames import TOP
from playbooks.domain.planner import Move, Node, Progress, plan, run_status
from playbooks.domain.statuses import RUN_ENDED, STEP_ENDED, RunStatus, StepStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Step
from playbooks.operations import children, doubts, expiries, rollbacks, telling, turns, waits
from playbooks.operations.change import Change
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move, move_step
from playbooks.operations.rounds import Frame, moment, open_frame, undoes


def advance(change: Change, path: str = TOP) -> Frame:
    """Applies every move that follows from the steps of the frame at `path`, and from those around it.

    Returns that frame.
    """
    frame = open_frame(change.run, path)
    move_on(change, frame)
    change.write_ready()
    return frame


def move_on(change: Change, frame: Frame) -> None:
    """The same from a frame that was loaded in this transaction, or is known to be up to date.

    Steps that became ready may not be in the database yet.
    """
    status = settle_frame(change, frame)
    while frame.path and status in RUN_ENDED:
        block = turns.end(change, frame, status)
        if not go_on(change, block):
            break
        frame = open_frame(change.run, block.frame)
        status = settle_frame(change, frame)
    _move_run(change, frame, status)


def resume_block(change: Change, block: Step) -> None:
    """Goes on with a block that waited for its next turn, or that is to stop."""
    turns.take_up(change, block)
    if go_on(change, block):
        advance(change, block.frame)


def settle_frame(change: Change, frame: Frame) -> RunStatus:
    """Applies what the planner says of one frame, and returns the status that its steps make."""
    while moves := _plan(change, frame):
        for each in moves:
            _apply(change, frame, frame.steps[each.key], each)
        if not any(_has_ended_at_once(frame.steps[each.key], each) for each in moves):
            break
    return run_status(frame.nodes, frame.steps)


def _has_ended_at_once(step: Step, to: Move) -> bool:
    """A step that was to wait and has ended: a question that cannot be put, a block without turns."""
    return to.status is StepStatus.WAITING and step.status in STEP_ENDED


def go_on(change: Change, block: Step) -> bool:
    """Starts the turns of a block that may start now; returns whether the block has ended instead.

    A turn that ends at once makes room for the next. After a while the sweep goes on, so that no transaction grows
    with the number of items.
    """
    while turn := turns.start_next(change, block):
        frame = turns.open_turn(change, block, turn)
        status = settle_frame(change, frame)
        if status in RUN_ENDED:
            turns.end(change, frame, status)
    return turns.end_block(change, block)


def _plan(change: Change, frame: Frame) -> Sequence[Move]:
    """The planner's moves, with the playbook's conditions and values evaluated on the states it passes."""
    now = moment(change.now)

    def condition(node: Node, states: Mapping[str, Progress]) -> bool:
        return is_true(node.when or "true", frame.scope(now, states), f"The condition of {node.key}")

    def values(node: Node, states: Mapping[str, Progress]) -> Mapping[str, object]:
        definition = definition_of(frame.run.version_id)
        rendered = render(definition.steps[node.key].set, frame.scope(now, states))
        return dict(rendered) if isinstance(rendered, Mapping) else {}

    return plan(
        frame.nodes,
        frame.steps,
        condition=condition,
        values=values,
        is_stopping=frame.is_stopping,
        struck=_struck(frame),
    )


def _struck(frame: Frame) -> Mapping[str, str]:
    """Of the frame's own steps, by their ids. In a rollback nothing is struck."""
    struck = frame.run.struck
    if not struck or undoes(frame.run):
        return {}
    return {name: struck[step.key] for name, step in frame.steps.items() if step.key in struck}


def _apply(change: Change, frame: Frame, step: Step, to: Move) -> None:
    if to.status is StepStatus.WAITING:
        _begin_to_wait(change, frame, step)
        return
    if to.status is StepStatus.READY:
        change.make_ready(step)
        return
    move_step(step, to.status, now=change.now, sentence=to.sentence, outputs=to.outputs or {})
    if to.status in _VERBS:
        change.note_step(_VERBS[to.status], step, sentence=to.sentence)


_VERBS = {
    StepStatus.SUCCEEDED: Verb.STEP_SUCCEEDED,
    StepStatus.FAILED: Verb.STEP_FAILED,
    StepStatus.SKIPPED: Verb.STEP_SKIPPED,
}


def _begin_to_wait(change: Change, frame: Frame, step: Step) -> None:
    """A question that cannot be put, or a list that cannot be had, fails the step."""
    try:
        if step.kind in {"each", "repeat"}:
            turns.begin(change, frame, step)
            go_on(change, step)
        else:
            waits.begin(change, frame, step)
    except ExpressionError as error:
        doubts.fail(change, step, str(error))


def _move_run(change: Change, frame: Frame, status: RunStatus) -> None:
    """The run's own status. While a turn goes on, what matters is whether any step of the run can be worked on."""
    run = change.run
    if frame.path or (status is RunStatus.WAITING and definition_of(run.version_id).has_blocks):
        status = _status_of_all(change)
    if status in RUN_ENDED:
        _end(change, frame, status)
    elif run.status in _GOING_ON and status.value != run.status and not _is_first_claim(change, status):
        move(run, status)


_GOING_ON = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING})


def _is_first_claim(change: Change, status: RunStatus) -> bool:
    """A queued run is running when a worker has claimed its first step, not before."""
    return change.run.status == RunStatus.QUEUED and status is RunStatus.RUNNING


def _status_of_all(change: Change) -> RunStatus:
    if change.ready:
        return RunStatus.RUNNING
    active = change.run.steps.filter(round=0, status__in=[StepStatus.READY, StepStatus.RUNNING])
    return RunStatus.RUNNING if active.exists() else RunStatus.WAITING


def _end(change: Change, frame: Frame, status: RunStatus) -> None:
    run = change.run
    if run.status == RunStatus.ROLLING_BACK:
        _end_rollback(change, status)
    elif run.status == RunStatus.CANCELLING:
        move(run, RunStatus.CANCELLED, ended_at=change.now)
        change.note(Verb.RUN_CANCELLED)
        change.tellings += telling.run_ended(run)
    elif undoes(run):
        _end_expiry(change, frame, status)
    else:
        _end_run(change, frame, status)
    children.tell_parent(change)


def _end_run(change: Change, frame: Frame, status: RunStatus) -> None:
    definition = definition_of(change.run.version_id)
    outputs: Mapping[str, object] = {}
    if status is RunStatus.FAILED:
        sentence = _why_failed(frame)
    else:
        outputs, sentence = _outputs(definition.playbook.outputs, frame, moment(change.now))
        status = RunStatus.FAILED if sentence else status
    _move_to_end(change, status, sentence, outputs)
    if status is RunStatus.FAILED and definition.playbook.on_failure == "rollback":
        rollbacks.begin(change)


def _end_expiry(change: Change, frame: Frame, status: RunStatus) -> None:
    _move_to_end(change, status, _why_failed(frame) if status is RunStatus.FAILED else "", {})
    expiries.ended(change, status)


def _move_to_end(change: Change, status: RunStatus, sentence: str, outputs: Mapping[str, object]) -> None:
    move(change.run, status, ended_at=change.now, outputs=outputs, sentence=sentence)
    change.note(Verb.RUN_ENDED, outcome=status.value, facts={"status": status.value, "sentence": sentence})
    change.tellings += telling.run_ended(change.run, sentence)


def _why_failed(frame: Frame) -> str:
    """The sentence of the first step whose failure nothing forgives."""
    failed = (node.key for node in frame.nodes if not node.forgives)
    return next(
        f"{key}: {frame.steps[key].sentence}"
        for key in failed
        if frame.steps[key].status == StepStatus.FAILED
    )


def _outputs(declared: Mapping[str, object], frame: Frame, now: str) -> tuple[dict[str, object], str]:
    """The outputs of the run, or the sentence that says why they cannot be had."""
    try:
        rendered = render(declared, frame.scope(now))
    except ExpressionError as error:
        return {}, f"The outputs of the playbook cannot be computed: {error}"
    return dict(rendered) if isinstance(rendered, Mapping) else {}, ""


def _end_rollback(change: Change, status: RunStatus) -> None:
    ended = RunStatus.ROLLED_BACK if status is RunStatus.SUCCEEDED else RunStatus.ROLLBACK_FAILED
    move(change.run, ended)
    expiries.rolled_back(change)
    change.note(Verb.ROLLBACK_ENDED, outcome=ended.value, facts={"round": change.run.rollbacks})
    change.tellings += telling.run_ended(change.run)
