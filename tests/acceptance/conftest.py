"""One Chromium, and the installations that several tests share: their names in brackets say which.

Their scope is the package and not the session: while Chromium is open, its event loop keeps Django's ORM away from
the thread, which tests elsewhere need.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.acceptance import places
from tests.acceptance.browsing import chromium
from tests.acceptance.installation import Installation, running
from tests.acceptance.stage import Stage, built

DEMO_PASSWORD = "three-calm-otters-in-rain"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="package")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Parametrized with a place: see stage.py."""
    with built(request.param, tmp_path_factory.mktemp("nft")) as found:
        yield found


@pytest.fixture(scope="package", params=["demo"])
def demo() -> Iterator[Installation]:
    """`manage.py up --demo`, as `make run` starts it."""
    with places.embedded() as environment:
        made = Installation({**environment, "SOAR_DEMO_PASSWORD": DEMO_PASSWORD}, password=DEMO_PASSWORD)
        with running(made):
            made.start_up("--demo")
            yield made
