"""Answers to repeated calls: the same Idempotency-Key gives the same answer and no second change.

The answer is stored in the transaction of the change, so it exists exactly when the change does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from playbooks.domain.canonical import digest
from playbooks.domain.duties import Denial
from playbooks.models import IdempotencyKey
from playbooks.operations.refusals import Refused

REUSED = Denial(
    "idempotency_key_reused",
    "This Idempotency-Key was used before with another request. Use a new key for a new request.",
)


def recall(caller: str, key: str, request: Any) -> Any | None:
    """The stored answer, or None. Raises Refused when the key came with another request."""
    if not key:
        return None
    row = IdempotencyKey.objects.filter(caller=caller, key=key).first()
    if row is None:
        return None
    if row.fingerprint != digest(request):
        raise Refused(REUSED)
    return row.answer


def keep(caller: str, key: str, request: Any, answer: Any, *, now: datetime) -> None:
    """Stores the answer; of two rivals with the same key the unique constraint lets one commit."""
    if key:
        IdempotencyKey.objects.create(
            caller=caller, key=key, fingerprint=digest(request), answer=answer, created_at=now
        )
