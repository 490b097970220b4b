"""What all tests share: the cast, the skips by name, and closed sockets."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket

from tests.cast import Cast, make_cast
from tests.servers import missing

SOCKETS = {
    "needs_postgresql",
    "needs_redis",
    "needs_rabbitmq",
    "needs_chromium",
    "needs_netns",
    "enable_socket",
}
_skipped: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "enable_socket: talks to a server that the test itself runs")


def pytest_runtest_setup(item: pytest.Item) -> None:
    needs = {mark.name for mark in item.iter_markers()}
    for need in sorted(each for each in needs if each.startswith("needs_")):
        reason = missing(need.removeprefix("needs_"))
        if reason:
            _skipped.append(item.nodeid)
            pytest.skip(reason)
    if needs & SOCKETS:
        enable_socket()
    else:
        disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    enable_socket()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On CI every server is there, so a skip is a failure; only the corpora may be absent."""
    if os.environ.get("CI") and any("corpora" not in each for each in _skipped):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _settings(settings: object, tmp_path: object) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    settings.SOAR_HOME = tmp_path  # type: ignore[attr-defined]
    settings.STATIC_ROOT = tmp_path  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _nobody_at_the_seams() -> Iterator[None]:
    from playbooks.executor import seams

    yield
    seams.visit()


@pytest.fixture
def cast(db: None) -> Cast:
    """The people of the demo, with their roles."""
    return make_cast()
