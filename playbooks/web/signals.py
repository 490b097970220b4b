"""Hears of every sign-in, failure and sign-out, whichever way it came, and has it recorded."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from playbooks.models import Principal
from playbooks.operations import sessions
from playbooks.operations.caller import address_of

DEMO_SWITCH = "demo switch"


@receiver(user_logged_in, dispatch_uid="playbooks.signed_in")
def signed_in(sender: type[Principal], request: HttpRequest, user: Principal, **signal: Any) -> None:  # noqa: ARG001
    match = request.resolver_match
    through_demo = match is not None and match.url_name == "become"
    sessions.sign_in(user, address=address_of(request.META), outcome=DEMO_SWITCH if through_demo else "done")


@receiver(user_login_failed, dispatch_uid="playbooks.sign_in_failed")
def sign_in_failed(
    sender: str,  # noqa: ARG001
    credentials: dict[str, Any],
    request: HttpRequest | None = None,
    **signal: Any,  # noqa: ARG001
) -> None:
    name = credentials.get("username") or credentials.get("login") or ""
    sessions.refuse(str(name), address=address_of(request.META) if request else None)


@receiver(user_logged_out, dispatch_uid="playbooks.signed_out")
def signed_out(
    sender: type[Principal],  # noqa: ARG001
    request: HttpRequest,
    user: Principal | None,
    **signal: Any,  # noqa: ARG001
) -> None:
    if user is not None:
        sessions.sign_out(user, address=address_of(request.META))
