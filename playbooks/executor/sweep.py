"""Sweep: finds what a lost bell, a dead worker or the clock left behind. It performs no step.

Any number of sweeps may run at once: each repair locks its run and looks again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.domain.statuses import (
    AttemptStatus,
    QuestionStatus,
    RequestStatus,
    RunStatus,
    StepStatus,
    WaitReason,
)
from playbooks.executor import timers
from playbooks.executor.settle import lose
from playbooks.models import ApprovalRequest, Attempt, Event, Heartbeat, Question, Run, Step
from playbooks.operations import (
    answers,
    approvals,
    bell,
    deliveries,
    events,
    expiries,
    holds,
    limits,
    notices,
    owed_receipts,
)
from playbooks.operations.caller import SYSTEM
from playbooks.operations.change import Change, lock_run
from playbooks.operations.progress import advance

UNHEARD = timedelta(seconds=1)
AT_ONCE = 500  # rows a sweep looks at; the next one goes on
Repair = Callable[[], None]
OLD = timedelta(minutes=1)  # longer than any transaction takes
DEAD = "The worker did not answer within its lease."


def sweep(*, now: datetime | None = None) -> int:
    """One round. Returns how many rows it found; 0 means that nothing was left behind.

    Raises ExceptionGroup, at the end, with what kept single runs from being repaired; the others are.
    """
    now = now or timezone.now()
    repairs = [repair for find in FINDERS for repair in find(now)]
    broken = [error for repair in repairs if (error := _try(repair))]
    found = len(repairs) + _ring_for_ready(now) + _ring_for_notices(now)
    Heartbeat.objects.update_or_create(part="sweep", defaults={"beat_at": now})
    if broken:
        raise ExceptionGroup("The sweep could not repair every run", broken)
    return found


def _try(repair: Repair) -> Exception | None:
    """A run that cannot be repaired must not keep the others waiting: its error is kept for the end."""
    try:
        repair()
    except Exception as error:  # noqa: BLE001 - raised with the others by `sweep`
        return error
    return None


def _expired_leases(now: datetime) -> list[Repair]:
    expired = Attempt.objects.filter(status=AttemptStatus.RUNNING, lease_until__lte=now)
    rows = expired.order_by("lease_until", "pk").values_list("pk", "step__run")[:AT_ONCE]
    return [partial(_recover, attempt, run, now) for attempt, run in rows]


def _recover(attempt: UUID, run: UUID, now: datetime) -> None:
    with transaction.atomic(durable=True):
        change = Change(lock_run(run), now, SYSTEM)
        row = Attempt.objects.select_related("step").get(pk=attempt)
        if row.status != AttemptStatus.RUNNING:
            return
        row.step.run = change.run
        lose(change, row, DEAD)
        advance(change, row.step.frame)
        change.finish()


def _due_timers(now: datetime) -> list[Repair]:
    rows = timers.due(now).order_by("due_at", "pk").values_list("pk", "run")[:AT_ONCE]
    return [partial(_fire, step, run, now) for step, run in rows]


def _overdue(now: datetime) -> list[Repair]:
    rows = timers.overdue(now).order_by("deadline_at", "pk").values_list("pk", "run")[:AT_ONCE]
    return [partial(_fire, step, run, now) for step, run in rows]


def _fire(step: UUID, run: UUID, now: datetime) -> None:
    with transaction.atomic(durable=True):
        change = Change(lock_run(run), now, SYSTEM)
        row = Step.objects.filter(timers.is_due(now), pk=step, status=StepStatus.WAITING).first()
        if row is None:
            return
        timers.fire(change, row)
        change.finish()


def _held_back(now: datetime) -> list[Repair]:
    """Steps whose hold is over; the claim looks for other holds."""
    return [partial(_call, step.pk, step.run_id, WaitReason.HOLD, now) for step in holds.held_back()]


def _free_slots(now: datetime) -> list[Repair]:
    """Steps for which a connection has room, however it came to be free."""
    return [partial(_call, step.pk, step.run_id, WaitReason.SLOT, now) for step in limits.whose_turn()]


def _call(step: UUID, run: UUID, reason: WaitReason, now: datetime) -> None:
    """A step that may go on is ready again."""
    with transaction.atomic(durable=True):
        change = Change(lock_run(run), now, SYSTEM)
        row = Step.objects.filter(pk=step, wait_reason=reason).first()
        if row is None:
            return
        row.run = change.run
        timers.make_ready(change, row)
        advance(change, row.frame)
        change.finish()


def _missed_events(now: datetime) -> list[Repair]:
    """Steps whose event came and was not delivered: they came to wait at that very moment, there were too many of
    them for one call, or whoever delivered it has died. An event for which nobody waits any more is settled, once it
    is so old that every step has begun to wait that looked for it in vain.
    """
    repairs: list[Repair] = []
    for event in Event.objects.filter(is_settled=False).order_by("received_at", "pk")[:AT_ONCE]:
        waiting = events.waiting_for(event).values_list("pk", "run")[:AT_ONCE]
        repairs += [partial(events.deliver, event, step, run) for step, run in waiting]
        if not waiting and event.received_at <= now - OLD:
            Event.objects.filter(pk=event.pk).update(is_settled=True)
    return repairs


def _late_questions(now: datetime) -> list[Repair]:
    due = Question.objects.filter(status=QuestionStatus.OPEN, due_at__lte=now)
    rows = due.order_by("due_at", "pk").values_list("pk", flat=True)[:AT_ONCE]
    return [partial(answers.expire, question, now=now) for question in rows]


def _due_expiries(now: datetime) -> list[Repair]:
    rows = expiries.due(now).order_by("due_at", "pk").values_list("pk", flat=True)[:AT_ONCE]
    return [partial(expiries.expire, expiry, now=now) for expiry in rows]


def _stopped_expiries(now: datetime) -> list[Repair]:
    rows = expiries.stopped().order_by("due_at", "pk").values_list("pk", flat=True)[:AT_ONCE]
    return [partial(expiries.expire, expiry, now=now) for expiry in rows]


def _late_requests(now: datetime) -> list[Repair]:
    due = ApprovalRequest.objects.filter(status=RequestStatus.OPEN, due_at__lte=now)
    rows = due.order_by("due_at", "pk").values_list("pk", flat=True)[:AT_ONCE]
    return [partial(approvals.expire, request, now=now) for request in rows]


def _owed_receipts(now: datetime) -> list[Repair]:
    """What was passed by break-glass ahead of its evidence, until that is signed."""
    return [partial(owed_receipts.settle, request, now=now) for request in owed_receipts.signed_by_now()]


def _reminders(now: datetime) -> list[Repair]:
    due = ApprovalRequest.objects.filter(status=RequestStatus.OPEN, remind_at__lte=now)
    rows = due.order_by("remind_at", "pk").values_list("pk", flat=True)[:AT_ONCE]
    return [partial(approvals.remind, request, now=now) for request in rows]


def _ring_for_ready(now: datetime) -> int:
    """Steps that have been ready for longer than a bell takes: somebody has to hear of them again."""
    unheard = Step.objects.filter(status=StepStatus.READY, changed_at__lte=now - UNHEARD)
    runs = list(unheard.order_by("changed_at", "pk").values_list("run", flat=True)[:AT_ONCE])
    unbegun = Run.objects.filter(status=RunStatus.QUEUED, created_at__lte=now - UNHEARD)
    runs += list(unbegun.order_by("created_at", "pk").values_list("pk", flat=True)[:AT_ONCE])
    for run in dict.fromkeys(runs):
        bell.send(bell.DRIVE, str(run))
    return len(runs)


def _ring_for_notices(now: datetime) -> int:
    """One sender more, when there is anything to send; each takes a few, so that a slow address delays only those."""
    is_due = deliveries.due(now).exists()
    if is_due:
        bell.send(notices.DELIVER)
    return int(is_due)


FINDERS: tuple[Callable[[datetime], list[Repair]], ...] = (
    _expired_leases,
    _due_timers,
    _overdue,
    _late_requests,
    _reminders,
    _late_questions,
    _missed_events,
    _held_back,
    _free_slots,
    _due_expiries,
    _stopped_expiries,
    _owed_receipts,
)
