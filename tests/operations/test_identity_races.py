"""Two at once, on real connections: one link makes one administrator, and links of accounts never make a chain."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, connections

from playbooks.models import Principal
from playbooks.operations import first_administrator, identities
from playbooks.operations.refusals import Invalid, Missing
from tests.databases import fresh_database

__all__ = ["fresh_database"]

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer, so nobody meets a rival"
)
pytestmark = [pytest.mark.needs_postgresql, on_postgresql]
ROUNDS = 10


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each came to, begun together: its value, or the refusal."""
    start, outcomes = threading.Barrier(len(acts)), [None] * len(acts)

    def perform(number: int) -> None:
        try:
            start.wait(10)
            outcomes[number] = acts[number]()  # type: ignore[call-overload]
        except (Missing, Invalid) as refusal:
            outcomes[number] = refusal  # type: ignore[call-overload]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=perform, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


def accept(secret: str, username: str) -> Principal:
    return first_administrator.accept(
        secret, username=username, name=username, password="seven-tall-ships", address=None
    )


def test_a_link_that_two_use_at_once_makes_one_administrator(fresh_database: None) -> None:
    secret = first_administrator.offer()
    outcomes = at_once(*(lambda name=name: accept(secret, name) for name in ("ada", "eve", "mallory")))  # type: ignore[misc]
    assert sum(isinstance(each, Principal) for each in outcomes) == 1
    assert sum(isinstance(each, Missing) for each in outcomes) == 2
    assert Principal.objects.count() == 1


def test_links_at_once_never_make_a_chain(fresh_database: None) -> None:
    for number in range(ROUNDS):
        a, b, c, d = (
            Principal.objects.create(username=f"{name}-{number}", name=name) for name in ("a", "b", "c", "d")
        )
        at_once(
            lambda a=a, b=b: identities.link(a, b, caller=None),  # type: ignore[misc]
            lambda b=b, c=c: identities.link(b, c, caller=None),  # type: ignore[misc]
            lambda c=c, d=d: identities.link(c, d, caller=None),  # type: ignore[misc]
        )
        assert not Principal.objects.filter(same_person_as__same_person_as__isnull=False).exists()
        assert Principal.objects.filter(same_person_as=d).count() == 3
