"""The tests' own OpenID provider does what real ones do, so that what is tested against it means something."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from tests.oidc_provider import OTHER_KEY, Provider, running_provider

pytestmark = pytest.mark.enable_socket

BACK = "http://localhost/back"
SECRET = ("countersign", "only-for-tests")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider(people={"ann": {"name": "Ann"}}, person="ann") as running:
        yield running


def code(provider: Provider, **more: str) -> str:
    asked = {"client_id": "countersign", "response_type": "code", "redirect_uri": BACK, "state": "s", **more}
    answer = httpx.get(f"{provider.issuer}/authorize", params=asked, trust_env=False)
    back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert back["state"] == ["s"]
    return back["code"][0]


def exchange(provider: Provider, code: str, secret: tuple[str, str] = SECRET, **more: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **more}
    return httpx.post(f"{provider.issuer}/token", data=form, auth=secret, trust_env=False)


def claims(provider: Provider, **more: str) -> dict[str, object]:
    token = exchange(provider, code(provider, **more)).json()["id_token"]
    (key,) = httpx.get(f"{provider.issuer}/jwks", trust_env=False).json()["keys"]
    found: dict[str, object] = jwt.decode(
        token,
        RSAAlgorithm.from_jwk(key),
        algorithms=["RS256"],
        audience="countersign",
        issuer=provider.issuer,
    )
    return found


def test_a_code_gives_a_signed_token_and_who_it_is_of(provider: Provider) -> None:
    said = claims(provider, nonce="n")
    assert (said["sub"], said["name"], said["nonce"]) == ("ann", "Ann", "n")


def test_a_code_is_good_for_once_for_its_client_and_with_its_verifier(provider: Provider) -> None:
    used = code(provider)
    assert exchange(provider, used).status_code == 200
    assert exchange(provider, used).json() == {"error": "invalid_grant"}
    assert exchange(provider, code(provider), ("countersign", "guess")).json() == {"error": "invalid_client"}
    assert exchange(provider, code(provider, code_challenge="x"), code_verifier="y").status_code == 400


def test_only_who_is_asked_again_has_signed_in_just_now(provider: Provider) -> None:
    provider.signed_in_at = 1_000_000
    assert claims(provider)["auth_time"] == 1_000_000
    assert claims(provider, prompt="login")["auth_time"] != 1_000_000
    provider.signed_in_at, provider.asks_again = 1_000_000, False
    assert claims(provider, prompt="login", max_age="0")["auth_time"] == 1_000_000


def test_a_forged_token_is_not_by_its_key(provider: Provider) -> None:
    provider.signing_key = OTHER_KEY
    with pytest.raises(jwt.InvalidSignatureError):
        claims(provider)
