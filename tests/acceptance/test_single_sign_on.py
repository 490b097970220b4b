"""Sign-in through a real OpenID provider: who is linked comes in, nobody else does, and nothing forged is believed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import httpx
import pytest
from playwright.sync_api import Browser

from tests.acceptance import places
from tests.acceptance.installation import MANAGE, Installation, running
from tests.acceptance.waiting import until
from tests.oidc_provider import KEY, OTHER_KEY, Provider, running_provider

pytestmark = pytest.mark.enable_socket

LOGIN = "/accounts/oidc/oidc/"
KNOWN, UNKNOWN = "248289761001", "999"
WRONG = {
    "the signature is another's": {"signing_key": OTHER_KEY},
    "it is for another client": {"wrong_claims": {"aud": "another"}},
    "it is of another issuer": {"wrong_claims": {"iss": "https://elsewhere.example"}},
    "it is over": {"wrong_claims": {"exp": 1_000_000}},
    "it says of nobody": {"wrong_claims": {"sub": None}},
    "there is none": {"gives_id_tokens": False},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    people = {
        KNOWN: {"email": "analyst@example.org", "preferred_username": "analyst"},
        # What others may set for themselves is that of somebody here.
        UNKNOWN: {"email": "tier2@example.org", "email_verified": True, "preferred_username": "tier2"},
    }
    with running_provider(people=people) as started:
        yield started


@pytest.fixture(scope="module")
def installation(provider: Provider) -> Iterator[Installation]:
    """Web alone, with the cast, of whom the analyst has an identity at the provider."""
    settings = {
        "SOAR_OIDC_ISSUER": provider.issuer,
        "SOAR_OIDC_CLIENT_ID": provider.client_id,
        "SOAR_OIDC_CLIENT_SECRET": provider.client_secret,
        "SOAR_OIDC_NAME": "Example",
    }
    with places.embedded() as environment, running(Installation({**environment, **settings})) as made:
        made.prepare()
        made.manage("person", "analyst", "--identity", f"oidc:{KNOWN}")
        made.start("web", *MANAGE, "runserver", "--noreload", "--insecure", str(made.port))
        until(lambda: _answers(made), "web answers", within=60)
        yield made


@pytest.fixture(autouse=True)
def _honest(provider: Provider) -> None:
    provider.person, provider.signed_in_at = KNOWN, 0
    provider.gives_id_tokens, provider.signing_key, provider.wrong_claims = True, KEY, {}


def _answers(installation: Installation) -> bool:
    try:
        return httpx.get(f"{installation.url}/accounts/login/", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def visit(installation: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=installation.url, timeout=30, trust_env=False) as http:
        http.get("/accounts/login/")
        yield http


def go(http: httpx.Client, path: str = LOGIN) -> httpx.Response:
    """Presses the button, and follows wherever it leads; the last answer."""
    form = {"csrfmiddlewaretoken": http.cookies["csrftoken"]}
    leaving = http.post(path, data=form)
    assert leaving.status_code == 200, leaving.text
    target = unescape(leaving.headers["Refresh"].removeprefix("0; url="))
    assert target in unescape(leaving.text)
    return http.get(target, follow_redirects=True)


def is_signed_in(http: httpx.Client) -> bool:
    return http.get("/").status_code == 200


def test_who_is_linked_comes_in_whatever_their_address_says(
    installation: Installation, provider: Provider
) -> None:
    with visit(installation) as http:
        assert "Sign in with Example" in http.get("/accounts/login/").text
        assert go(http).status_code == 200
        assert is_signed_in(http)
        assert "248289761001" in http.get("/keys/").text
    asked = provider.authorizations[-1]
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{installation.url}/accounts/oidc/oidc/callback/"


def test_who_is_not_linked_is_told_whom_to_ask_though_name_and_address_are_somebodys(
    installation: Installation, provider: Provider
) -> None:
    provider.person = UNKNOWN
    with visit(installation) as http:
        answer = go(http)
        assert (answer.status_code, is_signed_in(http)) == (403, False)
        assert "Ask an administrator" in answer.text
        assert UNKNOWN in answer.text


@pytest.mark.parametrize("wrong", WRONG)
def test_a_token_is_not_believed_when(installation: Installation, provider: Provider, wrong: str) -> None:
    for name, value in WRONG[wrong].items():
        setattr(provider, name, value)
    with visit(installation) as http:
        answer = go(http)
        assert (answer.status_code, is_signed_in(http)) == (403, False)
        assert "You are not signed in" in answer.text


def test_a_sign_in_that_is_broken_off_says_so(installation: Installation, provider: Provider) -> None:
    provider.person = None
    with visit(installation) as http:
        answer = go(http)
        assert answer.status_code == 403
        assert "broken off" in answer.text


def test_a_way_back_that_nobody_asked_for_lets_nobody_in(
    installation: Installation, provider: Provider
) -> None:
    """Somebody else's code, or none, in a browser that did not ask: forged or replayed."""
    with visit(installation) as victim, visit(installation) as attacker:
        form = {"csrfmiddlewaretoken": attacker.cookies["csrftoken"]}
        target = attacker.post(LOGIN, data=form).headers["Refresh"].removeprefix("0; url=")
        back = httpx.get(target, trust_env=False).headers["Location"]
        assert victim.get(back).status_code == 403
        assert not is_signed_in(victim)
        assert attacker.get(back).status_code == 302
        assert attacker.get(back).status_code in {302, 403}
    with visit(installation) as again:
        assert again.get(back).status_code == 403
        assert not is_signed_in(again)


