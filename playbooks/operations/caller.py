"""On whose behalf an operation runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from django.conf import settings

from playbooks import access
from playbooks.audit import Actor
from playbooks.models import Principal, Token
from playbooks.operations.refusals import no_permission


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal, the token by which it came (None for its own session), and its network address."""

    principal: Principal
    token: Token | None = None
    address: str | None = None

    @property
    def actor(self) -> Actor:
        return Actor(id=str(self.principal.pk), label=str(self.principal))

    def require(self, permission: str, what: str) -> None:
        """Raises Refused unless a role gives the permission. `what` completes "You may not …"."""
        if not access.may(self.principal, permission):
            raise no_permission(what)


def address_of(environment: Mapping[str, object]) -> str | None:
    """The client's network address in a WSGI environment (PEP 3333); None where the server was reached without one, as
    over a Unix socket.

    Behind a proxy it is what the proxy itself has put last into X-Forwarded-For; what stands before it anybody can say.
    """
    address = str(environment.get("REMOTE_ADDR", ""))
    if settings.BEHIND_PROXY:
        address = str(environment.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip() or address
    try:
        return str(ip_address(address))
    except ValueError:
        return None


SYSTEM = Actor(id="system", label="Countersign")


def worker(name: str) -> Actor:
    return Actor(id=f"worker:{name}", label=f"worker {name}")
