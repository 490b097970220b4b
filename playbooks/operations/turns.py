"""The turns of the steps that hold others: the items of an `each`, the rounds of a `repeat`.

A block waits while its turns go on. Only turns under way have steps in the database; the items that wait for their
turn are rows of their own, frozen when the block began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError, is_true, render
from playbooks.domain.frames import index_of, turn_of
from playbooks.domain.playbook import MAX_ITEMS, Loop
from playbooks.domain.playbook import Step as DocumentStep
from playbooks.domain.statuses import RunStatus, StepStatus, TurnStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Step, Turn
from playbooks.operations import requests
from playbooks.operations.change import Change
from playbooks.operations.creation import create_steps
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move, move_step, wait
from playbooks.operations.rounds import Frame, moment, open_frame

AT_ONCE = 100  # turns that one transaction starts
TOO_LONG = "It took longer than its timeout."


def begin(change: Change, frame: Frame, block: Step) -> None:
    """The block waits for its turns. Raises ExpressionError when what it goes through cannot be had."""
    document = _document(block)
    if block.kind == "each":
        shown = requests.shown_moment(requests.gates_before(frame, block), change.now)
        items = _items(document, frame.scope(shown))
        Turn.objects.bulk_create(Turn(step=block, index=index, item=item) for index, item in enumerate(items))
    elif _is_wanted(document, frame.scope(moment(change.now)) | {"turn": 1}):
        Turn.objects.create(step=block, index=0)
    wait(block, WaitReason.TURNS, now=change.now, due_at=None)
    if document.timeout:
        block.deadline_at = change.now + parse_duration(document.timeout)
        block.save(update_fields=["deadline_at"])


def take_up(change: Change, block: Step) -> None:
    """The time of the block has come, and is over: the sweep need not come by again because of it."""
    if block.due_at and block.due_at <= change.now:
        block.due_at = None
        block.save(update_fields=["due_at"])


def start_next(change: Change, block: Step) -> Turn | None:
    """The next turn, running, if the block may start one now."""
    if block.is_stopping or (block.due_at and block.due_at > change.now):
        return None
    waiting = block.turns.filter(status=TurnStatus.PENDING).order_by("index").first()
    if waiting is None or _count(block, TurnStatus.RUNNING) >= _document(block).at_once:
        return None
    if change.turns >= AT_ONCE:
        _look_again(change, block)
        return None
    change.turns += 1
    return move(waiting, TurnStatus.RUNNING, started_at=change.now)


def open_turn(change: Change, block: Step, turn: Turn) -> Frame:
    """Creates the steps of a turn."""
    path = turn_of(block.key, turn.index)
    create_steps(change.run, block.name, path, change.now)
    frame = open_frame(change.run, path)
    frame.block = block  # what a turn that ends at once says of its block counts for whoever goes on with it
    return frame


def end(change: Change, frame: Frame, status: RunStatus) -> Step:
    """Ends the turn whose frame this is, and returns its block."""
    block = frame.block
    turn = Turn.objects.get(step=block, index=index_of(frame.path))
    outcome, outputs, sentence = _outcome(change, frame, status)
    move(turn, outcome, ended_at=change.now, outputs=outputs, sentence=sentence)
    if outcome is TurnStatus.FAILED or block.kind == "repeat":
        _after_turn(change, block, turn, frame)
    return block


def end_block(change: Change, block: Step) -> bool:
    """Ends the block when no turn of it is left; returns whether it has ended."""
    if block.turns.filter(status__in=[TurnStatus.RUNNING, TurnStatus.PENDING]).exists():
        return False
    if block.is_stopping:
        _end_stopped(change, block)
    elif block.sentence:
        _end_with(change, block, StepStatus.FAILED, block.sentence)
    else:
        _end_with(change, block, StepStatus.SUCCEEDED)
    return True


def drop_pending(change: Change, block: Step) -> None:
    """What has not begun never will."""
    for turn in block.turns.filter(status=TurnStatus.PENDING).order_by("index"):
        move(turn, TurnStatus.CANCELLED, ended_at=change.now)


def _document(block: Step) -> DocumentStep:
    return definition_of(block.run.version_id).steps[block.name]


def _loop(document: DocumentStep) -> Loop:
    return cast("Loop", document.repeat)


def _count(block: Step, status: TurnStatus) -> int:
    return block.turns.filter(status=status).count()


def _items(document: DocumentStep, scope: Mapping[str, object]) -> list[object]:
    items = render(document.each, scope)
    if not isinstance(items, list):
        raise ExpressionError(f"'each' of {document.id} gives {items!r:.80}, which is no list.")
    if len(items) > MAX_ITEMS:
        raise ExpressionError(f"'each' of {document.id} gives {len(items)} items; {MAX_ITEMS} are the most.")
    return items


def _is_wanted(document: DocumentStep, scope: Mapping[str, object]) -> bool:
    """Whether a repeat takes another turn by its `while`, which is asked before."""
    condition = _loop(document).while_
    return condition is None or is_true(condition, scope, f"The condition of {document.id}")


def _look_again(change: Change, block: Step) -> None:
    """The sweep, or whoever hears the bell, goes on. A run that does so much is no longer queued."""
    if change.run.status == RunStatus.QUEUED:
        move(change.run, RunStatus.RUNNING)
    block.due_at = change.now
    block.save(update_fields=["due_at"])
    change.ready += 1


def _outcome(change: Change, frame: Frame, status: RunStatus) -> tuple[TurnStatus, dict[str, Any], str]:
    """How a turn ended, what it gives, and, if it failed, why."""
    if frame.is_stopping:
        return TurnStatus.CANCELLED, {}, ""
    if status is RunStatus.FAILED:
        failed = next(
            s
            for node in frame.nodes
            if (s := frame.steps[node.key]).status == StepStatus.FAILED and not node.forgives
        )
        return TurnStatus.FAILED, {}, f"{failed.key}: {failed.sentence}"
    try:
        outputs = render(_document(frame.block).outputs, frame.scope(moment(change.now)))
    except ExpressionError as error:
        return TurnStatus.FAILED, {}, f"The outputs of {frame.path} cannot be computed: {error}"
    return TurnStatus.SUCCEEDED, dict(outputs) if isinstance(outputs, Mapping) else {}, ""


def _after_turn(change: Change, block: Step, turn: Turn, frame: Frame) -> None:
    if block.kind == "each":
        _after_failed_item(change, block, turn)
    elif turn.status == TurnStatus.FAILED:
        _give_up(block, turn.sentence)
    elif turn.status == TurnStatus.SUCCEEDED:
        _after_round(change, block, turn, frame)


def _after_failed_item(change: Change, block: Step, turn: Turn) -> None:
    """More failures than the step may have: what has not begun never will."""
    if _count(block, TurnStatus.FAILED) > _document(block).may_fail:
        drop_pending(change, block)
        _give_up(block, turn.sentence)


def _after_round(change: Change, block: Step, turn: Turn, frame: Frame) -> None:
    """Asks whether it is over; if not, there is another turn, now or after a while, or the bound is reached."""
    document = _document(block)
    loop, scope = _loop(document), frame.scope(moment(change.now))
    try:
        if _is_over(document, scope, turn):
            return
    except ExpressionError as error:
        _give_up(block, str(error))
        return
    if turn.index + 1 >= loop.most:
        _give_up(block, f"After {loop.most} turns, the most it may take, it is still not over.")
        return
    Turn.objects.create(step=block, index=turn.index + 1)
    block.due_at = change.now + parse_duration(loop.every) if loop.every else None
    block.save(update_fields=["due_at"])


def _is_over(document: DocumentStep, scope: Mapping[str, object], turn: Turn) -> bool:
    until = _loop(document).until
    if until is not None:
        return is_true(until, scope, f"The condition of {document.id}")
    return not _is_wanted(document, {**scope, "turn": turn.index + 2})


def _give_up(block: Step, sentence: str) -> None:
    """The block fails when its last turn has ended; the first reason is kept."""
    if not block.sentence:
        block.sentence = sentence
        block.save(update_fields=["sentence"])


def _end_stopped(change: Change, block: Step) -> None:
    if change.run.status == RunStatus.CANCELLING:
        _end_with(change, block, StepStatus.CANCELLED)
    else:
        _end_with(change, block, StepStatus.FAILED, block.sentence or TOO_LONG)


def _end_with(change: Change, block: Step, status: StepStatus, sentence: str = "") -> None:
    outputs = _results(block) if block.kind == "each" else _last_outputs(block)
    move_step(
        block, status, now=change.now, outputs=outputs, sentence=sentence, is_stopping=False, deadline_at=None
    )
    if status is StepStatus.SUCCEEDED:
        change.note_step(Verb.STEP_SUCCEEDED, block, turns=block.turns.count())
    elif status is StepStatus.FAILED:
        change.note_step(Verb.STEP_FAILED, block, sentence=sentence)


def _results(block: Step) -> dict[str, Any]:
    turns = list(block.turns.order_by("index").values("item", "status", "outputs"))
    counts = Counter(turn["status"] for turn in turns)
    return {
        "count": len(turns),
        "succeeded": counts[TurnStatus.SUCCEEDED],
        "failed": counts[TurnStatus.FAILED],
        "results": [
            {"item": turn["item"], "state": turn["status"], "outputs": turn["outputs"]} for turn in turns
        ],
    }


def _last_outputs(block: Step) -> dict[str, Any]:
    last = block.turns.order_by("-index").first()
    return {"turns": 0 if last is None else last.index + 1, **(last.outputs if last else {})}
