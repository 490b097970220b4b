"""Outputs that nobody may read: only the action that is meant to have them gets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast as as_type

import pytest

from playbooks import executor
from playbooks.connectors import registry
from playbooks.connectors.declaration import Binding, Connector, Context
from playbooks.domain.outcomes import Failed, Lost, Outcome, Succeeded
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
        self.answers: list[Outcome] = []  # of `give`, before the password
        self.echo: list[Outcome] = []  # of `take`, before what is kept

    def give(self, context: Context) -> Outcome:
        return self.answers.pop() if self.answers else Succeeded({"password": PASSWORD, "changed": True})

    def take(self, context: Context, *, password: str) -> Outcome:
        self.taken.append(password)
        if self.echo:
            return self.echo.pop()
        return Succeeded({"changed": True, "password": "kept"})

    def connector(self) -> Connector:
        keyed = next(each for each in connector(World()).bindings if each.action.key == "fake.never")
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


def test_a_secret_that_a_person_says_is_sealed_as_well(safe: Safe, cast: Cast) -> None:
    safe.answers = [Lost("The connection broke.")]
    run = ran(cast, HANDED)
    assert run.steps.get(key="reset").status == "unknown"
    runs.resolve(
        run.pk,
        "reset",
        caller=cast.caller("tier2"),
        resolution=runs.Resolution.HAPPENED,
        outputs={"password": PASSWORD},
        comment="I have looked.",
    )
    assert PASSWORD not in everything()
    executor.drive(run.pk, worker="test")
    assert safe.taken == [PASSWORD]
    assert PASSWORD not in everything()


@pytest.mark.parametrize("outcome", [Succeeded({"password": PASSWORD}), Failed(f"No: {PASSWORD}", True)])
def test_a_far_side_that_answers_with_the_secret_gives_nothing_away(
    safe: Safe, cast: Cast, outcome: Outcome
) -> None:
    safe.echo = [outcome]
    ran(cast, HANDED)
    assert safe.taken == [PASSWORD]
    assert PASSWORD not in everything()
