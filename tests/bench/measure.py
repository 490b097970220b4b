"""Every workload on the database that the environment names. Needs Django to be set up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from tests.bench import noop, scene
from tests.bench.chain import measure_chain, measure_fan
from tests.bench.crash import measure_crash
from tests.bench.crew import BEAT, SEQUENCER, WORKER, crew
from tests.bench.figures import Figure, publish
from tests.bench.gate import measure_gate
from tests.bench.inbox import measure_inbox
from tests.bench.ingest import measure_ingest
from tests.bench.parked import Parked
from tests.bench.reference import Loop, PostgresqlLoop, SqliteLoop
from tests.bench.scene import FULL, TENTH, Scene, Sizes


def measure(database: str, file: Path) -> None:
    """Prints each figure and adds it to `file`."""
    noop.register()
    call_command("migrate", verbosity=0)
    settings.STATIC_ROOT.mkdir()
    sizes = FULL if os.environ.get("FULL") == "1" else TENTH
    for figure in _figures(database, sizes):
        publish(figure, file)


def _figures(database: str, sizes: Sizes) -> Iterator[Figure]:
    people = scene.prepare()
    beside = Parked(database, sizes, people)
    with crew(*([SEQUENCER] if settings.EMBEDDED else [SEQUENCER, BEAT])) as started:
        world = Scene(database, sizes, people, started, started.start(WORKER))
        loop = _loop()
        yield from measure_chain(world, loop)
        yield from measure_fan(world, loop)
        yield from measure_gate(world, loop)
        yield from measure_crash(world)
    yield from beside.figures()
    yield from measure_inbox(database, sizes, people)
    yield from measure_ingest(database, sizes)


def _loop() -> Loop:
    if url := os.environ.get("SOAR_DATABASE_URL"):
        return PostgresqlLoop(url)
    return SqliteLoop(Path(settings.SOAR_HOME) / "reference.sqlite3")
