"""The turns of the steps that hold others, in a dry run: all are walked, the first of each block are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from playbooks.domain.dry_runs.walk import LiveFrame, LiveStep, LiveTurn, Target, Walk
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError, is_true, render
from playbooks.domain.frames import enclosing, turn_of
from playbooks.domain.playbook import MAX_ITEMS, Loop, Step
from playbooks.domain.statuses import RunStatus, StepStatus, TurnStatus

TOO_LONG = "It took longer than its timeout, so it was stopped."


def begin(walk: Walk, block: LiveStep) -> None:
    """The block waits for its turns. Raises ExpressionError when what it goes through cannot be had."""
    document, scope = block.document, block.frame.scope(walk.moment)
    if document.kind == "each":
        block.turns = [LiveTurn(index, item) for index, item in enumerate(_items(document, scope))]
    elif _is_wanted(document, scope | {"turn": 1}):
        block.turns = [LiveTurn(0, None)]
    walk.wait(block)
    if document.timeout:
        walk.schedule(walk.now + parse_duration(document.timeout), lambda: _stop_late(walk, block))


def start_next(walk: Walk, block: LiveStep) -> LiveFrame | None:
    """The frame of the next turn, if the block may start one now."""
    if block.has_ended or block.is_stopping or (block.due_at is not None and block.due_at > walk.now):
        return None
    if block.begun >= len(block.turns) or block.running >= block.document.at_once:
        return None
    turn = block.turns[block.begun]
    block.begun += 1
    block.running += 1
    turn.status = TurnStatus.RUNNING
    turn.frame = walk.open(turn_of(block.key, turn.index), block.document.id, block, turn)
    return turn.frame


def end(walk: Walk, frame: LiveFrame, status: RunStatus) -> LiveStep:
    """Ends the turn whose frame this is, and returns its block."""
    block, turn = cast("LiveStep", frame.block), cast("LiveTurn", frame.turn)
    turn.status, turn.outputs, turn.sentence = _outcome(walk, frame, status)
    block.running -= 1
    if turn.status is TurnStatus.FAILED or block.document.kind == "repeat":
        _after_turn(walk, block, turn, frame)
    return block


def end_block(walk: Walk, block: LiveStep) -> bool:
    """Ends the block when no turn of it is left; returns whether it has ended now."""
    if block.has_ended or block.running or block.begun < len(block.turns):
        return False
    sentence = block.sentence or (TOO_LONG if block.is_stopping else "")
    status = StepStatus.FAILED if sentence else StepStatus.SUCCEEDED
    outputs = _results(block) if block.document.kind == "each" else _last_outputs(block)
    walk.end(block, status, sentence, outputs)
    return True


def _items(document: Step, scope: Mapping[str, object]) -> list[object]:
    items = render(document.each, scope)
    if not isinstance(items, list):
        raise ExpressionError(f"'each' of {document.id} gives {items!r:.80}, which is no list.")
    if len(items) > MAX_ITEMS:
        raise ExpressionError(f"'each' of {document.id} gives {len(items)} items; {MAX_ITEMS} are the most.")
    return items


def _is_wanted(document: Step, scope: Mapping[str, object]) -> bool:
    """Whether a repeat takes another turn by its `while`, which is asked before."""
    condition = _loop(document).while_
    return condition is None or is_true(condition, scope, f"The condition of {document.id}")


def _loop(document: Step) -> Loop:
    return cast("Loop", document.repeat)


def _outcome(walk: Walk, frame: LiveFrame, status: RunStatus) -> tuple[TurnStatus, Mapping[str, object], str]:
    """How a turn ended, what it gives, and, if it failed, why."""
    if frame.is_stopping:
        return TurnStatus.CANCELLED, {}, ""
    if status is RunStatus.FAILED:
        return TurnStatus.FAILED, {}, why_failed(frame)
    try:
        outputs = render(cast("LiveStep", frame.block).document.outputs, frame.scope(walk.moment))
    except ExpressionError as error:
        return TurnStatus.FAILED, {}, f"The outputs of {frame.path} cannot be computed: {error}"
    return TurnStatus.SUCCEEDED, dict(outputs) if isinstance(outputs, Mapping) else {}, ""


def why_failed(frame: LiveFrame) -> str:
    """The sentence of the first step whose failure nothing forgives, with its key."""
    failed = (frame.steps[node.key] for node in frame.nodes if not node.forgives)
    return next(f"{step.key}: {step.sentence}" for step in failed if step.status is StepStatus.FAILED)


def _after_turn(walk: Walk, block: LiveStep, turn: LiveTurn, frame: LiveFrame) -> None:
    if block.document.kind == "each":
        failed = sum(each.status is TurnStatus.FAILED for each in block.turns)
        if failed > block.document.may_fail:
            _drop_pending(block)
            _give_up(block, turn.sentence)
    elif turn.status is TurnStatus.FAILED:
        _give_up(block, turn.sentence)
    elif turn.status is TurnStatus.SUCCEEDED:
        _after_round(walk, block, turn, frame)


def _after_round(walk: Walk, block: LiveStep, turn: LiveTurn, frame: LiveFrame) -> None:
    """Asks whether it is over; if not, there is another turn, now or after a while, or the bound is reached."""
    loop = _loop(block.document)
    try:
        if _is_over(block.document, frame.scope(walk.moment), turn):
            return
    except ExpressionError as error:
        _give_up(block, str(error))
        return
    if turn.index + 1 >= loop.most:
        _give_up(block, f"After {loop.most} turns, the most it may take, it is still not over.")
        return
    block.turns.append(LiveTurn(turn.index + 1, None))
    block.due_at = walk.now + parse_duration(loop.every) if loop.every else None
    if block.due_at is not None:
        walk.schedule(block.due_at, lambda: [block])


def _is_over(document: Step, scope: Mapping[str, object], turn: LiveTurn) -> bool:
    until = _loop(document).until
    if until is not None:
        return is_true(until, scope, f"The condition of {document.id}")
    return not _is_wanted(document, {**scope, "turn": turn.index + 2})


def _give_up(block: LiveStep, sentence: str) -> None:
    """The block fails when its last turn has ended; the first reason is kept."""
    block.sentence = block.sentence or sentence


def _drop_pending(block: LiveStep) -> None:
    """What has not begun never will."""
    for turn in block.turns[block.begun :]:
        turn.status = TurnStatus.CANCELLED
    block.begun = len(block.turns)


def _stop_late(walk: Walk, block: LiveStep) -> Sequence[Target]:
    """The block has passed its deadline: only what runs in any case still does."""
    if block.has_ended:
        return ()
    block.sentence = TOO_LONG
    _stop(walk, block)
    inner = [each for each in walk.steps.values() if each.frame.path.startswith(f"{block.key}[")]
    for each in inner:
        if each.document.after != "always":
            _stop(walk, each)
    frames = {id(each.frame): each.frame for each in inner}
    blocks = [each for each in (block, *inner) if each.turns and each.is_stopping]
    return [
        *sorted(frames.values(), key=lambda frame: (-len(enclosing(frame.path)), frame.path)),
        *sorted(blocks, key=lambda each: -len(enclosing(each.frame.path))),
    ]


def _stop(walk: Walk, step: LiveStep) -> None:
    if step.has_ended:
        return
    if step.turns:
        step.is_stopping = True
        _drop_pending(step)
        return
    walk.end(step, StepStatus.CANCELLED)


def _results(block: LiveStep) -> dict[str, object]:
    counts = Counter(turn.status for turn in block.turns)
    return {
        "count": len(block.turns),
        "succeeded": counts[TurnStatus.SUCCEEDED],
        "failed": counts[TurnStatus.FAILED],
        "results": [
            {"item": turn.item, "state": turn.status.value, "outputs": dict(turn.outputs)}
            for turn in block.turns
        ],
    }


def _last_outputs(block: LiveStep) -> dict[str, object]:
    last = block.turns[-1] if block.turns else None
    return {"turns": 0 if last is None else last.index + 1, **(last.outputs if last else {})}
