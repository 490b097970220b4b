"""What an approval is about: the subject that is shown, its digest, and what has changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ABSENT = object()  # a key that is missing is not one whose value is null: other bytes would be sent


@dataclass(frozen=True, slots=True)
class Covered:
    """One action exactly as it would run. Secrets are not in it: the connection's revision stands for them."""

    step: str
    action: str
    effect: str
    connection_id: str
    connection: str
    connection_revision: int
    parameters: Mapping[str, object]
    target: str
    is_simulated: bool
    undo: Mapping[str, object] | str  # the call that would take it back, or why there is none

    def as_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "action": self.action,
            "effect": self.effect,
            "connection": {
                "id": self.connection_id,
                "name": self.connection,
                "revision": self.connection_revision,
            },
            "parameters": dict(self.parameters),
            "target": self.target,
            "simulated": self.is_simulated,
            "undo": self.undo if isinstance(self.undo, str) else dict(self.undo),
        }


def subject(
    *,
    run: str,
    version_digest: str,
    gate: str,
    frozen_at: str,
    seats: Sequence[str],
    profile: str,
    policies: Mapping[str, object],
    covered: Sequence[Covered],
    not_covered: Sequence[str],
) -> dict[str, Any]:
    """The whole subject as JSON values. `frozen_at` is `now` for every expression of the covered steps, `policies` are
    those that ask for something, each under its name and version.
    """
    return {
        "run": run,
        "version": version_digest,
        "gate": gate,
        "frozen_at": frozen_at,
        "seats": list(seats),
        "profile": profile,
        "policies": dict(policies),
        "covered": [each.as_json() for each in covered],
        "not_covered": list(not_covered),
    }


def first_difference(old: object, new: object, path: str = "") -> str:
    """Where `new` first differs from `old`, as a dotted path; empty when they are equal."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        pairs = [(str(key), old.get(key, ABSENT), new.get(key, ABSENT)) for key in sorted({*old, *new})]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(str(index), *pair) for index, pair in enumerate(zip(old, new, strict=True))]
    else:
        # 1 and True, and 1 and 1.0, are equal in Python and different in what would be sent.
        return "" if (type(old), old) == (type(new), new) else path or "the whole subject"
    places = (first_difference(a, b, f"{path}.{key}" if path else key) for key, a, b in pairs)
    return next((place for place in places if place), "")
