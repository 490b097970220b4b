"""Measures each database that answers, in a process of its own, and writes bench.json."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

from playbooks.management.supervisor import _die_with_parent
from tests.bench import figures, stage
from tests.bench.crew import ROOT
from tests.servers import POSTGRESQL, REDIS, answers

HELP = """\
Prints one line a figure,
  BENCH <workload> <figure>=<value> ratio=<value against the reference> target=<bound> <met|short>
and writes the same to bench.json. FULL=1 in the environment measures ten times the sizes. Other products beside ours
(PEERS=1) are left out. A figure that falls short is no failure."""
FILE = ROOT / "bench.json"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "databases", nargs="*", metavar="DATABASE", help="postgresql or sqlite; both by default"
    )
    parser.add_argument("--in-place", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_place:
        return _measure_here(arguments.databases[0], arguments.in_place)
    figures.store([], FILE)
    return max(_measure(each) for each in arguments.databases or ["postgresql", "sqlite"])


def _measure(database: str) -> int:
    if database == "postgresql" and not (answers("postgresql") and answers("redis")):
        print(f"skipped: PostgreSQL, since {POSTGRESQL} or {REDIS} does not answer")
        return 0
    begun = time.monotonic()
    place: AbstractContextManager[stage.Environment] = getattr(stage, database)()
    with place as environment:
        command = [sys.executable, "-m", "tests.bench", database, "--in-place", str(FILE)]
        code = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, preexec_fn=_die_with_parent
        ).returncode
    print(f"{database} took {time.monotonic() - begun:.0f} s", flush=True)
    return code


def _measure_here(database: str, file: Path) -> int:
    """In the process whose environment is the stage. It ends in order when its parent does."""
    import django

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    django.setup()
    from tests.bench.measure import measure

    measure(database, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
