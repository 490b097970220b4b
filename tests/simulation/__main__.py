"""Plays many worlds, prints what did not hold, and with which seed it can be had again."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence

HELP = """\
Plays worlds of twenty runs each. A world that breaks a rule is printed with its seed, and the command fails."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=HELP)
    parser.add_argument("--runs", type=int, default=10_000, help="in all, over all the worlds")
    parser.add_argument("--first", type=int, default=1, help="the seed of the first world")
    parser.add_argument("--seed", type=int, help="plays this world only")
    parser.add_argument("--trace", action="store_true", help="prints all that happened")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="simulation-") as home:
        os.environ.update(DJANGO_SETTINGS_MODULE="soar.settings", SOAR_HOME=home)
        return _prepare_and_play(arguments)


def _prepare_and_play(arguments: argparse.Namespace) -> int:
    import django

    django.setup()
    from django.db import connection

    from tests.databases import leave_out_default_policies
    from tests.simulation.world import RUNS

    leave_out_default_policies()
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    worlds = -(-arguments.runs // RUNS)
    seeds = [arguments.seed] if arguments.seed else range(arguments.first, arguments.first + worlds)
    return _play(seeds, is_traced=arguments.trace)


def _play(seeds: Sequence[int], *, is_traced: bool) -> int:
    from tests.simulation.playing import play
    from tests.simulation.world import RUNS

    begun, broken = time.monotonic(), 0
    for number, seed in enumerate(seeds, start=1):
        played = play(seed)
        broken += bool(played.problems)
        if is_traced:
            print(played.trace)
        for problem in played.problems:
            print(f"seed {seed}: {problem}", flush=True)
        if number % 50 == 0 or number == len(seeds):
            took = time.monotonic() - begun
            print(f"{number} worlds, {number * RUNS} runs, {broken} broken, {took:.0f} s", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
