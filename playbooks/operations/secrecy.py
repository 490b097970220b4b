"""Outputs that nobody may read: sealed with the step that gave them, and opened for the call that needs them.

In their place stands a reference, `secret:<step>:<name>`, which is all that parameters, digests, the log and pages
ever hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from uuid import UUID

from playbooks.models import Step, seal, unseal

REFERENCE = re.compile(r"secret:([0-9a-f]{32}):([a-z][a-z0-9_]*)")


def sealed(
    step: Step, outputs: Mapping[str, object], names: Sequence[str]
) -> tuple[dict[str, object], bytes]:
    """The outputs with a reference in the place of each that is secret, and those encrypted."""
    secret = {name: str(outputs[name]) for name in names if name in outputs}
    if not secret:
        return dict(outputs), b""
    references = {name: f"secret:{step.pk.hex}:{name}" for name in secret}
    return {**outputs, **references}, seal(secret)


def opened(parameters: Mapping[str, object], names: frozenset[str]) -> dict[str, object]:
    """The parameters with the secrets themselves, of the inputs with these names only.

    Raises cryptography.fernet.InvalidToken when they were sealed with another key.
    """
    return {name: _opened(value) if name in names else value for name, value in parameters.items()}


def _opened(value: object) -> object:
    reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if reference is None:
        return value
    step = Step.objects.only("sealed").get(pk=UUID(reference[1]))
    return unseal(step.sealed)[reference[2]]
