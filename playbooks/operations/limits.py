"""How much a connection is used: steps at once, calls in a while, targets that are changed in a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from playbooks.domain.actions import Effect
from playbooks.domain.statuses import AttemptStatus, StepStatus, WaitReason
from playbooks.models import Attempt, Connection, Step
from playbooks.operations.actions import Call

IN_USE = (AttemptStatus.RUNNING, AttemptStatus.PENDING)
LOOK_AGAIN = timedelta(seconds=30)
GRAVE = frozenset({Effect.CHANGE, Effect.DESTROY})


def reason_to_wait(connection: Connection | None, now: datetime) -> tuple[WaitReason, datetime] | None:
    """Why a step may not use the connection now, and when to look again; None when it may.

    Locks the connection, so that two workers never take its last slot both.
    """
    if connection is None or (connection.most_at_once is None and connection.most_calls is None):
        return None
    Connection.objects.select_for_update().get(pk=connection.pk)
    used = Attempt.objects.filter(connection=connection)
    if (
        connection.most_at_once is not None
        and used.filter(status__in=IN_USE).count() >= connection.most_at_once
    ):
        return WaitReason.SLOT, now + LOOK_AGAIN
    if connection.most_calls is not None:
        since = now - timedelta(seconds=connection.calls_seconds)
        calls = used.filter(started_at__gt=since).order_by("-started_at")
        counting = list(calls.values_list("started_at", flat=True)[: connection.most_calls])
        if len(counting) >= connection.most_calls:
            return WaitReason.RATE, counting[-1] + timedelta(seconds=connection.calls_seconds)
    return None


def next_in_line(connection: Connection) -> Step | None:
    """The step that has waited longest for a slot of the connection."""
    waiting = Step.objects.filter(
        wait_reason=WaitReason.SLOT, connection=connection, status=StepStatus.WAITING
    )
    return waiting.order_by("changed_at").first()


def is_beyond_blast_radius(step: Step, call: Call, now: datetime) -> bool:
    """Whether the call would change more different targets than its connection may have changed in its window, over
    all runs. A simulation changes nothing.
    """
    connection = call.connection
    if (
        connection is None
        or connection.most_targets is None
        or call.is_simulated
        or call.action.effect not in GRAVE
    ):
        return False
    since = now - timedelta(seconds=connection.targets_seconds)
    used = Attempt.objects.filter(connection=connection, started_at__gt=since, is_simulated=False)
    others = used.filter(step__effect__in=GRAVE, step__undoes__isnull=True).exclude(step=step)
    targets = set(others.values_list("target", flat=True))
    return call.target not in targets and len(targets) >= connection.most_targets
