"""How everything that does not move comes to an end: by a time, by a worker, or by a person.

Data only. tests/architecture/test_exits.py proves that there is a way out of every reason to wait and of every status
that is no end, and that what is named here exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from playbooks.domain.statuses import RunStatus, StepStatus, WaitReason


class Standing(StrEnum):
    """Why a step or a run does not move that waits for nothing."""

    QUEUED = "queued"  # a run that no worker has taken up yet
    READY = "ready"  # a step that no worker has taken up yet
    UNKNOWN = "unknown"  # nobody knows whether the step happened
    PAUSED = "paused"  # a person pauses the run
    HELD = "held"  # a person holds the playbook, or everything
    CANCELLING = "cancelling"
    ROLLING_BACK = "rolling_back"


Reason = WaitReason | Standing


@dataclass(frozen=True, slots=True)
class ByTime:
    """`finder` is the function of executor/sweep.py that comes by; it does not depend on anybody."""

    finder: str


@dataclass(frozen=True, slots=True)
class ByPerson:
    """`operation` is module.function of operations/. Whoever has the `permission` may; empty where it takes the role
    that the seat or the question names.
    """

    operation: str
    permission: str


@dataclass(frozen=True, slots=True)
class ByWorker:
    """`operation` is module.function of executor/, done by a worker; the sweep's `finder` sees to it when none does."""

    operation: str
    finder: str


Exit = ByTime | ByPerson | ByWorker

TIMER = ByTime("_due_timers")
CANCEL = ByPerson("stopping.cancel", "stop_run")
RESOLVE = ByPerson("runs.resolve", "resolve_step")
RESUME = ByPerson("stopping.resume", "stop_run")
RELEASE = ByPerson("holds.release", "place_hold")
PERFORM = ByWorker("drive.drive", "_ring_for_ready")
RECOVER = ByTime("_expired_leases")
HELD_BACK = ByTime("_held_back")

EXITS: Mapping[Reason, tuple[Exit, ...]] = {
    WaitReason.APPROVAL: (ByPerson("approvals.decide", ""), ByTime("_late_requests"), CANCEL),
    WaitReason.ANSWER: (ByPerson("answers.answer", ""), ByTime("_late_questions"), CANCEL),
    WaitReason.TIME: (TIMER, CANCEL),
    WaitReason.EVENT: (TIMER, ByTime("_missed_events"), CANCEL),
    WaitReason.CHILD: (TIMER, CANCEL),
    WaitReason.TURNS: (TIMER, CANCEL),
    WaitReason.JOB: (TIMER, CANCEL),
    WaitReason.RETRY: (TIMER, CANCEL),
    WaitReason.RECEIPT: (TIMER, CANCEL),
    WaitReason.DELAY: (TIMER, CANCEL),
    WaitReason.SLOT: (TIMER, CANCEL),
    WaitReason.RATE: (TIMER, CANCEL),
    WaitReason.HOLD: (RELEASE, HELD_BACK, CANCEL),
    WaitReason.PAUSE: (RESUME, CANCEL),
    Standing.QUEUED: (PERFORM, CANCEL),
    Standing.READY: (PERFORM, CANCEL),
    Standing.UNKNOWN: (RESOLVE,),
    Standing.PAUSED: (RESUME, CANCEL),
    Standing.HELD: (RELEASE, CANCEL),
    Standing.CANCELLING: (CANCEL, RECOVER, TIMER),
    Standing.ROLLING_BACK: (PERFORM, RECOVER, TIMER, RESOLVE),
}

# What each status that is no end comes down to. A waiting step has its reason; what is pending or waits as a run has
# others that do not move either, each with an exit of its own.
OF_STEP: Mapping[StepStatus, tuple[Exit, ...]] = {
    StepStatus.PENDING: (PERFORM, CANCEL),
    StepStatus.READY: EXITS[Standing.READY],
    StepStatus.RUNNING: (PERFORM, RECOVER),
    StepStatus.WAITING: (CANCEL,),
    StepStatus.UNKNOWN: EXITS[Standing.UNKNOWN],
}
OF_RUN: Mapping[RunStatus, tuple[Exit, ...]] = {
    RunStatus.QUEUED: EXITS[Standing.QUEUED],
    RunStatus.RUNNING: (PERFORM, RECOVER, CANCEL),
    RunStatus.WAITING: (CANCEL,),
    RunStatus.CANCELLING: EXITS[Standing.CANCELLING],
    RunStatus.ROLLING_BACK: EXITS[Standing.ROLLING_BACK],
}
