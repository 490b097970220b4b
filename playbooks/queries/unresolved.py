"""Steps of which nobody knows whether they happened: work for people who can look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from playbooks import access
from playbooks.domain.statuses import StepStatus
from playbooks.models import Principal, Run, Step

AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Unresolved:
    run: UUID
    step: str
    playbook: str
    sentence: str
    since: datetime


def unresolved(person: Principal) -> tuple[Unresolved, ...]:
    """What the person may resolve, the oldest first."""
    if not access.may(person, "resolve_step"):
        return ()
    runs = access.visible(person, "see_run", Run.objects.all())
    steps = Step.objects.filter(status=StepStatus.UNKNOWN, run__in=runs)
    rows = steps.select_related("run__version__playbook").order_by("changed_at")[:AT_ONCE]
    return tuple(_view(each) for each in rows)


def _view(step: Step) -> Unresolved:
    return Unresolved(step.run_id, step.key, str(step.run.version.playbook), step.sentence, step.changed_at)
