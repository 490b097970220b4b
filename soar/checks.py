"""System checks: with SOAR_PRODUCTION=true each unsafe default is an error that says what to set."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured


@register(deploy=False)
def production(**_about: Any) -> list[CheckMessage]:
    """Nothing to say outside production: the embedded default is meant to be tried on one machine."""
    if not settings.PRODUCTION:
        return []
    return [message for unsafe, message in _rules() if unsafe]


@register(deploy=False)
def metadata_of_saml_provider(**_about: Any) -> list[CheckMessage]:
    """A document that is no metadata of the provider. What lies at an address is read when somebody signs in."""
    if not settings.SAML_METADATA.startswith("<"):
        return []
    problem = import_module("playbooks.web.saml").problem_of_metadata()
    return [Error(problem, hint=SAML_HINT, id="soar.E007")] if problem else []


def require_safe_production() -> None:
    """Raises ImproperlyConfigured with all that is unsafe. Web servers load the application without any check."""
    unsafe = [f"{message.msg} {message.hint}" for message in production()]
    if unsafe:
        raise ImproperlyConfigured(" ".join(unsafe))


def _rules() -> list[tuple[bool, CheckMessage]]:
    """Whether each default is unsafe here, and what to say of it."""
    engine = settings.DATABASES["default"]["ENGINE"]
    return [
        (not _is_set("SOAR_SECRET_KEY"), SECRET_KEY),
        (not _is_set("SOAR_CONNECTION_KEY"), CONNECTION_KEY),
        (not _is_set("SOAR_ALLOWED_HOSTS"), HOSTS),
        (engine.endswith("sqlite3"), DATABASE),
        (settings.EMBEDDED, BROKER),
        (settings.DEMO, DEMO),
    ]


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


SAML_HINT = "SOAR_SAML_METADATA_FILE has to hold the metadata of SOAR_SAML_ISSUER, with its certificate."
SECRET_KEY = Error(
    "The secret key is the one that was made on the first start.",
    hint="Set SOAR_SECRET_KEY_FILE to a file with at least 50 random characters.",
    id="soar.E001",
)
CONNECTION_KEY = Error(
    "The key that encrypts the connections' secrets lies beside the database.",
    hint="Set SOAR_CONNECTION_KEY_FILE to a file that backups of the database do not hold.",
    id="soar.E002",
)
HOSTS = Error(
    "The host names of this installation are not set.",
    hint="Set SOAR_ALLOWED_HOSTS to the names that browsers use, separated by commas.",
    id="soar.E003",
)
DATABASE = Error(
    "The database is the embedded SQLite.",
    hint="Set SOAR_DATABASE_URL_FILE to a file with postgresql://user:password@host/name.",
    id="soar.E004",
)
BROKER = Error(
    "There is no broker, so only one worker on this machine can hear the doorbell.",
    hint="Set SOAR_BROKER_URL to redis://… or amqp://… and start `celery -A soar worker` and `beat`.",
    id="soar.E005",
)
DEMO = Error(
    "The demo lets anybody become anybody.",
    hint="Unset SOAR_DEMO, and start on an empty database.",
    id="soar.E006",
)
