"""On whose behalf an operation runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from django.conf import settings
from django.db.models import Model

from playbooks import access
from playbooks.audit import Actor
from playbooks.models import Principal, Token
from playbooks.operations.refusals import Hidden, no_permission


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

    def require(self, permission: str, what: str, *, of: type[Model] | None = None) -> None:
        """Raises Refused unless a role gives the permission. `what` completes "You may not …".

        A grant on any object of the table `of` is enough to go on, as far as `require_on`.
        """
        if access.may(self.principal, permission):
            return
        if of is None or not access.visible(self.principal, permission, of._default_manager.all()).exists():
            raise no_permission(what)

    def require_on(self, permission: str, row: Model, what: str) -> None:
        """Raises Hidden unless the permission reaches this object.

        `what` completes "There is no …", in the words that are used where there really is none.
        """
        if not access.may(self.principal, permission, on=row):
            raise Hidden(f"There is no {what}.")

    def require_within_reach(self, row: Model, what: str) -> None:
        """Raises Hidden where the object is another team's, is restricted to others, or is about the caller."""
        if not access.within_reach(self.principal, type(row)._default_manager.filter(pk=row.pk)).exists():
            raise Hidden(f"There is no {what}.")


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


def session_of(key: str | None) -> str:
    """How a session is named where its key must not be. Empty for no session."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


SYSTEM = Actor(id="system", label="Countersign")


def worker(name: str) -> Actor:
    return Actor(id=f"worker:{name}", label=f"worker {name}")
