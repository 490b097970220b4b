"""Outputs that nobody may read: sealed with the step that gave them, and opened for the call that needs them.

In their place stands a reference, `secret:<step>:<name>`, which is all that parameters, digests, the log and pages
ever hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models import Q

from playbooks.connectors.contract import redact
from playbooks.connectors.declaration import Secrets
from playbooks.models import Step, seal, unseal
from playbooks.operations.definitions import definition_of

REFERENCE = re.compile(r"secret:([0-9a-f]{32}):([a-z][a-z0-9_]*)")


def names_of(step: Step) -> Sequence[str]:
    """The outputs of a step that are secret."""
    return () if step.undoes_id else definition_of(step.run.version_id).steps[step.name].secret_outputs


def sealed(
    step: Step, outputs: Mapping[str, object], names: Sequence[str]
) -> tuple[dict[str, object], bytes]:
    """The outputs with a reference in the place of each that is secret, and those encrypted.

    An output that repeats a secret, whole or as a part of it, has it hidden.
    """
    secret = {name: str(outputs[name]) for name in names if name in outputs}
    if not secret:
        return dict(outputs), b""
    references = {name: f"secret:{step.pk.hex}:{name}" for name in secret}
    secrets = Secrets(secret)
    others = {name: redact(each, secrets) for name, each in outputs.items() if name not in secret}
    return {**others, **references}, seal(secret)


def opened(run: UUID, parameters: Mapping[str, object], names: frozenset[str]) -> dict[str, object]:
    """The parameters with the secrets themselves, of the inputs with these names only.

    Only what steps of this run gave, or steps that it took over, is opened: a reference to anything else, written by
    an author or sent in an alert, stays the text that it is. Raises cryptography.fernet.InvalidToken when they were
    sealed with another key.
    """
    return {name: _opened(run, value) if name in names else value for name, value in parameters.items()}


def _opened(run: UUID, value: object) -> object:
    reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if reference is None:
        return value
    own = Q(run=run) | Q(pk__in=Step.objects.filter(run=run, adopts__isnull=False).values("adopts"))
    step = Step.objects.filter(own, pk=UUID(reference[1])).only("sealed").first()
    return unseal(step.sealed).get(reference[2], value) if step else value
