"""A step of which nobody knows whether it happened: it stands in the inbox, and a person's word moves the run on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast as as_type

import pytest
from django.urls import reverse

from playbooks import executor
from playbooks.connectors import registry
from playbooks.domain.statuses import RunStatus
from playbooks.models import Run
from playbooks.operations import actions, connections, runs
from tests.cast import Cast, publish
from tests.executor.world import LOST, World, connector
from tests.web.conftest import Look

TEXT = """\
playbook: once
title: Do it once
steps:
  - id: act
    do: fake.never
    with: {target: a}
"""


@pytest.fixture
def lost(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run whose only action got no answer."""
    known = as_type(dict[str, object], registry.CONNECTORS)
    monkeypatch.setitem(known, "fake", connector(World(outcomes=[LOST])))
    actions.actions.cache_clear()
    connections.configure("fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={})
    publish(cast, TEXT)
    run = runs.start("once", caller=cast.caller("analyst"))
    executor.drive(run.pk, worker="test")
    yield run
    actions.actions.cache_clear()


def test_it_is_work_for_those_who_can_look(lost: Run, look: Look) -> None:
    assert "Did act happen?" in look("tier2").get(reverse("inbox")).content.decode()
    assert "Did act happen?" not in look("netowner").get(reverse("inbox")).content.decode()
    page = look("tier2").get(reverse("run", args=[lost.pk])).content.decode()
    assert "Did “act” happen?" in page
    assert "Nobody knows whether act happened" in page


def test_the_word_needs_to_say_how_one_knows_and_keeps_what_was_chosen(lost: Run, look: Look) -> None:
    address = reverse("resolve-step", args=[lost.pk, "act"])
    answer = look("tier2").post(address, {"outcome": "give_up", "comment": " "})
    assert answer.status_code == 400
    assert 'value="give_up" checked' in answer.content.decode()


@pytest.mark.parametrize(
    ("outcome", "status"), [("happened", RunStatus.SUCCEEDED), ("give_up", RunStatus.FAILED)]
)
def test_a_persons_word_moves_the_run_on(lost: Run, look: Look, outcome: str, status: RunStatus) -> None:
    address = reverse("resolve-step", args=[lost.pk, "act"])
    form = {"outcome": outcome, "comment": "I looked at the far side."}
    assert look("tier2").post(address, form).status_code == 302
    lost.refresh_from_db()
    assert lost.status == status
    assert look("tier2").post(address, form).status_code == 409
