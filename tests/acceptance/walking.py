"""Walks through the pages as a person would: wherever links lead, each kind of page once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.urls import resolve
from playwright.sync_api import Page

from playbooks.web.urls import urlpatterns
from tests.acceptance.browsing import Visitor

# Addresses that only take forms, and the part of a page that is loaded into it.
NO_PAGES = frozenset(
    {
        "decide",
        *("strike", "ask-again", "withdraw-decision", "withdraw-request"),
        *("access-change", "delegation-end", "shift-withdraw", "profile-confirm", "profile-withdraw"),
        *("check-policy", "never-touch-remove"),
        *("notice-mail-test", "notice-service", "notice-channel-test", "notice-channel-remove"),
        "run-cancel",
        "run-pause",
        "run-resume",
        "run-again",
        "resolve-step",
        "become",
        "hold-release",
        "check-playbook",
        *("session-end", "sessions-end-others", "token-issue", "token-revoke"),
        *("person-sessions-end", "person-link", "person-identity"),
        *("app-code", "first-administrator"),  # while something is set up
        *("step-up", "step-up-provider"),  # while something asks for a proof
        "access-team",  # of which the demo has none
        "review",  # once somebody has broken the glass, which takes a second factor
    }
    | {"run-live"}
)
# Pages that are always about something which the query names.
WITH_QUERY = {"run-compare": "run-compare?a"}
PAGES = frozenset(
    WITH_QUERY.get(name, name) for name in {str(pattern.name) for pattern in urlpatterns} - NO_PAGES
)
EACH = Counter({"approval": 2, "run": 2})
LINKS = """links => links
    .map(link => new URL(link.getAttribute("href"), document.baseURI))
    .map(url => url.pathname + url.search)"""


def walk(visitor: Visitor, *also: str) -> Iterator[tuple[str, Page]]:
    """Each page with its URL's name, from the inbox on and from wherever the caller says."""
    waiting, visits = ["/", *also], Counter[str]()
    while waiting:
        path = waiting.pop(0)
        kind = _kind(path)
        if visits[kind] < max(EACH[kind], 1):
            visits[kind] += 1
            page = visitor.open(path)
            waiting += page.locator("a[href^='/'], a[href^='?']").evaluate_all(LINKS)
            yield kind, page


def _kind(path: str) -> str:
    """The URL's name; with a query it is a kind of its own, such as a filtered list."""
    parts = urlsplit(path)
    name = str(resolve(parts.path).url_name)
    return f"{name}?{parts.query.partition('=')[0]}" if parts.query else name
