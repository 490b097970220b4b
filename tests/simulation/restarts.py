"""`python -m tests.simulation.restarts`: real workers and a real PostgreSQL, which is stopped and started under load.

Workers are killed with SIGKILL, the server is stopped without a checkpoint. Afterwards the rules of every simulated
history hold here too.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.simulation.cluster import Cluster, cluster

SECRET = "only-for-tests-" * 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.restarts")
    parser.add_argument("--stops", type=int, default=2, help="how often the server is stopped and started")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with cluster() as server, tempfile.TemporaryDirectory(prefix="simulation-") as home:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="soar.settings",
            SOAR_HOME=f"{home}/worker0",
            SOAR_DATABASE_URL=server.url,
            SOAR_SECRET_KEY=SECRET,
            SOAR_CONNECTION_KEY=SECRET,
            SOAR_LOG_LEVEL="CRITICAL",
        )
        return _play(server, Path(home), arguments.stops)


def _play(server: Cluster, home: Path, stops: int) -> int:
    import django

    django.setup()
    from tests.simulation.ordeal import play

    return play(server, home, stops)


if __name__ == "__main__":
    sys.exit(main())
