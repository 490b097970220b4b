"""Closed by default: an endpoint names, for each method, the permission and the scope that it needs."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Model, QuerySet
from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from playbooks import access
from playbooks.api.authentication import Sender
from playbooks.domain.duties import Denial
from playbooks.models import Principal, Token
from playbooks.operations.refusals import Refused, no_permission


@dataclass(frozen=True, slots=True)
class Need:
    """What one method of an endpoint needs.

    One of `permissions` is enough; with none the operation behind the endpoint decides and audits its
    refusal. `scope` None means that no token is enough and a session is needed; "" that any token is. With
    `on`, a grant on any object of that table opens the endpoint, which then shows those objects only.
    """

    permissions: tuple[str, ...]
    scope: str | None
    on: type[Model] | None = None
    sources_too: bool = False


class Entitled(BasePermission):
    """Asks `playbooks.access` for what the endpoint's `needs` say."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user or not request.user.is_authenticated:
            raise exceptions.NotAuthenticated("Sign in, or send a token as 'Authorization: Bearer …'.")
        needs: dict[str, Need] = getattr(view, "needs", {})
        need = needs.get("GET" if request.method == "HEAD" else request.method or "")
        if need is None:
            raise exceptions.MethodNotAllowed(request.method or "")
        _check_scope(request, need)
        if isinstance(request.user, Sender):
            return _check_sender(need)
        return _check_permission(request.user, need)


def _check_scope(request: Request, need: Need) -> None:
    if not isinstance(request.auth, Token) or need.scope == "":
        return
    if need.scope is None:
        raise Refused(Denial("session_only", "No token may do this. Sign in and use the session."))
    if need.scope not in request.auth.scopes:
        sentence = f"This token lacks the scope {need.scope}. Issue one that has it."
        raise Refused(Denial("out_of_scope", sentence))


def _check_sender(need: Need) -> bool:
    if need.sources_too:
        return True
    raise exceptions.PermissionDenied(
        "The token of a source may only post to that source's own ingest address."
    )


def _check_permission(principal: Principal, need: Need) -> bool:
    if not need.permissions or set(need.permissions) & access.permissions_of(principal):
        return True
    if need.on is not None:
        rows: QuerySet[Model] = QuerySet(need.on)
        if any(access.visible(principal, each, rows).exists() for each in need.permissions):
            return True
    raise no_permission("do this")
