"""The cast with mailboxes, a mail server, and a service of chat."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from playbooks.models import Principal
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.cast import Cast, connect, publish
from tests.connectors.conftest import FarSide, far_side
from tests.postbox import Postbox, postbox

__all__ = ["far_side", "postbox"]


@pytest.fixture
def mailed(cast: Cast, postbox: Postbox, settings: Any) -> Postbox:
    """Everybody of the cast has a mailbox, and a real server takes mail for them."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", postbox.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.DEFAULT_FROM_EMAIL = "Countersign <soar@example.org>"
    settings.BASE_URL = "https://soar.example.org"
    for name in fields(cast):
        person: Principal = getattr(cast, name.name)
        people.set_email(person, f"{person.username}@example.org", actor=SYSTEM)
        person.refresh_from_db()
    return postbox


@pytest.fixture
def chat(far_side: FarSide, settings: Any) -> FarSide:
    """A server for JSON messages, at which people may be told."""
    settings.NOTICE_HOSTS, settings.NOTICE_NETWORKS = ["127.0.0.1"], ["127.0.0.1/32"]
    return far_side


@pytest.fixture
def ready(cast: Cast) -> Cast:
    """The cast's playbook is in force, with what it needs."""
    connect(cast)
    publish(cast)
    return cast
