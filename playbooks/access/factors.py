"""The factors that a person can prove to be themselves with. django-allauth keeps them; here they are asked.

Its own re-authentication is not asked: for whoever signs in through an identity provider only, it answers yes.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from django.apps import apps
from django.conf import settings
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    PublicKeyCredentialRpEntity,
    RegistrationResponse,
    UserVerificationRequirement,
)

from playbooks.domain.stepup import CODE_SECONDS, Method
from playbooks.models import Principal, PrincipalKind

TOLERANCE = 1  # time steps by which the clock of a telephone may be wrong
DIGITS = 6
UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    LookupError,
    AttributeError,
)  # what a forged assertion can raise
VERIFIED = (
    UserVerificationRequirement.REQUIRED
)  # that it is the person, by fingerprint or PIN, and not only a touch


def paths_of(person: Principal) -> tuple[Method, ...]:
    """The ways in which the person can prove to be themselves, the strongest first."""
    kinds = set(Authenticator.objects.filter(user=person).values_list("type", flat=True))
    has_code = Authenticator.Type.TOTP in kinds and person.has_usable_password()
    held = {
        Method.PASSKEY: Authenticator.Type.WEBAUTHN in kinds,
        Method.CODE: has_code,
        Method.PROVIDER: bool(accounts_of(person)),
    }
    return tuple(method for method in Method if held[method])


def accounts_of(person: Principal) -> dict[str, list[str]]:
    """{provider: the person's accounts there}, of the OpenID providers that are configured now."""
    if not apps.is_installed("allauth.socialaccount"):
        return {}
    table = import_module("allauth.socialaccount.models").SocialAccount
    linked = table.objects.filter(user=person, provider__in=_openid_providers())
    found: dict[str, list[str]] = {}
    for provider, account in linked.values_list("provider", "uid"):
        found.setdefault(provider, []).append(account)
    return found


def people_with_passkeys(people: Iterable[Principal]) -> list[Principal]:
    """Those who can prove to be themselves whether or not anything else can be reached."""
    having = Authenticator.objects.filter(
        type=Authenticator.Type.WEBAUTHN, user__kind=PrincipalKind.PERSON, user__is_active=True
    )
    keyed = set(having.values_list("user", flat=True))
    return [each for each in people if each.pk in keyed]


def assertion_options(person: Principal, origin: str, challenge: bytes) -> dict[str, Any]:
    """What `navigator.credentials.get` is to be asked, in the JSON of WebAuthn; one of the person's keys has to sign
    `challenge`.
    """
    options, _ = _server(origin).authenticate_begin(_credentials(person), VERIFIED, challenge=challenge)
    return dict(options)


def is_signed(person: Principal, origin: str, challenge: bytes, assertion: Mapping[str, Any]) -> bool:
    """Whether a key of the person, at this origin, has signed exactly `challenge`, after checking who it is."""
    server, keys = _server(origin), _credentials(person)
    _, state = server.authenticate_begin(keys, VERIFIED, challenge=challenge)
    try:
        used = server.authenticate_complete(state, keys, assertion)
    except UNREADABLE:
        return False
    return any(used.credential_id == each.credential_id for each in keys)


def fitting_counters(person: Principal, code: str, now: datetime) -> list[int]:
    """The time steps around `now` whose code this is, later than that of a sign-in with a code (RFC 6238)."""
    row = Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).first()
    typed = "".join(code.split())
    if row is None or not typed.isascii():
        return []
    secret = _key(get_adapter().decrypt(row.data["secret"]))
    here = _counter(now)
    used = _counter(row.last_used_at) if row.last_used_at else -1
    around = range(here - TOLERANCE, here + TOLERANCE + 1)
    return [each for each in around if each > used and hmac.compare_digest(_code(secret, each), typed)]


def _counter(at: datetime) -> int:
    return int(at.timestamp()) // CODE_SECONDS


def _key(secret: str) -> HOTP:
    """SHA-1 is what authenticator apps compute; in an HMAC it is sound (RFC 4226)."""
    return HOTP(base64.b32decode(secret, casefold=True), DIGITS, SHA1(), enforce_key_length=False)  # noqa: S303


def _code(key: HOTP, counter: int) -> str:
    return key.generate(counter).decode()


def _credentials(person: Principal) -> list[AttestedCredentialData]:
    rows = Authenticator.objects.filter(user=person, type=Authenticator.Type.WEBAUTHN).order_by("pk")
    registered = (RegistrationResponse.from_dict(row.data["credential"]) for row in rows)
    found = (each.response.attestation_object.auth_data.credential_data for each in registered)
    return [each for each in found if each is not None]


def _server(origin: str) -> Fido2Server:
    """`origin` is that of the page, such as https://soar.example.org: an answer given to another page is worth
    nothing.
    """
    party = PublicKeyCredentialRpEntity(id=urlsplit(origin).hostname, name="Countersign")
    return Fido2Server(party, verify_origin=lambda told: told == origin)


def _openid_providers() -> list[str]:
    configured = getattr(settings, "SOCIALACCOUNT_PROVIDERS", {}).get("openid_connect", {})
    return [each["provider_id"] for each in configured.get("APPS", [])]
