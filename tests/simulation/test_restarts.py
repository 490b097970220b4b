"""PostgreSQL stopped and started under load, and workers killed: real processes, in a short form."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.bench.crew import ROOT
from tests.simulation.cluster import programs


def test_no_run_is_lost_when_the_server_stops_and_workers_are_killed() -> None:
    if programs() is None:
        why = "no PostgreSQL server is installed here: initdb is missing"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    others = {name: value for name, value in os.environ.items() if not name.startswith("SOAR_")}
    command = [sys.executable, "-m", "tests.simulation.restarts"]
    played = subprocess.run(command, cwd=ROOT, env=others, check=False, capture_output=True, text=True)
    assert played.returncode == 0, played.stdout + played.stderr
