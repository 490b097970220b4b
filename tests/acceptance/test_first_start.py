"""A new installation, from its one-time link on: the first administrator adds a passkey, and signs in with it alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance import places
from tests.acceptance.browsing import PATIENCE
from tests.acceptance.installation import Installation, running

pytestmark = pytest.mark.needs_chromium

PASSWORD = "seven-tall-ships"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def fresh() -> Iterator[Installation]:
    """`manage.py up` on an empty database."""
    with places.embedded() as environment, running(Installation(environment)) as made:
        made.start_up()
        yield made


@contextmanager
def visitor(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A browser with a virtual authenticator (WebAuthn, 11), and what it complains about."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page, complaints = context.new_page(), list[str]()
    page.on(
        "console", lambda each: complaints.append(each.text) if each.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    try:
        yield page, complaints
    finally:
        context.close()


def sign_out(page: Page, url: str) -> None:
    page.goto(f"{url}/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.get_by_label("Username").wait_for()


def test_from_the_link_to_a_sign_in_with_a_passkey_alone(fresh: Installation, browser: Browser) -> None:
    (link,) = re.findall(r"http://localhost:\d+/first-administrator/\S+", fresh.logs())
    with visitor(browser) as (page, complaints):
        page.goto(link)
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Name", exact=True).fill("Ada Novak")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Begin").click()
        page.get_by_role("link", name="Add a passkey").click()
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("button", name="Add it").click()
        expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        expect(page.get_by_role("listitem").filter(has_text=re.compile(r"^\d{8}$"))).to_have_count(10)

        sign_out(page, fresh.url)
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()

        sign_out(page, fresh.url)
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()

        fresh.manage("person", "ada", "--deactivate")
        page.goto(f"{fresh.url}/keys/")
        expect(page.get_by_label("Username")).to_be_visible()
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("This did not work")
        assert not complaints
    assert fresh.logs().count("/first-administrator/") == 1


def test_a_browser_without_the_passkey_is_told_so(fresh: Installation, browser: Browser) -> None:
    with visitor(browser) as (page, _):
        page.goto(f"{fresh.url}/accounts/login/")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("No passkey was given")
