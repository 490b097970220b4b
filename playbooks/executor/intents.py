"""What a step is about to do, resolved afresh when it is claimed."""

from __future__ import annotations

from playbooks.domain.expressions import ExpressionError
from playbooks.domain.rollback import UndoCall
from playbooks.models import Run, Step
from playbooks.operations import holders
from playbooks.operations.actions import Call, actions, connection_for, resolve
from playbooks.operations.definitions import definition_of
from playbooks.operations.rollbacks import undo_of
from playbooks.operations.rounds import Frame, steps_of_round

SWITCHED = (
    "The connection {connection} was switched between simulated and real since {step} ran, so {step} cannot be undone "
    "through it. Switch it back and roll back again, or undo it by hand."
)


def intent_of(run: Run, frame: Frame, step: Step, now: str) -> Call:
    """What would be sent, resolved at the same frozen moment that the approval showed. Raises ExpressionError."""
    if step.undoes is not None:
        return _undo_call(run, step.undoes)
    return resolve(run, definition_of(run.version_id).steps[step.name], frame.scope(now))


def _undo_call(run: Run, original: Step) -> Call:
    """Raises ExpressionError where there is no undo, where others have come to hold the same target, or where the
    connection has become a simulator since, or real: what one did the other cannot take back.
    """
    done = original.attempts.order_by("-number")[0]
    undo = undo_of(original.run, steps_of_round(original.run, 0), original, done)
    if not isinstance(undo, UndoCall):
        raise ExpressionError(str(undo))
    if kept := holders.why_kept(original, undo, is_simulated=done.is_simulated):
        raise ExpressionError(kept)
    action = actions()[undo.action]
    connection = connection_for(action, undo.connection)
    is_simulated = run.simulates_all or connection.is_simulated
    if connection.pk == done.connection_id and is_simulated != done.is_simulated:
        raise ExpressionError(SWITCHED.format(connection=connection.name, step=original.key))
    return Call(
        action=action,
        connection=connection,
        parameters=undo.parameters,
        is_simulated=is_simulated,
    )
