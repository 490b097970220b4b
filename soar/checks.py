"""System checks: with SOAR_PRODUCTION=true each unsafe default is an error that says what to set."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register(deploy=False)
def production(**_about: Any) -> list[CheckMessage]:
    """Nothing to say outside production: the embedded default is meant to be tried on one machine."""
    if not settings.PRODUCTION:
        return []
    return [message for unsafe, message in _rules() if unsafe]


def _rules() -> list[tuple[bool, CheckMessage]]:
    return [
        (
            not _is_set("SOAR_SECRET_KEY"),
            Error(
                "The secret key is the one that was made on the first start.",
                hint="Set SOAR_SECRET_KEY_FILE to a file with at least 50 random characters.",
                id="soar.E001",
            ),
        ),
        (
            not _is_set("SOAR_CONNECTION_KEY"),
            Error(
                "The key that encrypts the connections' secrets lies beside the database.",
                hint="Set SOAR_CONNECTION_KEY_FILE to a file that backups of the database do not hold.",
                id="soar.E002",
            ),
        ),
        (
            not _is_set("SOAR_ALLOWED_HOSTS"),
            Error(
                "The host names of this installation are not set.",
                hint="Set SOAR_ALLOWED_HOSTS to the names that browsers use, separated by commas.",
                id="soar.E003",
            ),
        ),
        (
            settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"),
            Error(
                "The database is the embedded SQLite.",
                hint="Set SOAR_DATABASE_URL_FILE to a file with postgresql://user:password@host/name.",
                id="soar.E004",
            ),
        ),
        (
            settings.EMBEDDED,
            Error(
                "There is no broker, so only one worker on this machine can hear the doorbell.",
                hint="Set SOAR_BROKER_URL to redis://… or amqp://… and start `celery -A soar worker` and `beat`.",
                id="soar.E005",
            ),
        ),
        (
            settings.DEMO,
            Error(
                "The demo lets anybody become anybody.",
                hint="Unset SOAR_DEMO, and start on an empty database.",
                id="soar.E006",
            ),
        ),
    ]


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))
