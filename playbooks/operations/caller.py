"""On whose behalf an operation runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from playbooks import access
from playbooks.audit import Actor
from playbooks.models import Principal, Token
from playbooks.operations.refusals import no_permission


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal, the token by which it came (None for its own session), its network address, and its session:
    the SHA-256 of the session's key, empty where there is none.
    """

    principal: Principal
    token: Token | None = None
    address: str | None = None
    session: str = ""

    @property
    def actor(self) -> Actor:
        return Actor(id=str(self.principal.pk), label=str(self.principal))

    def require(self, permission: str, what: str) -> None:
        """Raises Refused unless a role gives the permission. `what` completes "You may not …"."""
        if not access.may(self.principal, permission):
            raise no_permission(what)


def address_of(environment: Mapping[str, object]) -> str | None:
    """The peer's network address in a WSGI environment (PEP 3333); None where the server was reached without one, as
    over a Unix socket.
    """
    try:
        return str(ip_address(str(environment.get("REMOTE_ADDR", ""))))
    except ValueError:
        return None


def session_of(key: str | None) -> str:
    """How a session is named where its key must not be. Empty for no session."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


SYSTEM = Actor(id="system", label="Countersign")


def worker(name: str) -> Actor:
    return Actor(id=f"worker:{name}", label=f"worker {name}")
