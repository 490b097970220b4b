"""Sweep: finds what a lost bell, a dead worker or the clock left behind. It performs no step.

Any number of sweeps may run at once: each repair locks its run and looks again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from playbooks.domain.statuses import AttemptStatus, RequestStatus, StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.executor.settle import lose
from playbooks.models import ApprovalRequest, Attempt, Heartbeat, Step
from playbooks.operations import approvals, bell
from playbooks.operations.caller import SYSTEM
from playbooks.operations.change import Change, lock_run
from playbooks.operations.moves import move_step
from playbooks.operations.progress import advance

UNHEARD = timedelta(seconds=1)
AGAIN_READY = (WaitReason.RETRY, WaitReason.RECEIPT)
AT_ONCE = 500  # rows a sweep looks at; the next one goes on
Repair = Callable[[], None]
DEAD = "The worker did not answer within its lease."


def sweep(*, now: datetime | None = None) -> int:
    """One round. Returns how many rows it found; 0 means that nothing was left behind.

    Raises ExceptionGroup, at the end, with what kept single runs from being repaired; the others are.
    """
    now = now or timezone.now()
    repairs = [*_expired_leases(now), *_due_timers(now), *_late_requests(now)]
    broken = [error for repair in repairs if (error := _try(repair))]
    found = len(repairs) + _ring_for_ready(now)
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
    rows = expired.order_by("lease_until").values_list("pk", "step__run")[:AT_ONCE]
    return [partial(_recover, attempt, run, now) for attempt, run in rows]


def _recover(attempt: UUID, run: UUID, now: datetime) -> None:
    with transaction.atomic(durable=True):
        change = Change(lock_run(run), now, SYSTEM)
        row = Attempt.objects.select_related("step").get(pk=attempt)
        if row.status != AttemptStatus.RUNNING:
            return
        lose(change, row, DEAD)
        advance(change)
        change.finish()


def _due_timers(now: datetime) -> list[Repair]:
    rows = _timers(now).order_by("due_at").values_list("pk", "run")[:AT_ONCE]
    return [partial(_fire, step, run, now) for step, run in rows]


def _timers(now: datetime) -> QuerySet[Step]:
    """The steps whose time has come. Never a gate, whatever its deadline."""
    return Step.objects.filter(
        status=StepStatus.WAITING, due_at__lte=now, wait_reason__in=[WaitReason.TIME, *AGAIN_READY]
    )


def _fire(step: UUID, run: UUID, now: datetime) -> None:
    """A timer succeeds; anything else is ready again."""
    with transaction.atomic(durable=True):
        change = Change(lock_run(run), now, SYSTEM)
        row = _timers(now).filter(pk=step).first()
        if row is None:
            return
        if row.wait_reason in AGAIN_READY:
            move_step(row, StepStatus.READY, now=now)
            change.ready += 1
        else:
            move_step(row, StepStatus.SUCCEEDED, now=now)
            change.note_step(Verb.STEP_SUCCEEDED, row)
        advance(change)
        change.finish()


def _late_requests(now: datetime) -> list[Repair]:
    due = ApprovalRequest.objects.filter(status=RequestStatus.OPEN, due_at__lte=now)
    rows = due.order_by("due_at").values_list("pk", flat=True)[:AT_ONCE]
    return [partial(approvals.expire, request, now=now) for request in rows]


def _ring_for_ready(now: datetime) -> int:
    """Steps that have been ready for longer than a bell takes: somebody has to hear of them again."""
    unheard = Step.objects.filter(status=StepStatus.READY, changed_at__lte=now - UNHEARD)
    runs = list(unheard.order_by("changed_at").values_list("run", flat=True)[:AT_ONCE])
    for run in dict.fromkeys(runs):
        bell.send(bell.DRIVE, str(run))
    return len(runs)
