"""Who calls: a Bearer token (RFC 6750) of a principal or of an alert source, or the web session with CSRF."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from playbooks.audit import Actor
from playbooks.models import Principal, Source, Token
from playbooks.operations import people, sessions
from playbooks.operations.caller import Caller, address_of, session_of


@dataclass(frozen=True, slots=True)
class Sender:
    """A product that posts alerts with a source's token: no principal, and nothing else is open to it."""

    source: Source
    is_authenticated: bool = True


class TokenAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Principal | Sender, Token] | None:
        """Raises AuthenticationFailed for an unknown, expired or revoked token, all in the same words."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = people.token_in_force(text.strip())
        if token is None:
            sessions.refuse_token(address=address_of(request.META))
            raise exceptions.AuthenticationFailed(
                "This token is unknown, expired or revoked. Ask an administrator for a new one."
            )
        people.note_use(token)
        if token.source is not None:
            return Sender(token.source), token
        return _active(token), token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 — the framework's signature
        return 'Bearer realm="Countersign"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of the screens. Every writing call needs `X-CSRFToken`."""


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def principal_of(request: Request) -> Principal:
    """The person or service account that calls. Raises NotAuthenticated for anybody else."""
    user: Principal | Sender | AnonymousUser = request.user
    if isinstance(user, Principal):
        return user
    raise exceptions.NotAuthenticated


def caller_of(request: Request) -> Caller:
    """On whose behalf an operation runs."""
    token = request.auth if isinstance(request.auth, Token) else None
    session = "" if token else session_of(request.session.session_key)
    return Caller(principal_of(request), token, address_of(request.META), session)


def actor_of(request: Request) -> Actor:
    """How the audit log names who calls: a principal, or the source that posts."""
    if isinstance(request.user, Sender):
        return Actor(id=f"source:{request.user.source.pk}", label=str(request.user.source))
    return caller_of(request).actor


def _active(token: Token) -> Principal:
    principal = token.principal
    if principal is None or not principal.is_active:
        raise exceptions.AuthenticationFailed("The account of this token is deactivated.")
    if principal.owner is not None and not principal.owner.is_active:
        raise exceptions.AuthenticationFailed("Whoever answers for this service account is deactivated.")
    return principal
