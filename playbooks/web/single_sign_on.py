"""Sign-in through an identity provider: only by an identity that an administrator has linked to a person.

Never by an e-mail address: whoever may set one at the provider would be whoever bears it here. Nobody signs up, and
nobody links an identity to themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from playbooks.models import Principal
from playbooks.operations import sessions
from playbooks.operations.caller import address_of

FRESH = 300  # seconds that a sign-in at the provider stands for the person being there
View = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    name: str
    url: str


def providers() -> list[IdentityProvider]:
    """Where one can sign in besides here."""
    found = []
    if settings.OIDC_ISSUER:
        url = reverse("openid_connect_login", kwargs={"provider_id": settings.OIDC["provider_id"]})
        found.append(IdentityProvider(settings.OIDC["name"], url))
    if settings.SAML_ISSUER:
        found.append(IdentityProvider(settings.SAML["name"], reverse("saml_login")))
    return found


class Provisioned(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:  # noqa: ARG002
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Lets through who is known and active, and nothing but a sign-in: no identity is linked by its bearer."""
        account = sociallogin.account
        if sociallogin.state.get("process") == AuthProcess.REDIRECT:
            return  # nobody is signed in or linked by it: provider_proofs.py hears what the provider says
        is_sign_in = sociallogin.state.get("process") == "login"
        if is_sign_in and sociallogin.is_existing and sociallogin.user.is_active:
            return
        name = sociallogin.user.username if sociallogin.is_existing else ""
        context = {"provider": account.provider, "subject": account.uid if is_sign_in else ""}
        raise _turned_away(request, name, "sign_in_unknown.html", context)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,  # noqa: ARG002 — the framework's signature
        extra_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> None:
        context = {"provider": provider.name, "is_cancelled": error == AuthError.CANCELLED}
        raise _turned_away(request, "", "sign_in_failed.html", context)


def _turned_away(
    request: HttpRequest, username: str, template: str, context: Mapping[str, Any]
) -> ImmediateHttpResponse:
    sessions.refuse(username, address=address_of(request.META))
    return ImmediateHttpResponse(render(request, template, dict(context), status=HTTPStatus.FORBIDDEN))


def confirmed(view: View) -> View:
    """Before a change of how one signs in: whoever signs in at a provider only has to have done so just now.

    allauth asks again for a password or a factor, but where somebody has neither it takes them as confirmed.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        person = request.user
        if isinstance(person, Principal) and not get_reauthentication_flows(person):
            signed_in = [each["at"] for each in get_authentication_records(request, person)]
            if timezone.now().timestamp() - max(signed_in, default=0) > FRESH:
                context = {
                    "next": request.get_full_path(),
                    "identity_providers": providers(),
                    "has_directory": bool(settings.LDAP_URI),
                }
                return render(request, "sign_in_again.html", context, status=HTTPStatus.UNAUTHORIZED)
        return view(request, *args, **kwargs)

    return guarded


def leaving(answer: HttpResponseBase, request: HttpRequest, name: str) -> HttpResponseBase:
    """A page that leads on to the provider, in place of a redirect: the pages' policy lets forms lead nowhere else."""
    target = answer.get("Location", "")
    if answer.status_code != HTTPStatus.FOUND or target.startswith("/"):
        return answer
    page = render(request, "sign_in_leaving.html", {"target": target, "provider": name})
    page["Refresh"] = f"0; url={target}"
    return page
