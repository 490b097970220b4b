"""The executor's tests run against the world of tests/executor/world.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast as as_type

import pytest

from playbooks.connectors import registry
from playbooks.models import Connection, Run
from playbooks.operations import actions, connections, runs
from tests.cast import Cast, publish
from tests.databases import any_time
from tests.executor.world import World, connector

__all__ = ["any_time"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The fake connector, registered for one test."""
    small = World()
    known = as_type(dict[str, object], registry.CONNECTORS)
    monkeypatch.setitem(known, "fake", connector(small))
    actions.actions.cache_clear()
    yield small
    actions.actions.cache_clear()


@pytest.fixture
def fake(world: World, cast: Cast) -> Connection:
    return connections.configure(
        "fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={}
    )


@pytest.fixture
def begin(fake: Connection, cast: Cast) -> object:
    """Publishes a playbook with these steps and starts it as the analyst."""

    def start(steps: str, **more: str) -> Run:
        head = "".join(f"{key}: {value}\n" for key, value in more.items())
        version = publish(cast, f"playbook: under-test\ntitle: Under test\n{head}steps:\n{steps}")
        return runs.start(version.playbook.slug, caller=cast.caller("analyst"))

    return start
