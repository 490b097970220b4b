"""Every page as every person sees it: wide and narrow, light and dark, by name, by keyboard, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.browsing import signed_in
from tests.acceptance.installation import Installation
from tests.acceptance.waiting import until
from tests.acceptance.walking import PAGES, walk
from tests.cast import ROLES

pytestmark = pytest.mark.needs_chromium

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
# In the accessibility tree, something that a person can act on and that does not say what it does.
NAMELESS = re.compile(
    r"^\s*- (?:link|button|textbox|searchbox|combobox|checkbox|radio|spinbutton|slider|switch|tab)(?::|$| \[)",
    re.MULTILINE,
)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.timeout(900)
def test_every_page_is_quiet_says_what_each_control_does_and_fits(
    demo: Installation, browser: Browser
) -> None:
    seen, problems = set(), []
    ended = f"/runs/{demo.session('analyst').get('runs/', status='succeeded')['results'][0]['id']}/"
    for username in ROLES:
        also = (
            [ended, two_runs(demo)] if ROLES[username] else []
        )  # to whom no role lets see it, it does not exist
        with signed_in(browser, demo, username) as visitor:
            for kind, page in walk(visitor, *also):
                seen.add(kind)
                problems += [f"{username}: {each}" for each in problems_of(page)]
            problems += [f"{username}: {each}" for each in visitor.complaints]
    assert not problems, "\n".join(problems)
    assert seen >= PAGES


def two_runs(demo: Installation) -> str:
    """The comparison of two runs of one playbook."""
    runs: dict[str, list[str]] = {}
    for run in demo.session("analyst").get("runs/")["results"]:
        runs.setdefault(run["version"]["playbook"], []).append(run["id"])
    new, old = next(found for found in runs.values() if len(found) > 1)[:2]
    return f"/runs/compare/?a={old}&b={new}"


def problems_of(page: Page) -> Iterator[str]:
    for control in NAMELESS.findall(page.locator("body").aria_snapshot()):
        yield f"{page.url} has a control without a name: {control.strip()}"
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            if page.evaluate(OVERFLOW) > 0:
                yield f"{page.url} scrolls sideways at {width} pixels, {scheme}"


def test_the_inbox_is_worked_by_keyboard(demo: Installation, browser: Browser) -> None:
    with signed_in(browser, demo, "tier2") as visitor:
        page = visitor.page
        items = page.locator("[data-item]")
        assert items.count() >= 2
        for key, at in (("j", 0), ("j", 1), ("k", 0)):
            page.keyboard.press(key)
            expect(items.nth(at)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="What will run")).to_be_visible()
        for key, name in (("a", "Approve"), ("d", "Deny")):
            page.keyboard.press(key)
            expect(page.get_by_role("button", name=name)).to_be_focused()


def test_a_request_is_decided_with_four_keys_and_by_none_of_them_alone(
    demo: Installation, browser: Browser
) -> None:
    """j goes to it, Enter opens it, a goes to the button, Enter presses it. Leaning on a key decides nothing."""
    address = "203.0.113.81"
    with signed_in(browser, demo, "tier2") as visitor:
        request = asked(demo, address)
        page = visitor.open("/")
        item = page.locator("[data-item]").filter(has_text=address)
        for _ in range(page.locator("[data-item]").count()):
            page.keyboard.press("j")
            if item.evaluate("item => item === document.activeElement"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=f"Block {address}")).to_be_visible()
        for key in ("Enter", "Space", "y", "a", "a", "d", "a"):
            page.keyboard.press(key)
        expect(page.get_by_role("button", name="Approve")).to_be_focused()
        assert demo.session("tier2").get(f"approvals/{request}/")["decisions"] == []
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").first).to_contain_text("Your approval is recorded")


def asked(demo: Installation, address: str) -> str:
    """The request of a run that would block the address."""
    analyst = demo.session("analyst")
    run = analyst.post("runs/", {"playbook": "block-at-gateway", "inputs": {"address": address}})["id"]
    return str(until(lambda: analyst.get(f"runs/{run}/")["requests"], "the run asks for approval")[0]["id"])


def test_a_decision_needs_no_javascript(demo: Installation, browser: Browser) -> None:
    with signed_in(browser, demo, "tier2", java_script_enabled=False) as visitor:
        page = visitor.page
        page.get_by_role("region", name="You may decide").get_by_role(
            "link", name="at the gateway"
        ).first.click()
        page.get_by_label("Comment").fill("Our own scanner; see the change calendar.")
        page.get_by_role("button", name="Deny").click()
        expect(page.get_by_role("status").first).to_contain_text("Your denial is recorded")
