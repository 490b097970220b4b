"""The heart of a dry run: it takes the very path that a real run takes when the same happens to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import cast as as_type

import pytest
import time_machine

from playbooks.connectors import registry
from playbooks.domain.statuses import RunStatus
from playbooks.operations import actions, connections, dry_runs, people, runs
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.dry_runs import About, DryRun
from tests.cast import Cast, publish
from tests.databases import any_time
from tests.dry_runs import told
from tests.dry_runs.chosen import Chosen, choose
from tests.dry_runs.played import Far, Played
from tests.simulation import shapes
from tests.simulation.farside import connector

__all__ = ["any_time"]

SEEDS = 60
BEGIN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def clock(any_time: None) -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(BEGIN, tick=False) as traveller:
        yield traveller


@pytest.fixture
def answerer(cast: Cast) -> Caller:
    """Whoever answers has asked for what comes of it, and could not decide."""
    person = people.create("answerer", actor=SYSTEM, name="Answerer", password="-", roles=["tier-2"])
    return Caller(person)


def connect(cast: Cast, far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(as_type("dict[str, object]", registry.CONNECTORS), "far", connector(far))
    actions.actions.cache_clear()
    connections.configure("far", caller=cast.caller("admin"), connector="far", settings={}, secrets={})


def texts_of(seed: int) -> tuple[Random, tuple[str, str]]:
    """Two random playbooks; the second may run the first."""
    random = Random(seed)
    inner = shapes.playbook(random, "inner")
    return random, (inner, shapes.playbook(random, "outer", ["inner"]))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_dry_run_takes_the_path_of_the_run(
    seed: int,
    cast: Cast,
    answerer: Caller,
    clock: time_machine.Coordinates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random, texts = texts_of(seed)
    chosen = choose(random, *texts)
    connect(cast, Far(chosen), monkeypatch)
    for text in texts:
        publish(cast, text)
    dry = _dry(cast, chosen)
    run = runs.start("outer", caller=cast.caller("analyst"))
    Played(cast, chosen, answerer, tmp_path, clock).to_the_end()
    run.refresh_from_db()
    assert told.of_dry_run(dry) == told.of_run(run)
    assert told.calls_of_dry_run(dry) == told.calls_of_run(run)
    if run.status in {RunStatus.ROLLED_BACK, RunStatus.ROLLBACK_FAILED}:
        assert [each["step"].partition(" › ")[0] for each in dry.undoing] == told.undone(run)
    actions.actions.cache_clear()


def _dry(cast: Cast, chosen: Chosen) -> DryRun:
    about = About(choose=chosen.as_posted("outer"))
    return dry_runs.dry_run("outer", 1, about, caller=cast.caller("analyst"))


def test_the_playbooks_are_of_every_kind(db: None) -> None:
    drawn = "\n".join(text for seed in range(SEEDS) for text in texts_of(seed)[1])
    for kind in ("do", "approve", "ask", "wait", "run", "each", "repeat", "set"):
        assert f" {kind}:" in drawn, kind
