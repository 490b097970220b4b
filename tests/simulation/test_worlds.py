"""Worlds of the simulation, some of them on every build; `make soak` plays thousands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from playbooks.audit import walls
from playbooks.models import Run
from tests.simulation.playing import play

WORLDS = 3 if connection.vendor == "postgresql" else 25


@pytest.fixture
def empty_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A world commits what it does, and leaves nothing."""
    with django_db_blocker.unblock():
        yield


@pytest.mark.parametrize("seed", range(1, WORLDS + 1))
def test_whatever_goes_wrong_every_rule_holds(empty_database: None, seed: int) -> None:
    played = play(seed)
    assert played.problems == [], f"see python -m tests.simulation --seed {seed} --trace"


if connection.vendor == "sqlite":  # where rows that tie have an order; a seed is played again there

    def test_a_seed_is_one_history(empty_database: None) -> None:
        assert play(1).trace == play(1).trace


def test_a_far_side_that_breaks_its_word_is_found(empty_database: None) -> None:
    """The rules can be broken, so that they mean something when they hold."""
    found = (problem for seed in range(1, 10) for problem in play(seed, honours_keys=False).problems)
    assert any("keyed, happened 2 times" in problem for problem in found)


def test_a_world_leaves_nothing_and_the_walls_stand(empty_database: None, db: None) -> None:
    assert not Run.objects.exists()
    assert walls.defects(connection) == []
