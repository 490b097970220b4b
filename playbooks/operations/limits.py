"""How much a connection is used: steps at once, calls in a while, targets that are changed in a while.

Who has to wait stands in line: `changed_at` of a step that waits for a connection is its place, and is kept until it
is claimed. Nobody passes those who wait longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Max, Q, QuerySet

from playbooks.domain.actions import Effect
from playbooks.domain.limits import turn_at
from playbooks.domain.statuses import AttemptStatus, StepStatus, WaitReason
from playbooks.models import Attempt, Connection, Step
from playbooks.operations.actions import Call

IN_USE = (AttemptStatus.RUNNING, AttemptStatus.PENDING)
IN_LINE = frozenset({WaitReason.SLOT, WaitReason.RATE})
LOOK_AGAIN = timedelta(seconds=30)
SHOWN = 200  # characters of a target that an attempt keeps
GRAVE = frozenset({Effect.CHANGE, Effect.DESTROY})


def reason_to_wait(
    step: Step, connection: Connection | None, now: datetime
) -> tuple[WaitReason, datetime] | None:
    """Why the step may not use the connection now, and when to look again; None when it may.

    Locks the connection, so that two workers never take its last slot both.
    """
    if connection is None or (connection.most_at_once is None and connection.most_calls is None):
        return None
    connection = Connection.objects.select_for_update().get(pk=connection.pk)
    ahead = _ahead(step, connection).count()
    if connection.most_at_once is not None and _in_use(connection) + ahead >= connection.most_at_once:
        return WaitReason.SLOT, now + LOOK_AGAIN
    if connection.most_calls is not None:
        at = _call_at(connection, connection.most_calls, ahead, now)
        if at > now:
            return WaitReason.RATE, at
    return None


def place_in_line(step: Step) -> Mapping[str, datetime]:
    """The columns that keep the place of a step which waits for a connection, while it is asked again."""
    return {"changed_at": step.changed_at} if step.wait_reason in IN_LINE else {}


def place(step: Step) -> tuple[datetime, UUID]:
    """Where a step that waits for a connection stands in the line."""
    return step.changed_at, step.pk


def next_in_line(connection: Connection) -> Step | None:
    """The step that has waited longest for a slot of the connection."""
    return _waiting_for_slot().filter(connection=connection).order_by("changed_at", "pk").first()


def whose_turn() -> list[Step]:
    """The steps that wait for a slot and may have one: as many of each connection as it has free."""
    found: list[Step] = []
    waited_for = Connection.objects.filter(pk__in=_waiting_for_slot().values("connection"))
    for connection in waited_for:
        line = _waiting_for_slot().filter(connection=connection).order_by("changed_at", "pk")
        if connection.most_at_once is None:
            found.extend(line[:500])
            continue
        called = Step.objects.filter(connection=connection, status=StepStatus.READY).count()
        found.extend(line[: max(connection.most_at_once - _in_use(connection) - called, 0)])
    return found


def is_beyond_blast_radius(step: Step, call: Call, now: datetime) -> bool:
    """Whether the call would change more different targets than its connection may have changed in its window, over
    all runs. A simulation changes nothing, and taking something back is never beyond it.

    Locks the connection, so that two workers never change its last target both.
    """
    connection = call.connection
    if (
        connection is None
        or connection.most_targets is None
        or step.undoes_id is not None
        or call.is_simulated
        or call.action.effect not in GRAVE
    ):
        return False
    Connection.objects.select_for_update().get(pk=connection.pk)
    since = now - timedelta(seconds=connection.targets_seconds)
    used = Attempt.objects.filter(connection=connection, started_at__gt=since, is_simulated=False)
    others = used.filter(step__effect__in=GRAVE, step__undoes__isnull=True).exclude(step=step)
    changed = dict(others.values_list("target").annotate(breadth=Max("breadth")))
    return is_beyond(call, changed, connection.most_targets)


def is_beyond(call: Call, changed: Mapping[str, int], most: int) -> bool:
    """Whether the call goes past `most` targets, where so many were `changed` by name."""
    return call.target[:SHOWN] not in changed and sum(changed.values()) + call.breadth > most


def _in_use(connection: Connection) -> int:
    return Attempt.objects.filter(connection=connection, status__in=IN_USE).count()


def _waiting_for_slot() -> QuerySet[Step]:
    return Step.objects.filter(
        wait_reason=WaitReason.SLOT, connection__isnull=False, status=StepStatus.WAITING
    )


def _ahead(step: Step, connection: Connection) -> QuerySet[Step]:
    """Those who have waited for the connection for longer, also when they were just called."""
    waits = Q(status=StepStatus.WAITING, wait_reason__in=IN_LINE) | Q(status=StepStatus.READY)
    before = Q(changed_at__lt=step.changed_at) | Q(changed_at=step.changed_at, pk__lt=step.pk)
    return Step.objects.filter(waits, before, connection=connection).exclude(pk=step.pk)


def _call_at(connection: Connection, most: int, ahead: int, now: datetime) -> datetime:
    window = timedelta(seconds=connection.calls_seconds)
    used = Attempt.objects.filter(connection=connection, started_at__gt=now - window)
    calls = used.order_by("-started_at").values_list("started_at", flat=True)[:most]
    return turn_at(list(calls), ahead=ahead, most=most, window=window, now=now)
