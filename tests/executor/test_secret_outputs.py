"""Outputs that nobody may read: only the action that is meant to have them gets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast as as_type

import pytest

from playbooks import executor
from playbooks.connectors import registry
from playbooks.connectors.declaration import Binding, Connector, Context
from playbooks.domain.outcomes import Outcome, Succeeded
from playbooks.domain.statuses import RunStatus
from playbooks.models import Run
from playbooks.operations import connections, playbooks, runs
from playbooks.operations.actions import actions
from playbooks.operations.refusals import Unsound
from tests.cast import Cast, publish
from tests.executor.test_secrets import everything
from tests.executor.world import World, connector

PASSWORD = "correct-horse-91"
GIVEN = {"type": "object", "properties": {"password": {"type": "string"}, "changed": {"type": "boolean"}}}
TAKEN = {"type": "object", "properties": {"password": {"type": "string", "writeOnly": True}}}
STEPS = """
playbook: new-password
title: New password
steps:
  - id: reset
    do: fake.give
    using: fake
    secret_outputs: [password]
  - id: hand_over
    do: fake.take
    using: fake
    with: {password: "%s"}
"""
HANDED = "${ steps.reset.outputs.password }"


class Safe:
    """A far side that gives a password and remembers what it is handed."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def give(self, context: Context) -> Outcome:
        return Succeeded({"password": PASSWORD, "changed": True})

    def take(self, context: Context, *, password: str) -> Outcome:
        self.taken.append(password)
        return Succeeded({"changed": True, "password": "kept"})

    def connector(self) -> Connector:
        keyed = next(each for each in connector(World()).bindings if each.action.key == "fake.keyed")
        return Connector("fake", "Fake", (), (self._give(keyed), self._take(keyed)))

    def _give(self, like: Binding) -> Binding:
        nothing = {"type": "object", "additionalProperties": False}
        action = replace(like.action, key="fake.give", inputs=nothing, outputs=GIVEN, target="")
        return replace(like, action=action, perform=self.give)

    def _take(self, like: Binding) -> Binding:
        action = replace(like.action, key="fake.take", inputs=TAKEN, outputs=GIVEN, target="")
        return replace(like, action=action, perform=self.take)


@pytest.fixture
def safe(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[Safe]:
    far_side = Safe()
    monkeypatch.setitem(as_type(dict[str, object], registry.CONNECTORS), "fake", far_side.connector())
    actions.cache_clear()
    connections.configure("fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={})
    yield far_side
    actions.cache_clear()


def ran(cast: Cast, handed: str) -> Run:
    publish(cast, STEPS % handed)
    run = runs.start("new-password", caller=cast.caller("analyst"))
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    return run


def test_a_secret_output_reaches_the_input_that_may_have_it_and_nothing_else(safe: Safe, cast: Cast) -> None:
    run = ran(cast, HANDED)
    assert (run.status, safe.taken) == (RunStatus.SUCCEEDED, [PASSWORD])
    assert PASSWORD not in everything()


def test_a_reference_to_a_secret_of_another_run_stays_a_text(safe: Safe, cast: Cast) -> None:
    first = ran(cast, HANDED)
    stolen = f"secret:{first.steps.get(key='reset').pk.hex}:password"
    ran(cast, stolen)
    assert safe.taken == [PASSWORD, stolen]


@pytest.mark.parametrize(
    "text", ["It is ${ steps.reset.outputs.password }", "${ steps.reset.outputs.password + '' }"]
)
def test_a_secret_cannot_be_put_into_a_text(safe: Safe, cast: Cast, text: str) -> None:
    with pytest.raises(Unsound):
        playbooks.draft(STEPS % text, caller=cast.caller("author"))