def test_nobody_links_an_identity_to_themselves(installation: Installation, provider: Provider) -> None:
    provider.person = UNKNOWN
    with visit(installation) as http:
        form = {
            "login": "tier2",
            "password": installation.password,
            "csrfmiddlewaretoken": http.cookies["csrftoken"],
        }
        http.post("/accounts/login/", data=form)
        assert is_signed_in(http)
        assert go(http, f"{LOGIN}?process=connect").status_code == 403
        assert UNKNOWN not in http.get("/keys/").text
    with visit(installation) as http:
        assert go(http).status_code == 403


def test_an_old_sign_in_does_not_stand_for_the_person_being_there(
    installation: Installation, provider: Provider
) -> None:
    """Who has neither a password nor a factor here is asked to sign in again, before they may add one."""
    installation.manage("person", "sso-only", "--identity", "oidc:77", "--no-password")
    provider.person = "77"
    with visit(installation) as http:
        assert go(http).status_code == 200
        assert "Add a passkey" in http.get("/accounts/passkeys/add/").text
        age = (
            "from playbooks.models import Session; from playbooks.access.sessions import SessionStore;"
            "store = SessionStore(Session.objects.get(principal__username='sso-only').session_key);"
            "[each.update(at=each['at'] - 301) for each in store['account_authentication_methods']];"
            "store.save()"
        )
        installation.manage("shell", "-c", age)
        answer = http.get("/accounts/passkeys/add/")
        assert (answer.status_code, "Sign in once more" in answer.text) == (401, True)
        action = unescape(re.findall(r'action="(/accounts/oidc/[^"]+)"', answer.text)[0])
        assert str(go(http, action).url).endswith("/accounts/passkeys/add/")
    assert provider.authorizations[-1]["prompt"] == "login"


def test_a_deactivated_person_is_turned_away_though_the_provider_knows_them(
    installation: Installation, provider: Provider
) -> None:
    installation.manage("person", "leaver", "--identity", "oidc:78", "--no-password")
    provider.person = "78"
    with visit(installation) as http:
        go(http)
        assert is_signed_in(http)
        installation.manage("person", "leaver", "--deactivate")
        assert not is_signed_in(http)
        assert go(http).status_code == 403
        assert not is_signed_in(http)


@pytest.mark.needs_chromium
def test_a_browser_gets_through_by_itself(
    installation: Installation, provider: Provider, browser: Browser
) -> None:
    """The pages' policy lets forms lead nowhere else, so it goes by a page in between."""
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{installation.url}/accounts/login/")
    page.get_by_role("button", name="Sign in with Example").click()
    page.get_by_role("heading", name="Inbox").wait_for(timeout=30_000)
    assert not complaints
    page.close()
