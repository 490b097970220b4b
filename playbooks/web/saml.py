"""SAML 2.0: django-allauth's provider, with each answer bound to a request of this browser by what the provider signed.

The library checks signatures, times and the document's shape. What it accepts when it is left out is demanded here:
for whom the assertion is, where it was to be posted, and which request it answers. Nobody comes in unasked. Imported
only where a provider is configured: it needs the extra `sso`.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY as METHODS
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.app_settings import UID_MAX_LENGTH
from allauth.socialaccount.helpers import complete_social_login, render_authentication_error
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from allauth.socialaccount.providers.saml.provider import SAMLProvider
from allauth.socialaccount.providers.saml.utils import fetch_metadata_url_config
from allauth.socialaccount.sessions import LoginSession
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Words
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings

from playbooks.web.single_sign_on import leaving
from playbooks.web.stepping_up import back_of

logger = logging.getLogger(__name__)

LONGEST = 200_000  # characters of an answer
LONGEST_REASON = 500  # characters in the log: some of them are whoever's who sent the answer
PATIENCE = 5  # seconds until the provider's metadata has come
KEPT = 60  # seconds that an answer waits for the browser to bring its session
# What names of these formats are is somebody else's tomorrow.
PASSING = {Words.NAMEID_EMAIL_ADDRESS, Words.NAMEID_TRANSIENT}
BEARER = f"/saml:Subject/saml:SubjectConfirmation[@Method='{Words.CM_BEARER}']/saml:SubjectConfirmationData"


class Untrusted(Exception):
    """Why an answer is not believed, for the log."""


class Cancelled(Untrusted):
    """The provider says that it signed nobody in."""


class Answer(OneLogin_Saml2_Response):  # type: ignore[misc]
    """What a provider has answered. Of what is read here only what is in the signed assertion counts."""

    def problem(self) -> str:
        """Why a valid answer is none to a request of ours; empty where it is one."""
        confirmations = self._query_assertion(BEARER)
        if len(confirmations) != 1:
            return "It does not confirm its subject exactly once."
        [confirmation] = confirmations
        reasons = {
            "It says not until when it holds.": not confirmation.get("NotOnOrAfter"),
            "It is to be posted elsewhere.": confirmation.get("Recipient") != _here(),
            "It answers no request.": not confirmation.get("InResponseTo"),
            "It is not for us.": settings.SAML_ENTITY_ID not in self.get_audiences(),
            "It says not since when the person is signed in.": self.signed_in_at is None,
            "It names nobody who will be the same tomorrow.": not self._names_somebody(),
        }
        return next((reason for reason, holds in reasons.items() if holds), "")

    @property
    def request(self) -> str:
        """The request that the assertion answers."""
        return str(self._query_assertion(BEARER)[0].get("InResponseTo"))

    @property
    def signed_in_at(self) -> datetime | None:
        """When the provider has last seen the person prove who they are."""
        [statement] = self._query_assertion("/saml:AuthnStatement")
        at = parse_datetime(statement.get("AuthnInstant", ""))
        return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)

    def _names_somebody(self) -> bool:
        named = self.get_nameid_data()
        names = [named.get("Value")] if named.get("Format") not in PASSING else []
        if settings.SAML_SUBJECT:
            names = self.get_attributes().get(settings.SAML_SUBJECT, [])
        return len(names) == 1 and isinstance(names[0], str) and 0 < len(names[0]) <= UID_MAX_LENGTH


@never_cache
@require_POST
def login(request: HttpRequest) -> HttpResponseBase:
    """Leads to the provider, which is told to ask the person anew where the form says `prompt=login`."""
    provider = _provider(request)
    try:
        leads = OneLogin_Saml2_Auth(_request_data(), _settings())
    except Untrusted as error:
        return _failed(request, provider, error)
    target = leads.login(return_to="", force_authn=request.GET.get("auth_params") == "prompt=login")
    provider.stash_redirect_state(
        request, AuthProcess.LOGIN, next_url=back_of(request), state_id=leads.get_last_request_id()
    )
    return leaving(redirect(target), request, settings.SAML["name"])


@csrf_exempt  # the provider's page posts it; what it answers is bound to the session in `finish`
@never_cache
@require_POST
def take_answer(request: HttpRequest) -> HttpResponseBase:
    """Takes what the provider's page makes the browser post, which comes without the session's cookie. It is kept until
    the browser, on our own page, brings that: only if it is signed, so that nobody can fill the table.
    """
    told = request.POST.get("SAMLResponse", "")
    try:
        _believe(told)
    except Untrusted as error:
        return _failed(request, _provider(request), error)
    kept = _kept(request)
    kept.store["answer"] = told
    kept.store.set_expiry(KEPT)
    page = redirect("saml_finish_acs")
    kept.save(page)
    page.cookies[kept.cookie_name]["httponly"] = True
    return page


@never_cache
@require_safe
def finish(request: HttpRequest) -> HttpResponseBase:
    """Signs in by the answer that was kept, if this session has asked for it, and has not had it yet."""
    provider, kept = _provider(request), _kept(request)
    told = kept.store.get("answer", "")
    kept.delete()
    try:
        answer = _believe(told)
        state = provider.unstash_redirect_state(request, answer.request)
    except PermissionDenied:
        return _failed(request, provider, Untrusted("This browser has not asked for it, or has had it."))
    except Untrusted as error:
        return _failed(request, provider, error)
    signs_in = provider.sociallogin_from_response(request, answer)
    signs_in.state = state
    page: HttpResponseBase = complete_social_login(request, signs_in)
    _date(request, answer)
    return page


def problem_of_metadata() -> str:
    """What keeps us from reading the provider's metadata; empty where nothing does."""
    try:
        _settings()
    except Untrusted as error:
        return str(error)
    return ""


