"""The steps of a run that are under way, and what expressions see of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from playbooks.domain.planner import State
from playbooks.domain.scope import scope
from playbooks.domain.statuses import RunStatus, StepStatus
from playbooks.models import Run, Step

Steps = Mapping[str, Step]

NOT_STARTED = frozenset({StepStatus.PENDING, StepStatus.READY, StepStatus.WAITING})
IN_ROLLBACK = frozenset({RunStatus.ROLLING_BACK, RunStatus.ROLLED_BACK, RunStatus.ROLLBACK_FAILED})


def current_steps(run: Run) -> dict[str, Step]:
    """The steps by key of the round that is under way: the run's own, or those of its latest rollback."""
    return steps_of_round(run, run.rollbacks if run.status in IN_ROLLBACK else 0)


def steps_of_round(run: Run, number: int) -> dict[str, Step]:
    return {step.key: step for step in run.steps.filter(round=number).order_by("position")}


def states_of(steps: Steps) -> dict[str, State]:
    return {key: State(StepStatus(step.status), step.outputs) for key, step in steps.items()}


def scope_of(run: Run, states: Mapping[str, State], now: str) -> dict[str, object]:
    """What the expressions of the run see when its steps are in `states`."""
    return scope(
        context=run.context,
        inputs=run.inputs,
        run={"id": str(run.pk), "trigger": run.trigger, "simulated": run.is_simulated},
        states=states,
        now=now,
    )


def moment(now: datetime) -> str:
    """`now` as expressions see it: RFC 3339, UTC, whole seconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
