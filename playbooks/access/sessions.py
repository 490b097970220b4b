"""Django's session engine over the table `Session`: what a browser's session holds, and whose it is, in one row.

A session that is ended is a row that is gone, so that the next request of its browser has none: nothing else has to be
asked. How to extend the engine: Django's documentation, "Extending database-backed session engines".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from playbooks.models import Session

ABOUT = "countersign_browser"  # where, by which browser and since when, in the data of the session
SEEN_EVERY = timedelta(minutes=1)


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """The row, with what people are shown of it lifted out of its data."""
        row: Session = super().create_model_instance(data)  # type: ignore[assignment]
        about: Mapping[str, Any] = data.get(ABOUT, {})
        row.handle = handle_of(row.session_key)
        row.principal_id = UUID(data[SESSION_KEY]) if SESSION_KEY in data else None
        row.address = about.get("address")
        row.browser = about.get("browser", "")
        row.signed_in_at = parse_datetime(about["signed_in_at"]) if about else None
        row.last_seen_at = timezone.now()
        return row

    def _get_session_from_db(self) -> Session | None:
        """The row, which says, to the minute, when the session was last seen."""
        row: Session | None = super()._get_session_from_db()  # type: ignore[misc]
        now = timezone.now()
        if row is not None and row.principal_id is not None and row.last_seen_at < now - SEEN_EVERY:
            Session.objects.filter(pk=row.pk).update(last_seen_at=now)
        return row


def handle_of(session_key: str) -> UUID:
    """What names a session to people: nobody gets from it to the key."""
    return UUID(bytes=hashlib.sha256(session_key.encode()).digest()[:16])


def remember(store: Any, *, address: str | None, browser: str) -> None:
    """Writes into a session that has just begun where it was signed in, and by which browser."""
    store[ABOUT] = {
        "address": address,
        "browser": browser[:200],
        "signed_in_at": timezone.now().isoformat(),
    }
