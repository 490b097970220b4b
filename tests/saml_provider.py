"""A SAML provider that tests run in their own process: its metadata, and answers that it signs, rightly or wrongly.

SAML 2.0: Core, Bindings, and the Web Browser SSO Profile (Profiles, 4.1).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Words
from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils

ISSUER = "https://id.example.org/saml"
SSO = "https://id.example.org/sso"
NAMES = {"saml": Words.NS_SAML, "samlp": Words.NS_SAMLP}


@dataclass(frozen=True)
class Keys:
    private: str
    certificate: str


@cache
def keys(name: str) -> Keys:
    """A key of its own for each name, with a certificate that it signed itself."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(
        issuer_name=named,
        subject_name=named,
        public_key=private.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_valid_after=datetime(2120, 1, 1, tzinfo=UTC),
    ).sign(private, SHA256())
    written = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Keys(written.decode(), made.public_bytes(Encoding.PEM).decode())


def metadata(issuer: str = ISSUER, *names: str) -> str:
    """What the provider says of itself; `names` are those of the keys that it may sign with."""
    certificates = "".join(
        f'<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{_bare(each)}'
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for each in names or ("provider",)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
    <md:EntityDescriptor xmlns:md="{Words.NS_MD}" xmlns:ds="{Words.NS_DS}" entityID="{issuer}">
      <md:IDPSSODescriptor protocolSupportEnumeration="{Words.NS_SAMLP}">{certificates}
        <md:SingleSignOnService Binding="{Words.BINDING_HTTP_REDIRECT}" Location="{SSO}"/>
      </md:IDPSSODescriptor></md:EntityDescriptor>"""


def _bare(name: str) -> str:
    return "".join(keys(name).certificate.splitlines()[1:-1])


def asked(target: str) -> Any:
    """The request that a browser was sent to the provider with."""
    [request] = parse_qs(urlsplit(target).query)["SAMLRequest"]
    return etree.fromstring(zlib.decompress(base64.b64decode(request), -15))


@dataclass
class Telling:
    """An answer of the provider. What is not said otherwise is as it should be; None leaves an attribute out."""

    request: str | None
    subject: str = "248289761001"
    entity_id: str | None = "http://localhost:8000/accounts/saml/metadata/"
    recipient: str | None = "http://localhost:8000/accounts/saml/acs/"
    issuer: str = ISSUER
    format: str = Words.NAMEID_PERSISTENT
    attributes: Mapping[str, list[str]] = field(default_factory=dict)
    begins: timedelta = timedelta(minutes=-1)
    lasts: timedelta | None = timedelta(minutes=5)
    signed_in: timedelta = timedelta()  # ago
    id: str = field(default_factory=lambda: f"_{uuid4()}")

    def assertion(self) -> str:
        until = _in(self.lasts) if self.lasts is not None else None
        bound = _attributes(NotOnOrAfter=until, Recipient=self.recipient, InResponseTo=self.request)
        conditions = _attributes(NotBefore=_in(self.begins), NotOnOrAfter=until)
        audience = f"<saml:Audience>{self.entity_id}</saml:Audience>"
        restriction = (
            f"<saml:AudienceRestriction>{audience}</saml:AudienceRestriction>" if self.entity_id else ""
        )
        return f"""<saml:Assertion xmlns:saml="{Words.NS_SAML}" ID="{self.id}" Version="2.0" IssueInstant="{_in()}">
          <saml:Issuer>{self.issuer}</saml:Issuer>
          <saml:Subject><saml:NameID Format="{self.format}">{self.subject}</saml:NameID>
            <saml:SubjectConfirmation Method="{Words.CM_BEARER}"><saml:SubjectConfirmationData{bound}/>
            </saml:SubjectConfirmation></saml:Subject>
          <saml:Conditions{conditions}>{restriction}</saml:Conditions>
          <saml:AuthnStatement AuthnInstant="{_in(-self.signed_in)}"><saml:AuthnContext><saml:AuthnContextClassRef>
            {Words.AC_PASSWORD_PROTECTED}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
          {self._statement()}</saml:Assertion>"""

    def _statement(self) -> str:
        told = "".join(
            f'<saml:Attribute Name="{name}">'
            + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
            + "</saml:Attribute>"
            for name, values in self.attributes.items()
        )
        return f"<saml:AttributeStatement>{told}</saml:AttributeStatement>" if told else ""

    def signed(self, name: str = "provider", algorithm: str = Words.RSA_SHA256) -> str:
        """The assertion, signed with the key of that name."""
        key = keys(name)
        written = Utils.add_sign(self.assertion(), key.private, key.certificate, sign_algorithm=algorithm)
        return str(written.decode())


def response(
    *assertions: str,
    to: str | None,
    status: str = Words.STATUS_SUCCESS,
    at: str = "http://localhost:8000/accounts/saml/acs/",
) -> str:
    """A whole answer, unsigned around what is in it, as most providers send it."""
    answers = _attributes(InResponseTo=to, Destination=at)
    return f"""<samlp:Response xmlns:samlp="{Words.NS_SAMLP}" xmlns:saml="{Words.NS_SAML}" ID="_{uuid4()}"
      Version="2.0" IssueInstant="{_in()}"{answers}><saml:Issuer>{ISSUER}</saml:Issuer>
      <samlp:Status><samlp:StatusCode Value="{status}"/></samlp:Status>{"".join(assertions)}</samlp:Response>"""


def _attributes(**named: str | None) -> str:
    return "".join(f' {name}="{value}"' for name, value in named.items() if value is not None)


def _in(span: timedelta = timedelta()) -> str:
    return f"{datetime.now(UTC) + span:%Y-%m-%dT%H:%M:%SZ}"
