"""The only writer of any status.

`move` looks the transition up in the table and updates by compare-and-set, so that the loser of a race learns that
it lost. The claim and settle statements are here too, since they move a step and its attempt together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from django.db.models import Model

from playbooks.domain.statuses import (
    AlertStatus,
    AttemptStatus,
    CaseStatus,
    ExpiryStatus,
    NoticeStatus,
    QuestionStatus,
    RequestStatus,
    RunStatus,
    StepStatus,
    TurnStatus,
    VersionStatus,
    WaitReason,
    may_follow,
)
from playbooks.models import (
    Alert,
    ApprovalRequest,
    Attempt,
    Case,
    Expiry,
    Notice,
    PlaybookVersion,
    PolicyVersion,
    Question,
    Run,
    Step,
    Turn,
)
from playbooks.operations.refusals import LostRace
from playbooks.operations.statements import AT_ONCE, Insert, Update, Write, write

Row = TypeVar("Row", bound=Model)

STATUSES: Mapping[type[Model], type[StrEnum]] = {
    Run: RunStatus,
    Step: StepStatus,
    Attempt: AttemptStatus,
    ApprovalRequest: RequestStatus,
    PlaybookVersion: VersionStatus,
    PolicyVersion: VersionStatus,
    Alert: AlertStatus,
    Case: CaseStatus,
    Turn: TurnStatus,
    Question: QuestionStatus,
    Expiry: ExpiryStatus,
    Notice: NoticeStatus,
}


class ForbiddenMove(Exception):
    """A defect: the code asked for a transition that the table does not have."""


def move(row: Row, status: StrEnum, **columns: Any) -> Row:
    """Moves `row` to `status` and sets `columns`, in the caller's transaction.

    Raises ForbiddenMove when the table has no such transition, and LostRace when the row in the database is not
    in the status that `row` was read with.
    """
    _write([_update([row], status, columns)])
    return _moved(row, status, columns)


def move_many(rows: Iterable[Row], status: StrEnum, **columns: Any) -> None:
    """`move` for any number of rows of one table, which may be in different statuses, all to the same."""
    by_status: dict[str, list[Row]] = {}
    for row in rows:
        by_status.setdefault(row.status, []).append(row)  # type: ignore[attr-defined]
    groups = [some for same in by_status.values() for some in _some(same)]
    if groups:
        _write([_update(some, status, columns) for some in groups])
    for row in (row for some in groups for row in some):
        _moved(row, status, columns)


def move_step(step: Step, status: StepStatus, *, now: datetime, **columns: Any) -> Step:
    """`move` for a step, which also knows since when it is so and, when it does not wait, for nothing."""
    return move(step, status, **_of_step(status, now, columns))


def move_steps(steps: Iterable[Step], status: StepStatus, *, now: datetime, **columns: Any) -> None:
    """`move_many` for steps."""
    move_many(steps, status, **_of_step(status, now, columns))


def wait(
    step: Step,
    reason: WaitReason,
    *,
    now: datetime,
    due_at: datetime | None,
    sentence: str = "",
    **columns: Any,
) -> Step:
    return move_step(
        step,
        StepStatus.WAITING,
        now=now,
        wait_reason=reason.value,
        due_at=due_at,
        sentence=sentence,
        **columns,
    )


def foresee_ready(step: Step, *, now: datetime) -> None:
    """pending -> ready, in memory: `write_foreseen`, or the claim of the step, writes it in this transaction."""
    _check(step, StepStatus(step.status), StepStatus.READY)
    _moved(step, StepStatus.READY, _of_step(StepStatus.READY, now, {}))


def recall(step: Step) -> None:
    """A step whose readiness was foreseen is what the database says again."""
    step.status = StepStatus.PENDING.value


def write_foreseen(steps: Iterable[Step], *, now: datetime) -> None:
    foreseen = list(steps)
    for step in foreseen:
        recall(step)
    move_steps(foreseen, StepStatus.READY, now=now)


def claim(step: Step, attempt: Attempt, *, now: datetime) -> Attempt:
    """-> running, with the attempt that records the intent. The unique constraints fence rivals.

    A step that became ready in this very transaction may still be pending in the database, and say so: it passes
    through ready here, in the same statement.
    """
    columns = _of_step(StepStatus.RUNNING, now, {"attempt_count": attempt.number, "sentence": ""})
    old = StepStatus(step.status)
    _check(step, old, StepStatus.READY if old is StepStatus.PENDING else StepStatus.RUNNING)
    update = Update(Step, [step.pk], old.value, {"status": StepStatus.RUNNING.value, **columns})
    _write([update, Insert([attempt])])
    _moved(step, StepStatus.RUNNING, columns)
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


def settle_with_step(
    attempt: Attempt, step: Step, outputs: Mapping[str, object], *, now: datetime, **columns: Any
) -> None:
    """The success of an attempt and of its step, with the step's `columns`, together."""
    ended = {"ended_at": now, "outputs": outputs, "sentence": ""}
    done = _of_step(StepStatus.SUCCEEDED, now, {"outputs": outputs, "is_stopping": False, **columns})
    _write([_update([attempt], AttemptStatus.SUCCEEDED, ended), _update([step], StepStatus.SUCCEEDED, done)])
    _moved(attempt, AttemptStatus.SUCCEEDED, ended)
    _moved(step, StepStatus.SUCCEEDED, done)


def _of_step(status: StepStatus, now: datetime, columns: Mapping[str, Any]) -> dict[str, Any]:
    waits = {} if status is StepStatus.WAITING else {"wait_reason": "", "due_at": None}
    return {"changed_at": now, **waits, **columns}


def _check(row: Model, old: StrEnum, status: StrEnum) -> None:
    if not may_follow(old, status):
        raise ForbiddenMove(f"{type(row).__name__} {row.pk}: {old} -> {status}")


def _update(rows: Sequence[Model], status: StrEnum, columns: Mapping[str, Any]) -> Update:
    """The move of rows that are all in one status."""
    old = STATUSES[type(rows[0])](rows[0].status)  # type: ignore[attr-defined]
    _check(rows[0], old, status)
    keys = [row.pk for row in rows]
    return Update(type(rows[0]), keys, old.value, {"status": status.value, **columns})


def _write(writes: Sequence[Write]) -> None:
    """Raises LostRace when a row is not in the status that it was read with."""
    for each, changed in zip(writes, write(*writes), strict=True):
        if isinstance(each, Update) and changed != len(each.keys):
            keys = ", ".join(map(str, each.keys[:3]))
            raise LostRace(f"{each.model.__name__} {keys} is no longer {each.old}.")


def _moved(row: Row, status: StrEnum, columns: Mapping[str, Any]) -> Row:
    for name, value in {"status": status.value, **columns}.items():
        setattr(row, name, value)
    return row


def _some(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    """As many at once as a statement takes."""
    return (rows[begin : begin + AT_ONCE] for begin in range(0, len(rows), AT_ONCE))
