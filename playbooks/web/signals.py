"""Hears of every sign-in, failure and sign-out, and of every change of how somebody signs in, whichever way it came,
and has it recorded.
"""

from __future__ import annotations

from typing import Any

from allauth.account.signals import password_changed
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from playbooks.access.sessions import remember
from playbooks.domain.verbs import Verb
from playbooks.models import Principal
from playbooks.operations import sessions
from playbooks.operations.caller import address_of

DEMO_SWITCH = "demo switch"
METHODS = (
    "account_authentication_methods"  # where allauth keeps, in the session, how somebody proved who they are
)


@receiver(user_logged_in, dispatch_uid="playbooks.signed_in")
def signed_in(sender: type[Principal], request: HttpRequest, user: Principal, **signal: Any) -> None:  # noqa: ARG001
    address = address_of(request.META)
    remember(request.session, address=address, browser=request.META.get("HTTP_USER_AGENT", ""))
    match = request.resolver_match
    through_demo = match is not None and match.url_name == "become"
    proofs = request.session.get(METHODS, [])
    sessions.sign_in(
        user,
        address=address,
        methods=[_method(each, user) for each in proofs],
        outcome=DEMO_SWITCH if through_demo else "done",
    )


def _method(proof: dict[str, Any], person: Principal) -> str:
    """What proved who it is. The password of somebody who has none here was their directory's."""
    method = str(proof.get("type") or proof.get("provider") or proof["method"])
    return "directory" if method == "password" and not person.has_usable_password() else method


@receiver(user_login_failed, dispatch_uid="playbooks.sign_in_failed")
def sign_in_failed(
    sender: str,  # noqa: ARG001
    credentials: dict[str, Any],
    request: HttpRequest | None = None,
    **signal: Any,  # noqa: ARG001
) -> None:
    name = credentials.get("username") or credentials.get("login") or ""
    sessions.refuse(str(name), address=address_of(request.META) if request else None)


@receiver(user_locked_out, dispatch_uid="playbooks.locked_out")
def locked_out(sender: str, request: HttpRequest, username: str, **signal: Any) -> None:  # noqa: ARG001
    """Heard at each attempt that is locked out; recorded is the one that was counted, the last."""
    if getattr(request, "axes_failures_since_start", None) is not None:
        sessions.lock_out(username, address=address_of(request.META))


@receiver(user_logged_out, dispatch_uid="playbooks.signed_out")
def signed_out(
    sender: type[Principal],  # noqa: ARG001
    request: HttpRequest,
    user: Principal | None,
    **signal: Any,  # noqa: ARG001
) -> None:
    if user is not None:
        sessions.sign_out(user, address=address_of(request.META))


@receiver(password_changed, dispatch_uid="playbooks.password_changed")
def changed_password(
    sender: type[Principal],  # noqa: ARG001
    request: HttpRequest,
    user: Principal,
    **signal: Any,  # noqa: ARG001
) -> None:
    sessions.record(Verb.PASSWORD_CHANGED, user, address=address_of(request.META))


@receiver(authenticator_added, dispatch_uid="playbooks.factor_added")
def added_factor(
    request: HttpRequest,
    user: Principal,
    authenticator: Authenticator,
    **signal: Any,  # noqa: ARG001
) -> None:
    _record(Verb.FACTOR_ADDED, request, user, authenticator)


@receiver(authenticator_removed, dispatch_uid="playbooks.factor_removed")
def removed_factor(
    request: HttpRequest,
    user: Principal,
    authenticator: Authenticator,
    **signal: Any,  # noqa: ARG001
) -> None:
    _record(Verb.FACTOR_REMOVED, request, user, authenticator)


@receiver(authenticator_reset, dispatch_uid="playbooks.factor_renewed")
def renewed_factor(
    request: HttpRequest,
    user: Principal,
    authenticator: Authenticator,
    **signal: Any,  # noqa: ARG001
) -> None:
    _record(Verb.FACTOR_RENEWED, request, user, authenticator)


def _record(verb: Verb, request: HttpRequest, person: Principal, factor: Authenticator) -> None:
    address = address_of(request.META)
    sessions.record(verb, person, address=address, factor=str(factor.type), name=str(factor))