@require_safe
def metadata(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """What an administrator of the provider needs to know of us."""
    ours = OneLogin_Saml2_Settings(_config({}), sp_validation_only=True)
    return HttpResponse(ours.get_sp_metadata(), content_type="application/samlmetadata+xml")


def _believe(told: str) -> Answer:
    """What the provider has signed, for us, now. Raises Untrusted."""
    if not told or len(told) > LONGEST:
        raise Untrusted("There is no answer, or one that is too long.")
    try:
        answer = Answer(_settings(), told)
        answer.check_status()
        problem = answer.problem() if answer.is_valid(_request_data()) else answer.get_error()
    except OneLogin_Saml2_ValidationError as error:
        is_no = error.code == OneLogin_Saml2_ValidationError.STATUS_CODE_IS_NOT_SUCCESS
        raise (Cancelled if is_no else Untrusted)(str(error)) from error
    except (OneLogin_Saml2_Error, ValueError, SyntaxError) as error:
        raise Untrusted(str(error)) from error  # no Base64, no XML, or encrypted
    if problem:
        raise Untrusted(problem)
    return answer


def _date(request: HttpRequest, answer: Answer) -> None:
    """Counts the sign-in as old as it is at the provider: who is let through there unasked has just proven nothing."""
    records = request.session.get(METHODS) or []
    if records and answer.signed_in_at and records[-1].get("provider") == settings.SAML["provider_id"]:
        records[-1]["at"] = min(records[-1]["at"], answer.signed_in_at.timestamp())
        request.session[METHODS] = records


def _failed(request: HttpRequest, provider: SAMLProvider, error: Untrusted) -> HttpResponseBase:
    logger.warning("A SAML sign-in was refused: %r", str(error)[:LONGEST_REASON])
    kind = AuthError.CANCELLED if isinstance(error, Cancelled) else AuthError.UNKNOWN
    page: HttpResponseBase = render_authentication_error(request, provider, error=kind, exception=error)
    return page


def _provider(request: HttpRequest) -> SAMLProvider:
    return get_adapter(request).get_provider(request, SAMLProvider.id)


def _kept(request: HttpRequest) -> LoginSession:
    return LoginSession(request, "saml_acs_session", "saml-acs-session")


def _here() -> str:
    return f"{settings.BASE_URL}{reverse('saml_acs')}"


def _request_data() -> dict[str, Any]:
    """Where answers arrive: as it is configured, whatever a request says of its host."""
    scheme, _, host = settings.BASE_URL.partition("://")
    return {
        "https": "on" if scheme == "https" else "off",
        "http_host": host,
        "script_name": reverse("saml_acs"),
    }


def _settings() -> OneLogin_Saml2_Settings:
    """Raises Untrusted where the provider's metadata cannot be had, or is none."""
    try:
        return OneLogin_Saml2_Settings(_config(_metadata_of_provider()))
    except Exception as error:  # the library raises whatever its parsers and the network do
        raise Untrusted(f"The provider's metadata: {error}") from error


def _metadata_of_provider() -> dict[str, Any]:
    where = settings.SAML_METADATA
    if where.startswith("<"):
        found = OneLogin_Saml2_IdPMetadataParser.parse(where, entity_id=settings.SAML_ISSUER)
    else:
        asked = {
            "metadata_url": where,
            "entity_id": settings.SAML_ISSUER,
            "metadata_request_timeout": PATIENCE,
        }
        found = fetch_metadata_url_config(asked)
    if "idp" not in found:
        raise Untrusted(f"It says nothing of {settings.SAML_ISSUER}.")
    provider: dict[str, Any] = found["idp"]
    return provider


def _config(provider: dict[str, Any]) -> dict[str, Any]:
    """The library's settings: https://github.com/SAML-Toolkits/python3-saml#settings."""
    return {
        "strict": True,
        "sp": {
            "entityId": settings.SAML_ENTITY_ID,
            "assertionConsumerService": {"url": _here(), "binding": Words.BINDING_HTTP_POST},
            "NameIDFormat": Words.NAMEID_UNSPECIFIED if settings.SAML_SUBJECT else Words.NAMEID_PERSISTENT,
        },
        "idp": provider,
        "security": {
            "wantAssertionsSigned": True,
            "rejectDeprecatedAlgorithm": True,
            "requestedAuthnContext": False,
            "wantNameId": not settings.SAML_SUBJECT,
            "wantAttributeStatement": bool(settings.SAML_SUBJECT),
            "allowRepeatAttributeName": True,
            "allowSingleLabelDomains": True,
            # Ours holds until somebody changes it: most providers read it once.
            "metadataValidUntil": "",
            "metadataCacheDuration": "",
        },
    }
