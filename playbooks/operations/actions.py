"""What a `do` step would send: the action, the connection, the resolved parameters, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from playbooks.connectors.registry import catalogue
from playbooks.domain.actions import Action, Catalogue, Irreversible, NothingToUndo, Undo
from playbooks.domain.expressions import ExpressionError, render
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
    """An action ready to run. `connection` is None only where the step's connector needs none."""

    action: Action
    connection: Connection
    parameters: Mapping[str, object]
    is_simulated: bool


def connection_named(name: str) -> Connection:
    """Raises ExpressionError, the error of what cannot be resolved, when there is no such connection."""
    connection = Connection.objects.filter(name=name).first()
    if connection is None:
        raise ExpressionError(f"There is no connection named {name}. An administrator has to configure it.")
    return connection


def connection_name(step: DocumentStep) -> str:
    """The connection that a step names, else the one that bears the connector's own name."""
    return step.using or actions()[step.do].connector


def resolve(run: Run, step: DocumentStep, scope: Mapping[str, object]) -> Call:
    """The call of a `do` step. Raises ExpressionError with a sentence when something cannot be resolved."""
    connection = connection_named(connection_name(step))
    action = actions()[step.do]
    if connection.connector != action.connector:
        raise ExpressionError(
            f"The connection {connection.name} is of {connection.connector}, not {action.connector}."
        )
    parameters = render(step.with_, scope)
    return Call(
        action=action,
        connection=connection,
        parameters=dict(parameters) if isinstance(parameters, Mapping) else {},
        is_simulated=run.simulates_all or connection.is_simulated,
    )


def uses_simulator(definition: Definition) -> bool:
    """Whether a connection of the playbook is a simulator: its runs then say so everywhere."""
    names = {connection_name(step) for step in definition.steps.values() if step.do}
    return Connection.objects.filter(name__in=names, is_simulated=True).exists()


def covered(call: Call, step: DocumentStep) -> Covered:
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
        undo=undo_sentence(call.action, step),
    )


def undo_sentence(action: Action, step: DocumentStep) -> str:
    """The inverse action's key, or why there is none."""
    if step.undo is not None:
        return step.undo.do or f"Not undone: {step.undo.none}"
    match action.undo:
        case Undo(action=key):
            return key
        case Irreversible(sentence=sentence):
            return sentence
        case NothingToUndo():
            return "Nothing to undo."
