"""The statuses and which may follow which. Data only: operations/moves.py is the only user of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"


class StepStatus(StrEnum):
    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class AttemptStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PENDING = "pending"  # a job at the far side goes on; it is asked about again
    LOST = "lost"  # the lease ran out before an answer came


class TurnStatus(StrEnum):
    """One turn of an `each` or a `repeat`."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class QuestionStatus(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class ExpiryStatus(StrEnum):
    """A change that is to be taken back at its time."""

    ACTIVE = "active"
    UNDOING = "undoing"  # a run takes it back
    RELEASED = "released"  # its time came, and somebody else holds the same target still
    ENDED = "ended"  # it was taken back, by its time or by a rollback
    KEPT = "kept"  # people have countersigned it, so it is not taken back


class NoticeStatus(StrEnum):
    """A message that is to go out."""

    QUEUED = "queued"
    SENT = "sent"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"  # nobody wanted it any more when it would have gone out


class RequestStatus(StrEnum):
    OPEN = "open"
    GRANTED = "granted"
    PASSED = "passed"  # by break-glass: nobody approved
    DENIED = "denied"
    EXPIRED = "expired"
    VOIDED = "voided"
    WITHDRAWN = "withdrawn"
    CONSUMED = "consumed"


class WaitReason(StrEnum):
    """What a waiting step waits for."""

    APPROVAL = "approval"
    ANSWER = "answer"
    TIME = "time"
    EVENT = "event"
    CHILD = "child"  # a run of another playbook
    TURNS = "turns"  # of its own block
    JOB = "job"  # at the far side
    RETRY = "retry"
    DELAY = "delay"  # time to think, since one person alone has confirmed it
    RECEIPT = "receipt"  # the evidence of its approval in a signed checkpoint
    SLOT = "slot"  # the connection serves as many steps as it may
    RATE = "rate"  # the connection was called as often as it may be
    HOLD = "hold"  # a person holds the playbook, the connection, or everything
    PAUSE = "pause"  # a person pauses the run


