"""What the clock does to a waiting step: it goes on, is tried again, or is stopped."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from playbooks.domain.statuses import StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Run, Step
from playbooks.operations import children, limits, stopping, waits
from playbooks.operations.change import Change
from playbooks.operations.moves import move_step
from playbooks.operations.progress import advance, resume_block
from playbooks.operations.statements import fetch, key

READY_AGAIN = frozenset(
    {WaitReason.RETRY, WaitReason.RECEIPT, WaitReason.SLOT, WaitReason.RATE, WaitReason.JOB, WaitReason.HOLD}
    | {WaitReason.DELAY}
)
# Requests and questions have deadlines of their own, pauses and holds none: a person ends them.
FIRED = (READY_AGAIN - {WaitReason.HOLD}) | {
    WaitReason.TIME,
    WaitReason.EVENT,
    WaitReason.CHILD,
    WaitReason.TURNS,
}


def due(now: object) -> QuerySet[Step]:
    """The steps whose time has come. Never a gate, whatever its deadline."""
    return Step.objects.filter(status=StepStatus.WAITING, due_at__lte=now, wait_reason__in=FIRED)


def overdue(now: object) -> QuerySet[Step]:
    """The steps that take too long."""
    return Step.objects.filter(status=StepStatus.WAITING, deadline_at__lte=now)


def is_due(now: object) -> Q:
    """Either. For the steps of one run: over all steps, each has an index of its own."""
    return Q(due_at__lte=now, wait_reason__in=FIRED) | Q(deadline_at__lte=now)


def fire_due(change: Change) -> None:
    """Lets the time act on all that is due in the run, as it would have done by and by; of its steps that wait for a
    slot on the first: whoever hears the bell asks again. What a step ends with it is due no more.
    """
    waiting = _waiting(change, "ORDER BY id")
    line = sorted((step for step in waiting if step.wait_reason == WaitReason.SLOT), key=limits.place)
    due = [step for step in waiting if step in line[:1] or _is_due(step, change.now)]
    due.sort(key=lambda step: _due_since(step, change.now))
    for step in due[:1]:
        fire(change, step)
    for step in due[1:]:
        for still in _waiting(change, "AND id = %s", key(Step, step.pk)):
            fire(change, still)


def _waiting(change: Change, rest: str, *parameters: object) -> list[Step]:
    start = [key(Run, change.run.pk), StepStatus.WAITING.value]
    return fetch(Step, f"run_id = %s AND status = %s {rest}", [*start, *parameters])


def _due_since(step: Step, now: datetime) -> datetime:
    passed = [each for each in (step.due_at, step.deadline_at) if each is not None and each <= now]
    return min(passed, default=now)


def _is_due(step: Step, now: datetime) -> bool:
    """What `is_due` asks, of a step that waits and was read."""
    is_fired = (
        step.due_at is not None and step.due_at <= now and step.wait_reason in FIRED - {WaitReason.SLOT}
    )
    return is_fired or (step.deadline_at is not None and step.deadline_at <= now)


def fire(change: Change, step: Step) -> None:
    """Lets the time act on a step that is due, and moves its run on."""
    step.run = change.run
    if step.deadline_at and step.deadline_at <= change.now:
        stopping.end_late(change, step)
        return
    if step.wait_reason == WaitReason.TURNS:
        resume_block(change, step)
        return
    _act(change, step)
    advance(change, step.frame)


def _act(change: Change, step: Step) -> None:
    if step.wait_reason in READY_AGAIN:
        make_ready(change, step)
    elif step.wait_reason == WaitReason.CHILD:
        children.collect(change, step)
    elif step.wait_reason == WaitReason.EVENT:
        waits.miss(change, step)
    else:
        move_step(step, StepStatus.SUCCEEDED, now=change.now)
        change.note_step(Verb.STEP_SUCCEEDED, step)


def make_ready(change: Change, step: Step) -> None:
    """Ready again; who stood in the line of a connection keeps its place."""
    columns = limits.place_in_line(step)
    move_step(step, StepStatus.READY, now=change.now, sentence="", **columns)
    change.ready += 1
