"""A small OpenID provider that the tests run themselves: discovery, authorize, token, keys and userinfo.

It has no pages: `person` is whoever sits before it, and each request to authorize is answered at once. It keeps a
session, as real ones do: without `prompt=login` or `max_age` the person's `auth_time` stays that of the first sign-in.
The knobs of `Provider` make it answer wrongly, to see that nobody believes it.

OpenID Connect Core 1.0, Discovery 1.0, and PKCE (RFC 7636) with S256.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ALGORITHM = "RS256"
LIFETIME = 300  # seconds that a token is good for
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # that nobody was told of


class Refusal(Exception):
    """An error of OAuth 2.0 (RFC 6749, 5.2)."""


@dataclass
class Provider:
    """`people` are the claims of each person, by their subject. `authorizations` are the requests that came."""

    issuer: str = ""
    client_id: str = "countersign"
    client_secret: str = "only-for-tests"
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    person: str | None = None  # the subject of who sits before it; None turns everybody away
    signed_in_at: int = 0  # when the person's session began, in seconds since 1970; 0 for no session yet
    authorizations: list[dict[str, str]] = field(default_factory=list)

    # How it goes wrong.
    gives_id_tokens: bool = True
    asks_again: bool = True  # whether `prompt=login` and `max_age` make it ask, and so move `auth_time`
    signing_key: rsa.RSAPrivateKey = KEY
    wrong_claims: dict[str, Any] = field(
        default_factory=dict
    )  # put over those of each ID token; None takes one away

    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    access_tokens: dict[str, str] = field(default_factory=dict)

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self) -> dict[str, Any]:
        """The public key (RFC 7517); never that of `signing_key`, if it is another one."""
        public = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "only", "use": "sig", "alg": ALGORITHM}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes back to, with a code or with an error."""
        self.authorizations.append(asked)
        if asked.get("client_id") != self.client_id or asked.get("response_type") != "code":
            raise Refusal("unauthorized_client")
        answer = {"state": asked.get("state", "")}
        if self.person is None:
            answer["error"] = "access_denied"
        else:
            answer["code"] = self._code(asked, self.person)
        joint = "&" if "?" in asked["redirect_uri"] else "?"
        return f"{asked['redirect_uri']}{joint}{urlencode(answer)}"

    def _code(self, asked: Mapping[str, str], person: str) -> str:
        now = int(time.time())
        if not self.signed_in_at or (self.asks_again and self._has_to_ask(asked, now)):
            self.signed_in_at = now
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**asked, "person": person, "auth_time": self.signed_in_at}
        return code

    def _has_to_ask(self, asked: Mapping[str, str], now: int) -> bool:
        is_old = "max_age" in asked and now - self.signed_in_at >= int(asked["max_age"])
        return asked.get("prompt") == "login" or is_old

    def exchange(self, form: Mapping[str, str], credentials: tuple[str, str]) -> dict[str, Any]:
        """Tokens for a code, which is good for once."""
        if credentials != (self.client_id, self.client_secret):
            raise Refusal("invalid_client")
        granted = self.codes.pop(form.get("code", ""), None)
        if granted is None or granted["redirect_uri"] != form.get("redirect_uri"):
            raise Refusal("invalid_grant")
        challenge = granted.get("code_challenge")
        if challenge and challenge != _challenge(form.get("code_verifier", "")):
            raise Refusal("invalid_grant")
        token = secrets.token_urlsafe(16)
        self.access_tokens[token] = granted["person"]
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            **({"id_token": self.id_token(granted)} if self.gives_id_tokens else {}),
        }

    def id_token(self, granted: Mapping[str, Any]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": secrets.token_hex(8),
            "auth_time": granted["auth_time"],
            "nonce": granted.get("nonce"),
            **self.claims_of(granted["person"]),
            **self.wrong_claims,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(said, self.signing_key, algorithm=ALGORITHM, headers={"kid": "only"})

    def claims_of(self, person: str) -> dict[str, Any]:
        return {"sub": person, **self.people.get(person, {})}

    def userinfo(self, token: str) -> dict[str, Any]:
        if token not in self.access_tokens:
            raise Refusal("invalid_token")
        return self.claims_of(self.access_tokens[token])


class Door(BaseHTTPRequestHandler):
    """HTTP in front of a provider."""

    def __init__(self, provider: Provider, *args: Any) -> None:
        self.provider = provider
        super().__init__(*args)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        match parts.path:
            case "/.well-known/openid-configuration":
                self._answer(self.provider.configuration())
            case "/jwks":
                self._answer(self.provider.keys())
            case "/authorize":
                self._go_to(dict(parse_qsl(parts.query)))
            case "/userinfo":
                bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
                self._try(partial(self.provider.userinfo, bearer))
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = dict(parse_qsl(self.rfile.read(length).decode()))
        if self.path == "/token":
            self._try(partial(self.provider.exchange, form, self._credentials(form)))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _credentials(self, form: Mapping[str, str]) -> tuple[str, str]:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return form.get("client_id", ""), form.get("client_secret", "")
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
        return unquote(name), unquote(secret)

    def _try(self, make: partial[dict[str, Any]]) -> None:
        try:
            self._answer(make())
        except Refusal as refusal:
            self._answer({"error": str(refusal)}, HTTPStatus.BAD_REQUEST)

    def _go_to(self, asked: dict[str, str]) -> None:
        try:
            address = self.provider.authorize(asked)
        except Refusal as refusal:
            self._answer({"error": str(refusal)}, HTTPStatus.BAD_REQUEST)
            return
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, value: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the library's signature
        """Says nothing."""


@contextmanager
def running_provider(**about: Any) -> Iterator[Provider]:
    """The provider on a port of its own; `about` are the fields of `Provider`. The test needs sockets."""
    provider = Provider(**about)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Door, provider)) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, name="oidc provider", daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
