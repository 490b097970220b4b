"""Plays worlds in a database that is emptied after each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import SimpleNamespace
from unittest.mock import patch

from django.test.utils import override_settings

from playbooks.operations import actions, definitions
from tests.databases import empty, take_down
from tests.simulation.clock import Clock
from tests.simulation.invariants import problems
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Played:
    """`problems` is empty when everything held."""

    seed: int
    problems: list[str]
    trace: str


def play(seed: int, *, honours_keys: bool = True) -> Played:
    """Plays the world of a seed in the test database, which holds nothing before and after. A far side that does
    not honour idempotency keys, as it promised, is there to be found.
    """
    with _stage_set() as home, Clock() as clock, _keys_of(seed):
        world = World(seed, clock, home)
        world.far.honours_keys = honours_keys
        with world.in_place():
            found = problems(world.play())
    return Played(seed, found, str(world.trace))


@contextmanager
def _stage_set() -> Iterator[Path]:
    """A home of its own, cheap passwords, and no comparison of the two clocks."""
    cheap = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with (
        tempfile.TemporaryDirectory(prefix="simulation-") as folder,
        override_settings(SOAR_HOME=Path(folder), PASSWORD_HASHERS=cheap),
    ):
        take_down("clock")
        try:
            yield Path(folder)
        finally:
            empty()


@contextmanager
def _keys_of(seed: int) -> Iterator[None]:
    """The keys of rows are drawn as well: jitter depends on them, and the order of what came at the same time."""
    definitions._definition.cache_clear()  # the same keys may have been drawn before
    actions._gravest_of.cache_clear()
    drawn = SimpleNamespace(randbits=Random(seed).getrandbits)
    with patch("uuid6.secrets", drawn), patch("uuid6._last_v7_timestamp", None):
        yield
