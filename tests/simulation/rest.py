"""When a world is at rest: what falls due by itself, and who is asked for the rest."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Min, Q

from playbooks.domain.statuses import (
    RUN_ENDED,
    STEP_ENDED,
    AttemptStatus,
    ExpiryStatus,
    QuestionStatus,
    RequestStatus,
    RunStatus,
    StepStatus,
    WaitReason,
)
from playbooks.models import ApprovalRequest, Attempt, Expiry, Question, Run, Step

# A request and a question may stay open for good, and a child is looked at again and again.
OF_OTHERS = [WaitReason.APPROVAL, WaitReason.ANSWER, WaitReason.CHILD]


def next_moment() -> datetime | None:
    """When the first thing falls due that no person has to do."""
    waiting = Step.objects.filter(status=StepStatus.WAITING).exclude(wait_reason__in=OF_OTHERS)
    # What somebody is taking back already is looked at again and again, until that is over.
    taken_back = Step.objects.filter(undoes__isnull=False).exclude(status__in=STEP_ENDED).values("undoes")
    expiring = Expiry.objects.filter(status=ExpiryStatus.ACTIVE).exclude(step__in=taken_back)
    found = [
        Attempt.objects.filter(status=AttemptStatus.RUNNING).aggregate(at=Min("lease_until"))["at"],
        waiting.aggregate(at=Min("due_at"))["at"],
        Step.objects.filter(status=StepStatus.WAITING).aggregate(at=Min("deadline_at"))["at"],
        Step.objects.filter(status=StepStatus.READY).aggregate(at=Min("changed_at"))["at"],
        expiring.aggregate(at=Min("due_at"))["at"],
        Run.objects.filter(status=RunStatus.QUEUED).aggregate(at=Min("created_at"))["at"],
        ApprovalRequest.objects.filter(status=RequestStatus.OPEN)
        .exclude(late="escalate")
        .aggregate(at=Min("due_at"))["at"],
        Question.objects.filter(status=QuestionStatus.OPEN).aggregate(at=Min("due_at"))["at"],
    ]
    return min((moment for moment in found if moment), default=None)


def left() -> str:
    """The first few steps that have not ended, for whoever looks for the reason."""
    steps = Step.objects.filter(run__in=Run.objects.exclude(status__in=RUN_ENDED)).exclude(
        status__in=STEP_ENDED
    )
    begun = steps.exclude(status=StepStatus.PENDING).select_related("run")[:6]
    return "; ".join(
        f"{step.key} of {step.run_id} ({step.run.status}): {step.status} {step.wait_reason} due {step.due_at} "
        f"deadline {step.deadline_at} stopping {step.is_stopping}"
        for step in begun
    )


def waiting_for_nobody() -> list[str]:
    """What is neither over nor waits for a named person, and who is asked without a reason or a deadline."""
    asking = _asking()
    lost = Run.objects.exclude(status__in=RUN_ENDED).exclude(pk__in=asking)
    forgotten = ApprovalRequest.objects.filter(status=RequestStatus.OPEN, due_at=None).exclude(late="hold")
    silent = Step.objects.filter(
        Q(status=StepStatus.UNKNOWN, sentence="") | Q(status=StepStatus.WAITING, wait_reason="")
    )
    return [
        *(f"{run.pk} is {run.status}, and waits for nobody." for run in lost),
        *(f"The request {request.pk} waits without a deadline." for request in forgotten),
        *(f"{step.key} in {step.run_id} waits without a reason." for step in silent),
    ]


def _asking() -> set[UUID]:
    """The runs that ask somebody: by themselves, or by a run that they have started."""
    found = {
        *ApprovalRequest.objects.filter(status=RequestStatus.OPEN).values_list("run", flat=True),
        *Question.objects.filter(status=QuestionStatus.OPEN).values_list("run", flat=True),
        *Step.objects.filter(status=StepStatus.UNKNOWN).values_list("run", flat=True),
        *Step.objects.filter(wait_reason__in=[WaitReason.HOLD, WaitReason.PAUSE]).values_list(
            "run", flat=True
        ),
        *Run.objects.exclude(paused_at=None).values_list("pk", flat=True),
    }
    while parents := _parents(found) - found:
        found |= parents
    return found


def _parents(found: set[UUID]) -> set[UUID]:
    started = Run.objects.filter(pk__in=found, parent__isnull=False)
    return set(started.values_list("parent__run", flat=True))
