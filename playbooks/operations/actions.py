"""What a `do` step would send: the action, the connection, the resolved parameters, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from playbooks.connectors.registry import catalogue
from playbooks.domain.actions import Action, Catalogue, Irreversible, NothingToUndo, Undo
from playbooks.domain.expressions import GREATEST, ExpressionError, render
from playbooks.domain.playbook import Step as DocumentStep
from playbooks.domain.subject import Covered
from playbooks.models import Connection, Run
from playbooks.operations.definitions import Definition


@lru_cache(maxsize=1)
def actions() -> Catalogue:
    """The catalogue of every registered action."""
    return catalogue()


@dataclass(frozen=True, slots=True)
class Call:
    """An action ready to run."""

    action: Action
    connection: Connection
    parameters: Mapping[str, object]
    is_simulated: bool


def connection_for(action: Action, name: str) -> Connection:
    """Raises ExpressionError, the error of what cannot be resolved, when there is no such connection or it is of
    another connector than the action.
    """
    connection = Connection.objects.filter(name=name).first()
    if connection is None:
        raise ExpressionError(f"There is no connection named {name}. An administrator has to configure it.")
    if connection.connector != action.connector:
        raise ExpressionError(f"The connection {name} is of {connection.connector}, not {action.connector}.")
    return connection


def connection_name(step: DocumentStep) -> str:
    """The connection that a step names, else the one that bears the connector's own name."""
    return step.using or actions()[step.do].connector


def resolve(run: Run, step: DocumentStep, scope: Mapping[str, object]) -> Call:
    """The call of a `do` step. Raises ExpressionError with a sentence when something cannot be resolved."""
    action = actions()[step.do]
    connection = connection_for(action, connection_name(step))
    return Call(
        action=action,
        connection=connection,
        parameters=parameters_of(step.with_, scope),
        is_simulated=run.simulates_all or connection.is_simulated,
    )


def parameters_of(values: Mapping[str, object], scope: Mapping[str, object]) -> dict[str, object]:
    """`values` filled in. Raises ExpressionError.

    Whole numbers are whole, as RFC 8785 writes them: what is approved as 24 is never sent as 24.0.
    """
    return {name: _as_written(render(value, scope)) for name, value in values.items()}


def _as_written(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _as_written(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_written(each) for each in value]
    if not isinstance(value, float) or not value.is_integer():
        return value
    if abs(value) > GREATEST:
        raise ExpressionError(f"The number {value} is too large to be exact; write it as text.")
    return int(value)


def uses_simulator(definition: Definition) -> bool:
    """Whether a connection of the playbook is a simulator: its runs then say so everywhere."""
    names = {connection_name(step) for step in definition.steps.values() if step.do}
    return Connection.objects.filter(name__in=names, is_simulated=True).exists()


def covered(run: Run, call: Call, step: DocumentStep) -> Covered:
    """The call as an approval shows it and binds it."""
    return Covered(
        step=step.id,
        action=call.action.key,
        effect=call.action.effect.value,
        connection_id=str(call.connection.pk),
        connection=call.connection.name,
        connection_revision=call.connection.revision,
        parameters=call.parameters,
        target=str(call.parameters.get(call.action.target, call.connection.name)),
        is_simulated=call.is_simulated,
        undo=_undo_shown(run, call, step),
    )


def _undo_shown(run: Run, call: Call, step: DocumentStep) -> dict[str, object] | str:
    """The call that would take `call` back, as far as it is known before, or why there is none.

    An undo runs under the approval of what it takes back, so the approval has to show it.
    """
    if step.undo is not None:
        if step.undo.do is None:
            return f"Not undone: {step.undo.none}"
        connection = step.undo.using or connection_name(step)
        return _undo_call(step.undo.do, connection, step.undo.with_, {**run.context, "inputs": run.inputs})
    match call.action.undo:
        case Undo(action=key, parameters=parameters):
            return _undo_call(key, call.connection.name, parameters, {"inputs": call.parameters})
        case Irreversible(sentence=sentence):
            return sentence
        case NothingToUndo():
            return "Nothing to undo."


def _undo_call(
    key: str, connection: str, parameters: Mapping[str, object], scope: Mapping[str, object]
) -> dict[str, object] | str:
    try:
        row = connection_for(actions()[key], connection)
    except ExpressionError as error:
        return f"The undo by {key} is not possible: {error}"
    return {
        "action": key,
        "effect": actions()[key].effect.value,
        "connection": {"id": str(row.pk), "name": row.name, "revision": row.revision},
        "parameters": {name: _known(value, scope) for name, value in parameters.items()},
    }


def _known(value: object, scope: Mapping[str, object]) -> object:
    """The value, or the expression as it is written where it needs what only the action's answer will tell."""
    try:
        return parameters_of({"value": value}, scope)["value"]
    except ExpressionError:
        return value
