"""What a step is about to do, resolved afresh when it is claimed."""

from __future__ import annotations

from playbooks.models import Run, Step
from playbooks.operations.actions import Call, resolve
from playbooks.operations.definitions import definition_of
from playbooks.operations.rounds import Frame
from playbooks.operations.undo_calls import undo_call


def intent_of(run: Run, frame: Frame, step: Step, now: str) -> Call:
    """What would be sent, resolved at the same frozen moment that the approval showed. Raises ExpressionError."""
    if step.undoes is not None:
        return undo_call(run, step.undoes)
    return resolve(run, definition_of(run.version_id).steps[step.name], frame.scope(now))
