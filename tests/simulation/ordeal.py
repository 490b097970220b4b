"""What is done to the real processes of `restarts`, and whether the rules held."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from playbooks import executor
from playbooks.audit.signing import load_signer
from playbooks.domain.statuses import RUN_ENDED
from playbooks.models import Run
from tests.bench.crew import crew
from tests.bench.scene import wait_for
from tests.cast import make_cast
from tests.simulation.cluster import Cluster
from tests.simulation.filed import Filed, register
from tests.simulation.invariants import problems
from tests.simulation.load import Load
from tests.simulation.people import configure
from tests.simulation.record import Record

EFFECTS = 50  # between two stops
LATER = range(15, 56, 5)  # seconds from now, at which the sweep looks in the end: leases and pauses are over


def play(server: Cluster, home: Path, stops: int) -> int:
    """Returns 0 when every rule held."""
    call_command("migrate", verbosity=0)
    far, cast = register(home), make_cast()
    configure(cast)
    load = Load(cast, far)
    _stop_and_start(server, home, load, far, stops)
    _come_to_rest(load)
    record = Record(
        cast=cast,
        signer=load_signer(home),
        runs=load.runs,
        asked=len(load.runs),
        effects=far.count("done"),
        undone=far.count("undone"),
        given_up=frozenset(),
        complaints=tuple(f"Somebody met {error!r}." for error in load.errors),
    )
    found = problems(record)
    print(*found, sep="\n")
    print(f"{len(load.runs)} runs, {len(far.keys())} effects, {stops} stops of the server")
    return 1 if found else 0


def _stop_and_start(server: Cluster, home: Path, load: Load, far: Filed, stops: int) -> None:
    """Each time the server goes at once, in the middle of the work, and a worker with it. In the end all are killed."""
    commands = [
        (sys.executable, "-m", "tests.simulation.worker", f"{home}/worker{n}", str(home)) for n in (0, 1)
    ]
    with crew(*commands) as workers, load.going_on():
        for number in range(stops):
            _work(far)
            server.stop()
            workers.kill(workers.processes[0])
            server.start()
            workers.start(commands[number % 2])
        _work(far)
        for process in list(workers.processes):
            workers.kill(process)


def _work(far: Filed) -> None:
    begun = len(far.keys())
    wait_for(lambda: len(far.keys()) > begun + EFFECTS, f"{EFFECTS} more effects happened")


def _come_to_rest(load: Load) -> None:
    """Nobody of the workers is left. Leases run out, and people answer what is asked."""
    connection.close()  # the server that it led to is gone
    for seconds in LATER:
        executor.sweep(now=timezone.now() + timedelta(seconds=seconds))
        load.drive()
        load.resolve()
        load.approve()
        load.drive()
        if not Run.objects.exclude(status__in=RUN_ENDED).exists():
            return
