"""Workers that drive at once, in real threads on real connections: the far side never sees more than it may."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from django.db import connection, connections

from playbooks import executor
from playbooks.connectors.declaration import Context
from playbooks.domain.limits import Limits
from playbooks.domain.outcomes import Outcome
from playbooks.domain.statuses import RunStatus
from playbooks.models import Run
from playbooks.operations import actions
from playbooks.operations import connections as connection_operations
from tests.cast import make_cast
from tests.databases import fresh_database
from tests.executor import conftest as of_executor
from tests.executor.world import World
from tests.operations.waiting import act, published, start

__all__ = ["fresh_database"]

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer, so nobody meets a rival"
)
pytestmark = [pytest.mark.needs_postgresql, on_postgresql]
RUNS, MOST = 6, 2


@dataclass
class Counting(World):
    """`most` is how many calls were at the far side at once. Each waits there a moment for company."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    company: threading.Barrier = field(default_factory=lambda: threading.Barrier(MOST + 1))
    inside: int = 0
    most: int = 0

    def act_once_a_key(self, context: Context, *, target: str = "") -> Outcome:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        with suppress(threading.BrokenBarrierError):
            self.company.wait(timeout=0.2)  # broken for good once nobody else has come
        with self.lock:
            self.inside -= 1
        return super().act_once_a_key(context, target=target)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setitem(of_executor.registry.CONNECTORS, "fake", of_executor.connector(counting))  # type: ignore[arg-type]
    actions.actions.cache_clear()
    return counting


def test_as_many_workers_as_runs_never_use_more_than_the_slots(fresh_database: None, world: Counting) -> None:
    cast = make_cast()
    connection_operations.configure(
        "fake",
        caller=cast.caller("admin"),
        connector="fake",
        settings={},
        secrets={},
        limits=Limits(most_at_once=MOST),
    )
    slug = published(cast, "many", act(target='"${ inputs.name }"'), "inputs: {name: {type: string}}\n")
    runs = [start(cast, slug, name=f"t{number}") for number in range(RUNS)]
    for _ in range(RUNS):
        with ThreadPoolExecutor(RUNS) as pool:
            list(pool.map(_drive, runs))
        executor.sweep()
    assert {Run.objects.get(pk=run.pk).status for run in runs} == {RunStatus.SUCCEEDED}
    assert world.most <= MOST
    assert sorted(world.order) == [f"t{number}" for number in range(RUNS)]
    actions.actions.cache_clear()


def _drive(run: Run) -> None:
    try:
        executor.drive(run.pk, worker=threading.current_thread().name)
    finally:
        connections.close_all()
