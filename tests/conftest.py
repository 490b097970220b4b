"""What all tests share: the cast, the skips by name, and closed sockets."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.cast import Cast, make_cast
from tests.databases import django_db_setup, leave_out_default_policies
from tests.servers import missing

__all__ = ["django_db_setup"]

SOCKETS = {
    "needs_postgresql",
    "needs_redis",
    "needs_rabbitmq",
    "needs_chromium",
    "needs_ldap",
    "needs_netns",
    "enable_socket",
}


class ByInstallation(LoadScopeScheduling):
    """Acceptance tests that share an installation go to the same process: it is the parameter in their names.

    xdist 3.8 has marks for this, which are lost under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        test, parameter, installation = nodeid.partition("[")
        return installation if parameter and "/acceptance/" in test else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByInstallation:
    return ByInstallation(config, log)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "enable_socket: talks to a server that the test itself runs")


def pytest_runtest_setup(item: pytest.Item) -> None:
    needs = {mark.name for mark in item.iter_markers()}
    for need in sorted(each for each in needs if each.startswith("needs_")):
        reason = missing(need.removeprefix("needs_"))
        if reason and os.environ.get("CI") and need != "needs_corpora":
            pytest.fail(f"On CI every server is there, but: {reason}")
        if reason:
            pytest.skip(reason)
    if needs & SOCKETS:
        enable_socket()
    else:
        disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    enable_socket()


@pytest.fixture(autouse=True)
def _settings(settings: object, tmp_path: object) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    settings.SOAR_HOME = tmp_path  # type: ignore[attr-defined]
    settings.STATIC_ROOT = tmp_path  # type: ignore[attr-defined]
    settings.WHITENOISE_AUTOREFRESH = True  # type: ignore[attr-defined] # or each client lists all static files


@pytest.fixture(autouse=True)
def _nobody_at_the_seams() -> Iterator[None]:
    from playbooks.executor import seams

    yield
    seams.visit()


@pytest.fixture(scope="session", autouse=True)
def _no_default_policies() -> None:
    """Tests begin on an installation that has no policies. What is about them says so: `default_policies`."""
    leave_out_default_policies()


@pytest.fixture
def default_policies(db: None) -> None:
    """The set that is in force on every new installation."""
    from playbooks.management import default_policies as shipped

    shipped.install()


@pytest.fixture
def cast(db: None) -> Cast:
    """The people of the demo, with their roles."""
    return make_cast()
