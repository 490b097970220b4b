"""Answers to repeated calls: the same Idempotency-Key gives the same answer and no second change.

The answer is stored in the transaction of the change, so it exists exactly when the change does.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from playbooks.domain.duties import Denial
from playbooks.models import IdempotencyKey, Principal, Source
from playbooks.operations.refusals import Refused

REUSED = Denial(
    "idempotency_key_reused",
    "This Idempotency-Key was used before with another request. Use a new key for a new request.",
)


def recall(
    caller: str, key: str, request: Any, *, among: type[Principal] | type[Source] = Principal
) -> Any | None:
    """The stored answer, or None. Raises Refused when the key came with another request.

    A caller's calls with a key follow each other from here on, so that the second of two clicks finds the answer of
    the first. `among` is the table of the caller.
    """
    if not key:
        return None
    among._default_manager.select_for_update(no_key=True).get(pk=caller)
    row = IdempotencyKey.objects.filter(caller=caller, key=key).first()
    if row is None:
        return None
    if row.fingerprint != _fingerprint(request):
        raise Refused(REUSED)
    return row.answer


def keep(caller: str, key: str, request: Any, answer: Any, *, now: datetime) -> None:
    """Stores the answer, in the transaction that recalled none."""
    if key:
        IdempotencyKey.objects.create(
            caller=caller, key=key, fingerprint=_fingerprint(request), answer=answer, created_at=now
        )


def _fingerprint(request: Any) -> str:
    """Not the canonical form, which cannot carry the 64-bit numbers that a request may hold."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
