"""What a `do` step would send: the action, the connection, the resolved parameters, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from uuid import UUID

from playbooks.connectors.registry import catalogue
from playbooks.domain.actions import Action, Catalogue, Effect, Irreversible, Undo
from playbooks.domain.expressions import GREATEST, ExpressionError, render
from playbooks.domain.playbook import Script
from playbooks.domain.playbook import Step as DocumentStep
from playbooks.domain.subject import Covered
from playbooks.models import Connection, Run
from playbooks.operations.definitions import Definition, definition_of
from playbooks.operations.statements import fetch

SCRIPT = "script.run"


@lru_cache(maxsize=1)
def actions() -> Catalogue:
    """The catalogue of every registered action."""
    return catalogue()


@dataclass(frozen=True, slots=True)
class Call:
    """An action ready to run."""

    action: Action
    connection: Connection | None  # None for what needs none
    parameters: Mapping[str, object]
    is_simulated: bool

    @property
    def target(self) -> str:
        """What is acted on; without a name of its own, what it is sent to."""
        named = self.parameters.get(self.action.target, self.connection or self.action.connector)
        return ", ".join(map(str, named)) if isinstance(named, list) else str(named)

    @property
    def breadth(self) -> int:
        return breadth_of(self.action, self.parameters)

    @property
    def place(self) -> str:
        """The name of the connection, empty for what needs none."""
        return self.connection.name if self.connection else ""


def breadth_of(action: Action, parameters: Mapping[str, object]) -> int:
    """How many targets the action changes: over a list it is as many as the list has."""
    named = parameters.get(action.target)
    return max(len(named), 1) if isinstance(named, list) else 1


def connection_for(action: Action, name: str) -> Connection:
    """Raises ExpressionError, the error of what cannot be resolved, when there is no such connection or it is of
    another connector than the action.
    """
    connection = next(iter(fetch(Connection, "name = %s", [name])), None)
    if connection is None:
        raise ExpressionError(f"There is no connection named {name}. An administrator has to configure it.")
    if connection.connector != action.connector:
        raise ExpressionError(f"The connection {name} is of {connection.connector}, not {action.connector}.")
    return connection


def connection_name(step: DocumentStep) -> str:
    """The connection that a step names, else the one that bears the connector's own name."""
    return step.using or actions()[step.do].connector


Find = Callable[[Action, str], Connection]  # connection_for, or what remembers its answers


def resolve(
    run: Run, step: DocumentStep, scope: Mapping[str, object], *, find: Find = connection_for
) -> Call:
    """The call of a `do` step or a script. Raises ExpressionError with a sentence when something cannot be resolved."""
    if step.script is not None:
        return _script(run, step.script, parameters_of(step.with_, scope))
    action = actions()[step.do]
    connection = find(action, connection_name(step))
    return Call(
        action=action,
        connection=connection,
        parameters=parameters_of(step.with_, scope),
        is_simulated=run.simulates_all or connection.is_simulated,
    )


def _script(run: Run, script: Script, inputs: Mapping[str, object]) -> Call:
    language, source = ("python", script.python) if script.python else ("shell", script.shell)
    parameters = {"language": language, "source": source, "inputs": dict(inputs)}
    return Call(actions()[SCRIPT], None, parameters, is_simulated=run.simulates_all)


def action_of(step: DocumentStep) -> str:
    """The action that a step performs, empty for a step that performs none."""
    return step.do or (SCRIPT if step.script else "")


def effect_of(definition: Definition, step: DocumentStep) -> str:
    """What a step does to the world: of a playbook that it runs, the gravest that this can do. Empty for a step that
    does nothing outside.
    """
    if step.do:
        return actions()[step.do].effect.value
    if step.run:
        return _gravest_of(pinned(definition, step.run))
    return Effect.READ.value if step.script else ""


def pinned(definition: Definition, slug: str) -> UUID:
    """The version of the playbook `slug` that was pinned when this one was published."""
    return UUID(str(definition.pins[slug]["version"]))


@lru_cache(maxsize=256)
def _gravest_of(version: UUID) -> str:
    definition = definition_of(version)
    effects = {effect_of(definition, step) for step in definition.steps.values()}
    return next((each.value for each in reversed(Effect) if each.value in effects), Effect.READ.value)


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
    return Connection.objects.filter(name__in=names, is_simulated=True).exists() or any(
        uses_simulator(definition_of(pinned(definition, slug))) for slug in definition.pins
    )


def covered(run: Run, call: Call, step: DocumentStep, key: str, *, find: Find = connection_for) -> Covered:
    """The call as an approval shows it and binds it. `key` is the step's in the run."""
    connection = cast(
        "Connection", call.connection
    )  # a script has none, and is never covered: it changes nothing
    return Covered(
        step=key,
        action=call.action.key,
        effect=call.action.effect.value,
        connection_id=str(connection.pk),
        connection=connection.name,
        connection_revision=connection.revision,
        parameters=call.parameters,
        target=call.target,
        is_simulated=call.is_simulated,
        undo=_undo_shown(run, call, step, find),
    )


def covered_run(
    definition: Definition, step: DocumentStep, scope: Mapping[str, object], key: str, *, is_simulated: bool
) -> Covered:
    """The start of another playbook: the version that was pinned stands where else the connection does."""
    slug = str(step.run)
    return Covered(
        step=key,
        action="playbook.run",
        effect=effect_of(definition, step),
        connection_id=str(pinned(definition, slug)),
        connection=slug,
        connection_revision=int(str(definition.pins[slug]["number"])),
        parameters=parameters_of(step.with_, scope),
        target=slug,
        is_simulated=is_simulated,
        undo="Rolling this run back rolls that one back as well.",
    )


def _undo_shown(run: Run, call: Call, step: DocumentStep, find: Find) -> dict[str, object] | str:
    """The call that would take `call` back, as far as it is known before, or why there is none.

    An undo runs under the approval of what it takes back, so the approval has to show it.
    """
    if step.undo is not None:
        if step.undo.do is None:
            return f"Not undone: {step.undo.none}"
        connection = step.undo.using or connection_name(step)
        return _undo_call(
            step.undo.do, connection, step.undo.with_, {**run.context, "inputs": run.inputs}, find
        )
    match call.action.undo:
        case Undo(action=key, parameters=parameters) if call.connection is not None:
            return _undo_call(key, call.connection.name, parameters, {"inputs": call.parameters}, find)
        case Irreversible(sentence=sentence):
            return sentence
        case _:
            return "Nothing to undo."


def _undo_call(
    key: str, connection: str, parameters: Mapping[str, object], scope: Mapping[str, object], find: Find
) -> dict[str, object] | str:
    try:
        row = find(actions()[key], connection)
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
