"""A connector that does nothing but say when, or count that it did."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from django.conf import settings

from playbooks.connectors import registry
from playbooks.connectors.declaration import Binding, Connector, Context
from playbooks.domain.actions import Action, Effect, Irreversible, NothingToUndo, Repeat, Timeout
from playbooks.domain.outcomes import Outcome, Succeeded
from playbooks.operations.actions import actions

TIMEOUT = 2  # seconds; the lease is ten longer

_EMPTY = {"type": "object", "properties": {}, "additionalProperties": False}
_TARGET = {
    "type": "object",
    "properties": {"target": {"type": "string"}},
    "required": ["target"],
    "additionalProperties": False,
}
_MOMENT = {"type": "object", "properties": {"at": {"type": "number"}}}
_CHANGED = {"type": "object", "properties": {"changed": {"type": "boolean"}}}


def register() -> None:
    """Makes the connector known to this process."""
    known = cast(dict[str, Connector], registry.CONNECTORS)
    known["noop"] = Connector("noop", "Nothing", (), (_step(), _counted("safe"), _counted("never")))
    actions.cache_clear()


def effects() -> list[str]:
    """The target of every effect that happened, in order."""
    path = _effects_file()
    return path.read_text(encoding="ascii").split() if path.exists() else []


def _effects_file() -> Path:
    return Path(settings.SOAR_HOME) / "effects"


def _say_when(_context: Context) -> Outcome:
    """The monotonic clock is one for all processes of a machine."""
    return Succeeded({"at": time.monotonic()})


def _count(_context: Context, *, target: str) -> Outcome:
    """One short write at the end of a file: it is there after a SIGKILL, and whole."""
    descriptor = os.open(_effects_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{target}\n".encode("ascii"))
    os.close(descriptor)
    return Succeeded({"changed": True})


def _step() -> Binding:
    action = Action(
        key="noop.step",
        label="Do nothing",
        inputs=_EMPTY,
        outputs=_MOMENT,
        effect=Effect.READ,
        repeat=Repeat.SAFE,
        undo=NothingToUndo(),
        timeout=Timeout(TIMEOUT, TIMEOUT),
        target="",
        example={"at": 1.0},
    )
    return _binding(action, _say_when)


def _counted(repeat: str) -> Binding:
    action = Action(
        key=f"noop.{repeat}",
        label=f"Count, {repeat} to repeat",
        inputs=_TARGET,
        outputs=_CHANGED,
        effect=Effect.CHANGE,
        repeat=Repeat(repeat),
        undo=Irreversible("What was counted stays counted."),
        timeout=Timeout(TIMEOUT, TIMEOUT),
        target="target",
        example={"changed": True},
    )
    return _binding(action, _count)


def _binding(action: Action, perform: Callable[..., Outcome]) -> Binding:
    return Binding(action=action, perform=perform, preview=_preview, lookup=None, verify=None)


def _preview(_context: Context, **inputs: object) -> Mapping[str, object]:
    return inputs
