"""Which real servers this machine has, and where."""

from __future__ import annotations

import os
import shutil
import socket
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from playbooks.connectors import isolation

POSTGRESQL = os.environ.get("SOAR_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("SOAR_TEST_REDIS", "redis://127.0.0.1:6379/9")
RABBITMQ = os.environ.get("SOAR_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//")
CHROMIUM = os.environ.get("SOAR_TEST_CHROMIUM", "/usr/bin/chromium")
CORPORA = Path(
    os.environ.get("SOAR_TEST_CORPORA", Path(__file__).resolve().parents[2] / "shared" / "corpora")
)

_URLS = {"postgresql": POSTGRESQL, "redis": REDIS, "rabbitmq": RABBITMQ}


def answers(server: str) -> bool:
    """Whether something listens at the server's address."""
    parts = urlsplit(_URLS[server])
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2):
            return True
    except OSError:
        return False


@cache
def without_bubblewrap() -> str:
    return isolation.unavailable()


def missing(need: str) -> str | None:
    """Why a test marked `needs_…` cannot run here, or None when it can."""
    if need in _URLS:
        return None if answers(need) else f"no {need} server at {urlsplit(_URLS[need]).hostname}"
    if need == "chromium":
        return None if Path(CHROMIUM).exists() else f"no Chromium at {CHROMIUM}"
    if need == "ldap":
        able = shutil.which("slapd") and find_spec("ldap")
        return None if able else "a directory needs slapd and python-ldap (make .venv/ldap)"
    if need == "netns":
        able = os.geteuid() == 0 and shutil.which("ip") and shutil.which("nft")
        return None if able else "network namespaces need root, ip and nft"
    if need == "bubblewrap":
        return without_bubblewrap() or None
    return None if CORPORA.is_dir() else f"the public corpora are not at {CORPORA}"
