"""Sweep: finds what a lost bell, a dead worker or the clock left behind. It performs no step.

Any number of sweeps may run at once: each repair locks its run and looks again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
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
DEAD = "The worker did not answer within its lease."


def sweep(*, now: datetime | None = None) -> int:
    """One round. Returns how many rows it found; 0 means that nothing was left behind."""
    now = now or timezone.now()
    found = _recover_leases(now) + _fire_timers(now) + _expire_requests(now) + _ring_for_ready(now)
    Heartbeat.objects.update_or_create(part="sweep", defaults={"beat_at": now})
    return found


def _recover_leases(now: datetime) -> int:
    expired = Attempt.objects.filter(status=AttemptStatus.RUNNING, lease_until__lte=now)
    rows = list(expired.order_by("lease_until").values_list("pk", "step__run")[:AT_ONCE])
    for attempt, run in rows:
        _recover(attempt, run, now)
    return len(rows)


def _recover(attempt: UUID, run: UUID, now: datetime) -> None:
    with transaction.atomic(durable=True):
        change = Change(lock_run(run), now, SYSTEM)
        row = Attempt.objects.select_related("step").get(pk=attempt)
        if row.status != AttemptStatus.RUNNING:
            return
        lose(change, row, DEAD)
        advance(change)
        change.finish()


def _fire_timers(now: datetime) -> int:
    rows = list(_timers(now).order_by("due_at").values_list("pk", "run")[:AT_ONCE])
    for step, run in rows:
        _fire(step, run, now)
    return len(rows)


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


def _expire_requests(now: datetime) -> int:
    due = ApprovalRequest.objects.filter(status=RequestStatus.OPEN, due_at__lte=now)
    rows = list(due.order_by("due_at").values_list("pk", flat=True)[:AT_ONCE])
    for request in rows:
        approvals.expire(request, now=now)
    return len(rows)


def _ring_for_ready(now: datetime) -> int:
    """Steps that have been ready for longer than a bell takes: somebody has to hear of them again."""
    unheard = Step.objects.filter(status=StepStatus.READY, changed_at__lte=now - UNHEARD)
    runs = list(unheard.order_by("changed_at").values_list("run", flat=True)[:AT_ONCE])
    for run in dict.fromkeys(runs):
        bell.send(bell.DRIVE, str(run))
    return len(runs)
