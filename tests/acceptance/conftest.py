"""One Chromium, and installations that several tests share. Each variant is a group of its own for xdist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.acceptance import places
from tests.acceptance.browsing import chromium
from tests.acceptance.installation import Installation, running

NEEDS_SERVERS = (pytest.mark.needs_chromium, pytest.mark.needs_netns, pytest.mark.needs_postgresql)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Package and not session: while it is open its event loop keeps Django's ORM away from this thread."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="package")
def demo() -> Iterator[Installation]:
    """`manage.py up --demo`, as `make run` starts it."""
    with places.embedded() as environment:
        password = {"SOAR_DEMO_PASSWORD": "three-calm-otters-in-rain"}
        made = Installation({**environment, **password}, password=password["SOAR_DEMO_PASSWORD"])
        with running(made):
            made.start_up("--demo")
            yield made
