"""What a request is about: the calls behind a gate as far as they are known, or what its step has done already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playbooks.domain.coverage import covered_by
from playbooks.domain.expressions import ExpressionError
from playbooks.domain.future_calls import calls_behind
from playbooks.domain.statuses import StepStatus
from playbooks.domain.subject import Covered
from playbooks.models import Run, Step
from playbooks.operations.actions import actions
from playbooks.operations.calls import covered_call
from playbooks.operations.definitions import definition_of
from playbooks.operations.rounds import NOT_STARTED, Frame
from playbooks.operations.undo_calls import covered_ran, covered_undo


@dataclass(frozen=True, slots=True)
class Composition:
    """What a gate lets run: exactly these calls; these, of which not everything is known yet; and what has begun."""

    covered: Sequence[Covered]
    not_covered: Sequence[str]
    begun: frozenset[str]


def compose(frame: Frame, gate: Step, *, frozen_at: str) -> Composition:
    """Resolves what is still to run behind `gate`, turn by turn. What is not known yet is not covered."""
    if gate.undoes is not None:
        return Composition([covered_undo(gate, gate.undoes)], [], frozenset())
    if has_run(gate):
        return Composition([covered_ran(gate)], [], frozenset())
    run, definition = frame.run, definition_of(frame.run.version_id)
    ids = covered_by(definition.playbook, gate.name, actions()) if gate.kind == "approve" else [gate.name]
    calls = list(calls_behind(definition, frame.path, frame.scope(frozen_at), ids))
    begun = _begun(run, [call.key for call in calls])
    items, unknown = [], []
    for call in calls:
        if call.key in begun or call.key in run.struck:
            continue
        try:
            items.append(covered_call(run, call))
        except ExpressionError:
            unknown.append(call.key)
    return Composition(items, unknown, begun)


def has_run(step: Step) -> bool:
    """Whether people are asked about the step after it, to countersign it."""
    return step.kind != "approve" and step.undoes_id is None and step.status == StepStatus.SUCCEEDED


def _begun(run: Run, keys: Sequence[str]) -> frozenset[str]:
    rows = run.steps.filter(round=0, key__in=keys).exclude(status__in=NOT_STARTED)
    return frozenset(rows.values_list("key", flat=True))
