"""People at a browser: each in a context of their own of the one Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import APIResponse, Browser, ConsoleMessage, Error, Page, sync_playwright

from tests.acceptance.installation import Installation
from tests.servers import CHROMIUM

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 15_000  # milliseconds


@dataclass
class Visitor:
    """A person with an open page; `complaints` are what the browser said against any page."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def forge(self, path: str, **form: str) -> APIResponse:
        """Posts a form that no page offers to this person, with their session and a valid CSRF token."""
        cookies = {each["name"]: each["value"] for each in self.page.context.cookies()}
        fields: dict[str, str | float | bool] = {**form, "csrfmiddlewaretoken": cookies["csrftoken"]}
        return self.page.request.post(self.url + path, form=fields, headers={"Referer": self.url + path})


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def signed_in(
    browser: Browser, installation: Installation, username: str, **options: Any
) -> Iterator[Visitor]:
    """The person, after the sign-in form."""
    context = browser.new_context(accept_downloads=True, **options)
    context.set_default_timeout(PATIENCE)
    visitor = Visitor(context.new_page(), installation.url)
    visitor.page.on("console", lambda message: _note(visitor, message))
    visitor.page.on("pageerror", lambda error: _note_error(visitor, error))
    try:
        page = visitor.open("/accounts/login/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(installation.password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name="Inbox").wait_for()
        yield visitor
    finally:
        context.close()


def _note(visitor: Visitor, message: ConsoleMessage) -> None:
    if message.type in {"error", "warning"}:
        visitor.complaints.append(f"{visitor.page.url}: {message.text}")


def _note_error(visitor: Visitor, error: Error) -> None:
    visitor.complaints.append(f"{visitor.page.url}: {error}")
