"""Strict reading of the environment: a value that cannot be understood stops the start with a sentence."""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

PREPARE_AFTER = 3  # executions of the same statement on one connection
LOCAL = {"localhost", "127.0.0.1", "::1"}
TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """The value of `name`, or of the file that `name`_FILE points to (for secrets), which may not be empty."""
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return os.environ.get(name, default)
    if name in os.environ:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}: {path}") from error
    except UnicodeDecodeError:
        # The error holds the bytes of the file, which may be a secret.
        raise ImproperlyConfigured(f"{name}_FILE is not text in UTF-8: {path}") from None
    if not value:
        raise ImproperlyConfigured(f"{name}_FILE is empty: {path}")
    return value


def boolean(name: str, *, default: bool = False) -> bool:
    value = text(name, str(default)).strip().lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")


def integer(name: str, default: int) -> int:
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from error


def log_level(name: str, default: str) -> str:
    """The name of a level of the standard library's logging."""
    level = text(name, default).strip().upper()
    known = logging.getLevelNamesMapping()
    if level not in known:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(known)}, not {level!r}.")
    return level


def provider_address(name: str) -> str:
    """The address of an identity provider: https, or http on this machine; empty when unset."""
    value = text(name).strip()
    parts = urlsplit(value)
    if not value or parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL):
        return value.rstrip("/")
    raise ImproperlyConfigured(f"{name} must begin with https://: over it comes who somebody is.")


def provider_metadata(name: str) -> str:
    """What an identity provider says of itself in SAML: the address of the document, as above, or the document (which
    `name`_FILE gives); empty when unset.
    """
    value = text(name).lstrip("\ufeff").strip()  # some providers begin it with a byte order mark
    return value if value.startswith("<") else provider_address(name)


def directory_address(name: str) -> str:
    """The address of an LDAP server, without anything behind its host and port; empty when unset."""
    value = text(name).strip().rstrip("/")
    parts = urlsplit(value)
    if value and (parts.scheme not in {"ldap", "ldaps"} or f"{parts.scheme}://{parts.netloc}" != value):
        raise ImproperlyConfigured(f"{name} must be ldaps://host or ldap://host, and nothing behind that.")
    return value


def is_local(address: str) -> bool:
    """Whether an address is one of this machine, to which no line leads that anybody could listen to."""
    return urlsplit(address).hostname in LOCAL


def search_filter(name: str, default: str) -> str:
    """An LDAP filter (RFC 4515) in which `%(user)s` stands for who is looked for."""
    value = text(name, default).strip()
    is_one = "%(user)s" in value and "%" not in value.replace("%(user)s", "")
    if not is_one or not value.startswith("(") or value.count("(") != value.count(")"):
        raise ImproperlyConfigured(f"{name} must be a filter such as (uid=%(user)s), not {value!r}.")
    return value


def together(*names: str) -> None:
    """Raises ImproperlyConfigured where some of the variables are set and others are not."""
    unset = [name for name in names if not text(name)]
    if unset and len(unset) < len(names):
        raise ImproperlyConfigured(f"{' and '.join(names)} belong together, but {unset[0]} is not set.")


def needs(module: str, *, extra: str, name: str) -> None:
    """Raises ImproperlyConfigured where what `name` switches on is not installed."""
    if text(name) and find_spec(module) is None:
        raise ImproperlyConfigured(f"{name} needs the extra `{extra}`, which is not installed.")


def words(name: str, default: str = "") -> list[str]:
    """A list separated by commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail goes out. `host` is empty where none is set. `encryption` is "none", "starttls" or "tls"."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    encryption: str = "none"


MAIL = {"smtp": ("none", 25), "smtp+starttls": ("starttls", 587), "smtps": ("tls", 465)}


def mail_server(name: str) -> MailServer:
    """`smtps://user:password@host:port`, `smtp+starttls://…`, or `smtp://host`, which takes no password."""
    url = text(name)
    if not url:
        return MailServer()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"{name} is no address: escape /, ?, # and @ in the password.") from None
    if parts.scheme not in MAIL or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must be smtps://host, smtp+starttls://host or smtp://host.")
    encryption, usual = MAIL[parts.scheme]
    if parts.password and encryption == "none":
        raise ImproperlyConfigured(
            f"{name} would send a password in clear; use smtps:// or smtp+starttls://."
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(parts.hostname, port or usual, user, password, encryption)


def base_url(name: str, default: str) -> str:
    """The address under which browsers reach the product, without a slash at the end."""
    url = text(name, default).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
        raise ImproperlyConfigured(f"{name} must be like https://soar.example.org, not {url!r}.")
    return url


def secret_file(path: Path) -> str:
    """A random secret that is made on the first start and kept in a file of mode 0600."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _finished_secret(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text(encoding="ascii")


def _finished_secret(path: Path) -> str:
    secret = path.read_text(encoding="ascii").strip()
    if len(secret) < 64:
        raise ImproperlyConfigured(
            f"{path} is empty or cut short: another start is writing it, or delete it."
        )
    return secret


def database(name: str, *, home: Path) -> dict[str, Any]:
    """Django's settings for `postgresql://user:password@host:port/name`, or SQLite in `home` when unset."""
    url = text(name)
    if not url:
        return sqlite(home / "countersign.sqlite3")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The error may quote a password with a character that has to be escaped.
        raise ImproperlyConfigured(
            f"{name} is no address: escape /, ?, # and @ in the password, and give the port as a number."
        ) from None
    match parts.scheme:
        case "sqlite":
            return sqlite(_sqlite_path(name, parts))
        case "postgres" | "postgresql":
            return _postgresql(name, parts, port)
    raise ImproperlyConfigured(f"{name} must start with postgresql:// or sqlite://, not {parts.scheme!r}.")


def _sqlite_path(name: str, parts: SplitResult) -> Path:
    if parts.netloc or not parts.path:
        raise ImproperlyConfigured(f"{name} needs three slashes and a whole path: sqlite:///path/to/file.")
    return Path(unquote(parts.path))


def _postgresql(name: str, parts: SplitResult, port: int | None) -> dict[str, Any]:
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise ImproperlyConfigured(f"{name} must end with the name of the database: postgresql://host/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # Statements that come again are prepared: planning them costs as much as running them. A pooler in front
        # of the server has to know prepared statements.
        "OPTIONS": {
            "server_side_binding": True,
            "prepare_threshold": PREPARE_AFTER,
            **dict(parse_qsl(parts.query)),
        },
    }


def sqlite(path: Path) -> dict[str, Any]:
    """One writer at a time, chosen at BEGIN; every commit reaches the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
    }
