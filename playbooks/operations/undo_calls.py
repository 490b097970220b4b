"""The call that takes a step back, resolved afresh."""

from __future__ import annotations

from playbooks.domain.expressions import ExpressionError
from playbooks.domain.rollback import UndoCall
from playbooks.domain.subject import Covered
from playbooks.models import Run, Step
from playbooks.operations import holders
from playbooks.operations.actions import Call, actions, connection_for
from playbooks.operations.rollbacks import undo_of
from playbooks.operations.rounds import steps_of_round

SWITCHED = (
    "The connection {connection} was switched between simulated and real since {step} ran, so {step} cannot be undone "
    "through it. Switch it back and roll back again, or undo it by hand."
)
TAKES_BACK = "This takes back what {step} did."


def undo_call(run: Run, original: Step) -> Call:
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


def covered_ran(step: Step) -> Covered:
    """What the step did, as those are shown it who may countersign it."""
    attempt = step.attempts.select_related("connection").order_by("-number")[0]
    connection = attempt.connection
    undo = undo_of(step.run, steps_of_round(step.run, 0), step, attempt)
    return Covered(
        step=step.key,
        action=step.action,
        effect=step.effect,
        connection_id=str(connection.pk) if connection else "",
        connection=connection.name if connection else "",
        connection_revision=attempt.connection_revision,
        parameters=attempt.parameters,
        target=attempt.target,
        is_simulated=attempt.is_simulated,
        undo=_as_shown(undo),
    )


def _as_shown(undo: UndoCall | str) -> dict[str, object] | str:
    """As an approval shows the call that would take an action back, or why there is none."""
    if isinstance(undo, str):
        return undo
    action = actions()[undo.action]
    try:
        connection = connection_for(action, undo.connection)
    except ExpressionError as error:
        return f"The undo by {undo.action} is not possible: {error}"
    return {
        "action": undo.action,
        "effect": action.effect.value,
        "connection": {"id": str(connection.pk), "name": connection.name, "revision": connection.revision},
        "parameters": dict(undo.parameters),
    }


def covered_undo(step: Step, original: Step) -> Covered:
    """The undo as an approval shows and binds it, where a policy asks for one. Raises ExpressionError."""
    call = undo_call(step.run, original)
    connection = connection_for(call.action, call.place)
    return Covered(
        step=step.key,
        action=call.action.key,
        effect=call.action.effect.value,
        connection_id=str(connection.pk),
        connection=connection.name,
        connection_revision=connection.revision,
        parameters=call.parameters,
        target=call.target,
        is_simulated=call.is_simulated,
        undo=TAKES_BACK.format(step=original.key),
    )
