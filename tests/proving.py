"""Second factors for tests: a passkey in software, which signs as a real one does, and an authenticator app."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from django.test import Client
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from playbooks.domain.statuses import Verdict
from playbooks.domain.stepup import FRESH, UNBOUND, Method, Need, Purpose, demanded, need_of_decision
from playbooks.models import ApprovalRequest, Principal, StepUp
from playbooks.operations import stepup
from playbooks.operations.caller import Caller, session_of
from playbooks.operations.requests import stored_subject

ORIGIN = "http://testserver"
PASSWORD = "only-for-tests"
SECRET = base64.b32encode(b"12345678901234567890").decode()
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass(frozen=True, slots=True)
class Passkey:
    """A key in software that belongs to an origin. `is_verified`: it has looked who touches it."""

    origin: str = ORIGIN
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def register(self, person: Principal) -> Passkey:
        """As the page that registers passkeys stores it."""
        public = ES256.from_cryptography_key(self.key.public_key())
        attested = AttestedCredentialData.create(b"\0" * 16, self.id, public)
        about = AuthenticatorData.create(self._party(), PRESENT | VERIFIED | ATTESTED, 0, attested)
        told = {"type": "webauthn.create", "challenge": "AA", "origin": self.origin}
        response = {
            "clientDataJSON": websafe_encode(json.dumps(told).encode()),
            "attestationObject": websafe_encode(bytes(AttestationObject.create("none", about, {}))),
        }
        data = {"name": "Test", "credential": self._named(response)}
        Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data=data)
        return self

    def sign(self, options: dict[str, Any], *, origin: str = "", is_verified: bool = True) -> dict[str, Any]:
        """The answer to what `navigator.credentials.get` was asked."""
        challenge = options["publicKey"]["challenge"]
        told = {"type": "webauthn.get", "challenge": challenge, "origin": origin or self.origin}
        client = json.dumps(told).encode()
        flags = PRESENT | (VERIFIED if is_verified else 0)
        about = bytes(AuthenticatorData.create(self._party(), flags, 1))
        signature = self.key.sign(about + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": websafe_encode(client),
            "authenticatorData": websafe_encode(about),
            "signature": websafe_encode(signature),
        }
        return self._named(response)

    def _named(self, response: dict[str, str]) -> dict[str, Any]:
        name = websafe_encode(self.id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response}

    def _party(self) -> bytes:
        return hashlib.sha256(self.origin.partition("://")[2].partition(":")[0].encode()).digest()


def give_code(person: Principal) -> None:
    """An authenticator app that knows SECRET."""
    data = {"secret": get_adapter().encrypt(SECRET)}
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data=data)


def code_at(at: datetime | None = None) -> str:
    counter = int((at or timezone.now()).timestamp()) // 30
    return HOTP(base64.b32decode(SECRET), 6, SHA1()).generate(counter).decode()


def passkey_of(person: Principal) -> Passkey:
    """A new passkey of the person's own."""
    return Passkey().register(person)


def prove(caller: Caller, need: Need) -> StepUp:
    """The person proves what is needed, with a passkey that they get for it."""
    key = passkey_of(caller.principal)
    row = stepup.begin(need, caller=caller)
    signed = key.sign(stepup.options(row, origin=ORIGIN))
    return stepup.prove_by_passkey(row.pk, caller=caller, origin=ORIGIN, assertion=signed)


def proven(caller: Caller) -> Caller:
    """The caller, who proved a moment ago that it is them: for tests that are about something else."""
    now = timezone.now()
    StepUp.objects.create(
        person=caller.principal,
        session=caller.session,
        purpose=Purpose.GRANT,
        nonce=secrets.token_hex(32),
        digest=UNBOUND,
        issued_at=now,
        expires_at=now + FRESH,
        method=Method.PASSKEY,
        proven_at=now,
    )
    return caller


def proven_in(client: Client, person: Principal) -> Client:
    """The browser of somebody who proved in it a moment ago that it is them."""
    proven(Caller(person, session=session_of(client.session.session_key)))
    return client


def prove_decision(caller: Caller, request: ApprovalRequest, verdict: Verdict = Verdict.APPROVE) -> None:
    """What the decision takes, if it takes anything."""
    taken = demanded(stored_subject(request))
    if taken and verdict is Verdict.APPROVE and caller.token is None:
        prove(caller, need_of_decision(request.digest, verdict.value, taken))
