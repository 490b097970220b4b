"""Stopping: cancelling a run, pausing it, and ending what takes too long."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.domain.duties import Denial
from playbooks.domain.frames import block_of, enclosing, index_of
from playbooks.domain.statuses import (
    RUN_ENDED,
    STEP_ENDED,
    AttemptStatus,
    RequestStatus,
    RunStatus,
    StepStatus,
    TurnStatus,
    WaitReason,
)
from playbooks.domain.verbs import Verb
from playbooks.models import Run, Step, Turn
from playbooks.operations import bell, doubts, questions, requests, turns
from playbooks.operations.caller import Caller
from playbooks.operations.change import Change, lock_run
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move, move_step
from playbooks.operations.progress import advance, resume_block
from playbooks.operations.refusals import Refused
from playbooks.operations.rounds import steps_of_round

GOES_ON_BY_ITSELF = frozenset({WaitReason.CHILD, WaitReason.JOB, WaitReason.TURNS})
CANCELLABLE = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING})
NOT_PAUSED = Denial("run_not_paused", "This run is not paused.")
TOO_LONG = "It took longer than its timeout, so it was stopped."


def cancel(run: UUID, *, caller: Caller, reason: str = "") -> Run:
    """Stops a run: what has not started never will, what is under way is asked to stop and ends first, open requests
    are withdrawn. What is to run in any case (`after: always`) still does; cancelling again stops that as well.

    Raises Refused without the permission or when the run has ended.
    """
    caller.require("stop_run", "cancel runs")
    with transaction.atomic(durable=True):
        row = lock_run(run)
        caller.require_on("stop_run", row, f"run {run}")
        if row.status in RUN_ENDED or row.status == RunStatus.ROLLING_BACK:
            raise Refused(
                Denial("run_not_cancellable", f"This run is {row.status} and cannot be cancelled any more.")
            )
        change = Change(row, timezone.now(), caller.actor)
        stop(change, reason)
        change.finish()
    return row


def stop(change: Change, reason: str) -> None:
    """The cancelling itself, in the caller's transaction."""
    run = change.run
    change.note(Verb.RUN_CANCEL_REQUESTED, facts={"reason": reason})
    is_forced = run.status == RunStatus.CANCELLING
    if not is_forced:
        move(run, RunStatus.CANCELLING)
    steps = steps_of_round(run, 0)
    for step in steps.values():
        if is_forced or not _runs_in_any_case(step):
            stop_step(change, step)
    _withdraw_requests(change)
    _advance_all(change, list(steps.values()))
    _end_idle_blocks(change)


def pause(run: UUID, *, caller: Caller) -> Run:
    """Lets nothing begin any more until somebody resumes the run. What is under way ends, and people may decide."""
    caller.require("stop_run", "pause runs")
    with transaction.atomic(durable=True):
        row = lock_run(run)
        caller.require_on("stop_run", row, f"run {run}")
        if row.status in RUN_ENDED or row.status in {RunStatus.CANCELLING, RunStatus.ROLLING_BACK}:
            raise Refused(Denial("run_not_pausable", f"This run is {row.status} and cannot be paused."))
        if row.paused_at is None:
            change = Change(row, timezone.now(), caller.actor)
            _set_pause(row, change.now, caller)
            change.note(Verb.RUN_PAUSED)
            change.finish()
    return row


def resume(run: UUID, *, caller: Caller) -> Run:
    """Raises Refused when the run is not paused."""
    caller.require("stop_run", "resume runs")
    with transaction.atomic(durable=True):
        row = lock_run(run)
        caller.require_on("stop_run", row, f"run {run}")
        if row.paused_at is None:
            raise Refused(NOT_PAUSED)
        change = Change(row, timezone.now(), caller.actor)
        _set_pause(row, None, None)
        for step in row.steps.filter(status=StepStatus.WAITING, wait_reason=WaitReason.PAUSE):
            move_step(step, StepStatus.READY, now=change.now)
            change.ready += 1
        change.note(Verb.RUN_RESUMED)
        change.finish()
    return row


