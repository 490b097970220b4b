"""OpenID Connect: django-allauth's steps, with the token's signature and its issuer checked as well.

Imported only where a provider is configured: it needs the extra `sso`.
"""

from __future__ import annotations

from typing import Any

import jwt
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from requests import RequestException

from playbooks.web.single_sign_on import leaving

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"})


class Verified(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says of itself, if it is the configured one (OpenID Connect Discovery 1.0, 4.3)."""
        found: dict[str, Any] = super().openid_config
        if found.get("issuer", "").rstrip("/") != settings.OIDC_ISSUER:
            raise OAuth2Error("The provider says that it is another one.")
        return found

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        """Who it is, by the token: without one allauth would ask for what nobody has signed."""
        if not kwargs["response"].get("id_token"):
            raise OAuth2Error("The provider gave no token that says who it is.")
        return super().complete_login(request, app, token, **kwargs)

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        """The claims of a token that the provider has signed, for us (OpenID Connect Core 1.0, 3.1.3.7)."""
        try:
            algorithm = jwt.get_unverified_header(id_token).get("alg")
        except jwt.PyJWTError as error:
            raise OAuth2Error("This is no token.") from error
        if algorithm not in ALGORITHMS:
            raise OAuth2Error("The token is not signed with a key of the provider's own.")
        claims: dict[str, Any] = jwtkit.verify_and_decode(
            credential=id_token,
            keys_url=self.openid_config["jwks_uri"],
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
        )
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise OAuth2Error("The token says of nobody.")
        return claims


@never_cache
@require_POST
def login(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Leads to the provider."""
    adapter = Verified(request, _known(provider_id))
    view = OAuth2LoginView.adapter_view(adapter)
    try:
        return leaving(view(request), request, settings.OIDC["name"])
    except RequestException as error:
        answer: HttpResponseBase = render_authentication_error(
            request, adapter.get_provider(), exception=error
        )
        return answer


@never_cache
@require_safe
def callback(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Where the provider leads back to."""
    view = OAuth2CallbackView.adapter_view(Verified(request, _known(provider_id)))
    answer: HttpResponseBase = view(request)
    return answer


def _known(provider_id: str) -> str:
    if provider_id != settings.OIDC["provider_id"]:
        raise Http404(f"There is no provider {provider_id}.")
    return provider_id
