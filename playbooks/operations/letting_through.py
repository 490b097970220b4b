"""What happens when a request lets something run, whichever way it came to."""

from __future__ import annotations

from collections.abc import Sequence

from playbooks.domain.statuses import StepStatus
from playbooks.models import ApprovalRequest
from playbooks.operations import requests
from playbooks.operations.change import Change
from playbooks.operations.moves import move_step
from playbooks.operations.progress import advance


def let_through(change: Change, request: ApprovalRequest, *, approvers: Sequence[str]) -> None:
    """The gate opens, and steps that waited for a renewed request are ready again. `approvers` are names."""
    for step in requests.waiting_for(request):
        if step.pk == request.step_id and step.kind == "approve":
            move_step(step, StepStatus.SUCCEEDED, now=change.now, outputs={"approvers": list(approvers)})
        else:
            move_step(step, StepStatus.READY, now=change.now)
            change.ready += 1
    advance(change, request.step.frame)