class VersionStatus(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"
    RETIRED = "retired"


class AlertStatus(StrEnum):
    NEW = "new"
    TRIAGED = "triaged"
    CLOSED = "closed"


class CaseStatus(StrEnum):
    OPEN = "open"
    CONTAINED = "contained"
    CLOSED = "closed"


class Verdict(StrEnum):
    APPROVE = "approve"
    DENY = "deny"
    CONFIRM = "confirm"  # by one person alone, under the profile solo; never given as such


RUN = RunStatus
STEP = StepStatus
REQUEST = RequestStatus

EXPIRY_OVER = frozenset({ExpiryStatus.ENDED, ExpiryStatus.KEPT})
RUN_ENDED = frozenset({RUN.SUCCEEDED, RUN.FAILED, RUN.CANCELLED, RUN.ROLLED_BACK, RUN.ROLLBACK_FAILED})
STEP_ENDED = frozenset({STEP.SUCCEEDED, STEP.FAILED, STEP.SKIPPED, STEP.CANCELLED})

Table = Mapping[StrEnum, frozenset[StrEnum]]

TRANSITIONS: Mapping[type[StrEnum], Table] = {
    RunStatus: {
        RUN.QUEUED: frozenset(
            {RUN.RUNNING, RUN.WAITING, RUN.SUCCEEDED, RUN.FAILED, RUN.CANCELLING, RUN.CANCELLED}
        ),
        RUN.RUNNING: frozenset(
            {RUN.WAITING, RUN.SUCCEEDED, RUN.FAILED, RUN.CANCELLING, RUN.CANCELLED, RUN.ROLLING_BACK}
        ),
        RUN.WAITING: frozenset(
            {RUN.RUNNING, RUN.SUCCEEDED, RUN.FAILED, RUN.CANCELLING, RUN.CANCELLED, RUN.ROLLING_BACK}
        ),
        RUN.CANCELLING: frozenset({RUN.CANCELLED}),
        RUN.SUCCEEDED: frozenset({RUN.ROLLING_BACK}),
        RUN.FAILED: frozenset({RUN.ROLLING_BACK}),
        RUN.CANCELLED: frozenset({RUN.ROLLING_BACK}),
        RUN.ROLLING_BACK: frozenset({RUN.ROLLED_BACK, RUN.ROLLBACK_FAILED}),
        RUN.ROLLBACK_FAILED: frozenset({RUN.ROLLING_BACK}),
        RUN.ROLLED_BACK: frozenset(),
    },
    StepStatus: {
        STEP.PENDING: frozenset(
            {STEP.READY, STEP.WAITING, STEP.SUCCEEDED, STEP.FAILED, STEP.SKIPPED, STEP.CANCELLED}
        ),
        # A detached run of another playbook has succeeded as soon as it was started.
        STEP.READY: frozenset(
            {STEP.RUNNING, STEP.WAITING, STEP.SUCCEEDED, STEP.FAILED, STEP.UNKNOWN, STEP.CANCELLED}
        ),
        STEP.RUNNING: frozenset(
            {STEP.SUCCEEDED, STEP.FAILED, STEP.READY, STEP.WAITING, STEP.UNKNOWN, STEP.CANCELLED}
        ),
        STEP.WAITING: frozenset({STEP.READY, STEP.SUCCEEDED, STEP.FAILED, STEP.UNKNOWN, STEP.CANCELLED}),
        STEP.UNKNOWN: frozenset({STEP.SUCCEEDED, STEP.FAILED, STEP.READY, STEP.CANCELLED}),
        STEP.SUCCEEDED: frozenset(),
        STEP.FAILED: frozenset(),
        STEP.SKIPPED: frozenset(),
        STEP.CANCELLED: frozenset(),
    },
    AttemptStatus: {
        AttemptStatus.RUNNING: frozenset(
            {AttemptStatus.SUCCEEDED, AttemptStatus.FAILED, AttemptStatus.PENDING, AttemptStatus.LOST}
        ),
        AttemptStatus.PENDING: frozenset({AttemptStatus.RUNNING}),
        AttemptStatus.LOST: frozenset({AttemptStatus.SUCCEEDED, AttemptStatus.FAILED}),
        AttemptStatus.SUCCEEDED: frozenset(),
        AttemptStatus.FAILED: frozenset(),
    },
    TurnStatus: {
        TurnStatus.PENDING: frozenset({TurnStatus.RUNNING, TurnStatus.CANCELLED}),
        TurnStatus.RUNNING: frozenset({TurnStatus.SUCCEEDED, TurnStatus.FAILED, TurnStatus.CANCELLED}),
        TurnStatus.SUCCEEDED: frozenset(),
        TurnStatus.FAILED: frozenset(),
        TurnStatus.CANCELLED: frozenset(),
    },
    QuestionStatus: {
        QuestionStatus.OPEN: frozenset(
            {QuestionStatus.ANSWERED, QuestionStatus.EXPIRED, QuestionStatus.WITHDRAWN}
        ),
        QuestionStatus.ANSWERED: frozenset(),
        QuestionStatus.EXPIRED: frozenset(),
        QuestionStatus.WITHDRAWN: frozenset(),
    },
    ExpiryStatus: {
        ExpiryStatus.ACTIVE: frozenset(
            {ExpiryStatus.UNDOING, ExpiryStatus.RELEASED, ExpiryStatus.ENDED, ExpiryStatus.KEPT}
        ),
        ExpiryStatus.KEPT: frozenset(),
        # What could not be taken back is tried again later.
        ExpiryStatus.UNDOING: frozenset({ExpiryStatus.ACTIVE, ExpiryStatus.ENDED}),
        ExpiryStatus.RELEASED: frozenset({ExpiryStatus.ENDED}),
        ExpiryStatus.ENDED: frozenset(),
    },
    NoticeStatus: {
        NoticeStatus.QUEUED: frozenset({NoticeStatus.SENT, NoticeStatus.GIVEN_UP, NoticeStatus.DROPPED}),
        NoticeStatus.SENT: frozenset(),
        NoticeStatus.GIVEN_UP: frozenset(),
        NoticeStatus.DROPPED: frozenset(),
    },
    RequestStatus: {
        REQUEST.OPEN: frozenset(
            {
                *(REQUEST.GRANTED, REQUEST.PASSED, REQUEST.DENIED),
                *(REQUEST.EXPIRED, REQUEST.VOIDED, REQUEST.WITHDRAWN),
            }
        ),
        REQUEST.GRANTED: frozenset({REQUEST.CONSUMED, REQUEST.VOIDED}),
        # What was passed is never called consumed: that would read as if it had been approved.
        REQUEST.PASSED: frozenset({REQUEST.VOIDED}),
        REQUEST.CONSUMED: frozenset({REQUEST.VOIDED}),
        REQUEST.DENIED: frozenset(),
        REQUEST.EXPIRED: frozenset(),
        REQUEST.VOIDED: frozenset(),
        REQUEST.WITHDRAWN: frozenset(),
    },
    VersionStatus: {
        VersionStatus.DRAFT: frozenset({VersionStatus.IN_REVIEW}),
        VersionStatus.IN_REVIEW: frozenset({VersionStatus.DRAFT, VersionStatus.PUBLISHED}),
        VersionStatus.PUBLISHED: frozenset({VersionStatus.RETIRED}),
        VersionStatus.RETIRED: frozenset(),
    },
    AlertStatus: {
        AlertStatus.NEW: frozenset({AlertStatus.TRIAGED, AlertStatus.CLOSED}),
        AlertStatus.TRIAGED: frozenset({AlertStatus.CLOSED}),
        AlertStatus.CLOSED: frozenset(),
    },
    CaseStatus: {
        CaseStatus.OPEN: frozenset({CaseStatus.CONTAINED, CaseStatus.CLOSED}),
        CaseStatus.CONTAINED: frozenset({CaseStatus.OPEN, CaseStatus.CLOSED}),
        CaseStatus.CLOSED: frozenset({CaseStatus.OPEN}),
    },
}


def may_follow(old: StrEnum, new: StrEnum) -> bool:
    """Whether the table allows old -> new."""
    return new in TRANSITIONS[type(old)][old]
