"""A far side of real processes: a file to which every effect adds a line, whole, also when the writer is killed."""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from playbooks.connectors import registry
from playbooks.connectors.declaration import Connector, Context
from playbooks.domain.outcomes import Outcome, Succeeded
from playbooks.operations.actions import actions
from tests.simulation.farside import connector


@dataclass(frozen=True, slots=True)
class Filed:
    """Lines of `path` are: done or undone, target, idempotency key."""

    path: Path

    def act(self, context: Context, *, target: str, note: object = None) -> Outcome:
        return self._write("done", target, context.idempotency_key)

    def act_once_a_key(self, context: Context, *, target: str, note: object = None) -> Outcome:
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self.look(context, target=target) or self.act(context, target=target)

    def undo(self, context: Context, *, target: str, note: object = None) -> Outcome:
        return self._write("undone", target, context.idempotency_key)

    def read(self, context: Context, *, target: str, note: object = None) -> Outcome:
        return _answer(target)

    def look(self, context: Context, *, target: str, note: object = None) -> Outcome | None:
        return _answer(target) if context.idempotency_key in self.keys() else None

    def count(self, what: str) -> Counter[str]:
        """How often each target was done, or undone."""
        return Counter(target for said, target, _ in self._lines() if said == what)

    def keys(self) -> set[str]:
        return {key for _, _, key in self._lines()}

    def _lines(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def _write(self, what: str, target: str, key: str) -> Outcome:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{what} {target} {key}\n".encode())
        os.close(descriptor)
        return _answer(target)


def register(home: Path) -> Filed:
    """Makes the connector `far` known to this process."""
    far = Filed(home / "effects")
    cast(dict[str, Connector], registry.CONNECTORS)["far"] = connector(far)
    actions.cache_clear()
    return far


def _answer(target: str) -> Outcome:
    return Succeeded({"target": target, "changed": True, "count": 1})