def end_late(change: Change, step: Step) -> None:
    """A step that waits for what goes on by itself has passed its deadline."""
    step.sentence = TOO_LONG
    step.save(update_fields=["sentence"])
    stop_step(change, step)
    if step.kind in {"each", "repeat"}:
        inner = [
            each for each in steps_of_round(change.run, 0).values() if each.frame.startswith(f"{step.key}[")
        ]
        for each in inner:
            if not _runs_in_any_case(each):
                stop_step(change, each)
        _withdraw_requests(change)
        _advance_all(change, inner)
        _end_idle_blocks(change)


def stop_step(change: Change, step: Step) -> None:
    """What has not begun never will. What goes on by itself is asked to stop, and ends when it has."""
    if step.status in STEP_ENDED or step.status in {StepStatus.RUNNING, StepStatus.UNKNOWN}:
        return
    if step.wait_reason in GOES_ON_BY_ITSELF or _is_at_far_side(step):
        _ask_to_stop(change, step)
        return
    questions.withdraw(change, step)
    lost = doubts.lost_attempt(step)
    if lost is not None:
        doubts.ask_a_person(change, step, lost, lost.sentence)
        return
    move_step(step, StepStatus.CANCELLED, now=change.now)


def _is_at_far_side(step: Step) -> bool:
    """Whether a worker is about to ask how a job at the far side stands."""
    return step.attempt_count > 0 and step.attempts.filter(status=AttemptStatus.PENDING).exists()


def _ask_to_stop(change: Change, step: Step) -> None:
    step.is_stopping = True
    step.deadline_at = None
    step.due_at = change.now
    step.save(update_fields=["is_stopping", "deadline_at", "due_at"])
    change.note_step(Verb.STEP_STOPPING, step, sentence=step.sentence)
    if step.wait_reason == WaitReason.TURNS:
        turns.drop_pending(change, step)
    for child in Run.objects.filter(parent=step).values_list("pk", flat=True):
        bell.ring(child)


def _advance_all(change: Change, steps: list[Step]) -> None:
    """Moves every frame on that is under way, the innermost first, and then the blocks that have no turn left."""
    frames = sorted({step.frame for step in steps}, key=lambda path: (-len(enclosing(path)), path))
    for frame in frames:
        has_ended = change.run.status in RUN_ENDED  # with a turn, the last of its block
        if not has_ended and (not frame or _is_under_way(change.run, frame)):
            advance(change, frame)


def _end_idle_blocks(change: Change) -> None:
    """Blocks that are to stop and have no turn under way."""
    stopping = change.run.steps.filter(round=0, wait_reason=WaitReason.TURNS, is_stopping=True)
    idle = stopping.exclude(turns__status=TurnStatus.RUNNING)
    for block in sorted(idle, key=lambda each: -len(enclosing(each.frame))):
        if idle.filter(pk=block.pk).exists():
            resume_block(change, block)


def _is_under_way(run: Run, frame: str) -> bool:
    turn = Turn.objects.filter(step__run=run, step__round=0, step__key=block_of(frame), index=index_of(frame))
    return turn.filter(status=TurnStatus.RUNNING).exists()


def _runs_in_any_case(step: Step) -> bool:
    return definition_of(step.run.version_id).steps[step.name].after == "always"


def _set_pause(run: Run, at: datetime | None, caller: Caller | None) -> None:
    run.paused_at = at
    run.paused_by = caller.principal if caller else None
    run.save(update_fields=["paused_at", "paused_by"])


def _withdraw_requests(change: Change) -> None:
    """Those for which no step waits any more. A gate that is to be asked in any case still is, and so is what has run
    already and is to be countersigned.
    """
    asked = change.run.requests.filter(status=RequestStatus.OPEN, countersigns=False)
    open_requests = asked.select_related("step")
    for request in open_requests.select_for_update(of=("self",)):
        if not requests.waiting_for(request):
            requests.close(change, request, RequestStatus.WITHDRAWN, Verb.REQUEST_WITHDRAWN)
