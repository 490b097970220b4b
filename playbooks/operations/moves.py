"""The only writer of any status.

`move` looks the transition up in the table and updates by compare-and-set, so that the loser of a race learns that
it lost. The claim and settle statements are here too, since they move a step and its attempt together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from django.db.models import Model

from playbooks.domain.statuses import (
    AlertStatus,
    AttemptStatus,
    CaseStatus,
    RequestStatus,
    RunStatus,
    StepStatus,
    VersionStatus,
    WaitReason,
    may_follow,
)
from playbooks.models import Alert, ApprovalRequest, Attempt, Case, PlaybookVersion, Run, Step
from playbooks.operations.refusals import LostRace

Row = TypeVar("Row", bound=Model)

STATUSES: Mapping[type[Model], type[StrEnum]] = {
    Run: RunStatus,
    Step: StepStatus,
    Attempt: AttemptStatus,
    ApprovalRequest: RequestStatus,
    PlaybookVersion: VersionStatus,
    Alert: AlertStatus,
    Case: CaseStatus,
}


class ForbiddenMove(Exception):
    """A defect: the code asked for a transition that the table does not have."""


def move(row: Row, status: StrEnum, **columns: Any) -> Row:
    """Moves `row` to `status` and sets `columns`, in the caller's transaction.

    Raises ForbiddenMove when the table has no such transition, and LostRace when the row in the database is not
    in the status that `row` was read with.
    """
    old = STATUSES[type(row)](row.status)  # type: ignore[attr-defined]
    if not may_follow(old, status):
        raise ForbiddenMove(f"{type(row).__name__} {row.pk}: {old} -> {status}")
    changed = {"status": status.value, **columns}
    updated = type(row)._default_manager.filter(pk=row.pk, status=old.value).update(**changed)
    if updated != 1:
        raise LostRace(f"{type(row).__name__} {row.pk} is no longer {old}.")
    for name, value in changed.items():
        setattr(row, name, value)
    return row


def move_step(step: Step, status: StepStatus, *, now: datetime, **columns: Any) -> Step:
    """`move` for a step, which also knows since when it is so and, when it does not wait, for nothing."""
    waits = {} if status is StepStatus.WAITING else {"wait_reason": "", "due_at": None}
    return move(step, status, changed_at=now, **{**waits, **columns})


def wait(
    step: Step, reason: WaitReason, *, now: datetime, due_at: datetime | None, sentence: str = ""
) -> Step:
    return move_step(
        step, StepStatus.WAITING, now=now, wait_reason=reason.value, due_at=due_at, sentence=sentence
    )


def claim(step: Step, attempt: Attempt, *, now: datetime) -> Attempt:
    """ready -> running, with the attempt that records the intent. The unique constraints fence rivals."""
    move_step(step, StepStatus.RUNNING, now=now, attempt_count=attempt.number, sentence="")
    attempt.save(force_insert=True)
    return attempt


def settle(
    attempt: Attempt,
    status: AttemptStatus,
    *,
    now: datetime,
    outputs: Mapping[str, object] | None = None,
    sentence: str = "",
) -> Attempt:
    """Stores the outcome of an attempt, once. A late answer of a lost attempt may still resolve it."""
    return move(attempt, status, ended_at=now, outputs=outputs or {}, sentence=sentence)
