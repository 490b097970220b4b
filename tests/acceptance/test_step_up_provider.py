"""Proving it by a fresh sign-in at a real OpenID provider, for whoever has no factor here: and by nothing less."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from tests.acceptance.installation import Installation
from tests.acceptance.test_single_sign_on import KNOWN, UNKNOWN, go, installation, provider, visit
from tests.oidc_provider import Provider

__all__ = ["installation", "provider"]

pytestmark = pytest.mark.enable_socket

PAGE = "/step-up/?for=grant&next=/cases/"
PROVEN = "You have proven that it is you"


@pytest.fixture(autouse=True)
def _honest(provider: Provider) -> None:
    provider.person, provider.signed_in_at, provider.asks_again, provider.wrong_claims = KNOWN, 0, True, {}


@pytest.fixture
def http(installation: Installation) -> Iterator[httpx.Client]:
    """The analyst, who has signed in by the provider and has nothing else."""
    with visit(installation) as found:
        assert go(found).status_code == 200
        yield found


def prove(http: httpx.Client) -> httpx.Response:
    """Presses the button on the page that asks for it, and follows wherever that leads."""
    page = http.get(PAGE).text
    assert "Sign in again at" in page
    form = {"csrfmiddlewaretoken": http.cookies["csrftoken"], "provider": "oidc"}
    leaving = http.post("/step-up/provider?for=grant&next=%2Fstep-up%2F%3Ffor%3Dgrant", data=form)
    assert leaving.status_code == 200, leaving.text
    return http.get(unescape(leaving.headers["Refresh"].removeprefix("0; url=")), follow_redirects=True)


def test_a_fresh_sign_in_proves_it(http: httpx.Client, provider: Provider) -> None:
    answer = prove(http)
    assert answer.status_code == 200
    assert PROVEN in answer.text
    asked = provider.authorizations[-1]
    assert (asked["prompt"], asked["max_age"], len(asked["nonce"])) == ("login", "0", 64)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"asks_again": False, "signed_in_at": 1_000_000_000}, "let you through without a new sign-in"),
        ({"wrong_claims": {"auth_time": None}}, "does not say when you signed in"),
        ({"wrong_claims": {"auth_time": "now"}}, "does not say when you signed in"),
        ({"wrong_claims": {"nonce": "another"}}, "belongs to another sign-in"),
        ({"person": UNKNOWN}, "as somebody else"),
    ],
)
def test_nothing_less_than_a_fresh_sign_in_of_oneself_for_this_proves_it(
    http: httpx.Client, provider: Provider, wrong: dict[str, object], sentence: str
) -> None:
    for name, value in wrong.items():
        setattr(provider, name, value)
    answer = prove(http)
    assert answer.status_code == 401
    assert sentence in answer.text
    assert PROVEN not in http.get(PAGE).text


def test_the_way_back_serves_once(http: httpx.Client) -> None:
    answer = prove(http)
    back = next(str(each.url) for each in answer.history if "callback" in str(each.url))
    assert http.get(back, follow_redirects=True).status_code == 403


def test_a_proof_is_of_one_session(http: httpx.Client, installation: Installation) -> None:
    prove(http)
    with visit(installation) as other:
        go(other)
        assert PROVEN not in other.get(PAGE).text
