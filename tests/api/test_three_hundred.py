"""A list is filtered within its own query, whatever its length: the same queries for three rows and for three hundred,
half of them another team's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from playbooks.models import (
    Alert,
    ApprovalRequest,
    Case,
    Connection,
    Playbook,
    Principal,
    Question,
    Run,
    Source,
    Step,
    Team,
    Token,
)
from tests.api.callers import BASE
from tests.api.shelves import OTHER, OWN, TEAMS, newcomer, stand
from tests.cast import Cast

MANY = 300
LISTS = {
    "alerts/": "administrator",
    "approvals/": "tier-2",
    "approvals/?for=me": "tier-2",
    "cases/": "tier-2",
    "connections/": "tier-2",
    "grants/": "administrator",
    "holds/": "tier-2",
    "people/": "tier-2",
    "playbooks/": "tier-2",
    "questions/": "tier-2",
    "roles/": "tier-2",
    "runs/": "tier-2",
    "sources/": "administrator",
    "teams/": "tier-2",
    "tokens/": "administrator",
}
PAGES = ("/", "/?show=all", "/alerts/", "/cases/", "/runs/", "/playbooks/", "/access/", "/access/teams/")


def multiply(row: Model, **columns: Callable[[int], Any]) -> list[Any]:
    """The row three hundred times more, with these columns each time anew."""
    made = []
    for number in range(MANY):
        again: Any = copy(row)
        again.pk, again._state = row._meta.pk.get_default(), copy(row._state)
        for name, value in columns.items():
            setattr(again, name, value(number))
        made.append(again)
    return list(type(row)._base_manager.bulk_create(made))


def fill(cast: Cast) -> None:
    teams = [None, *(Team.objects.get(slug=TEAMS[each]) for each in (OWN, OTHER))]

    def in_turn(rows: Iterable[Any]) -> Callable[[int], Any]:
        among = list(rows)
        return lambda number: among[number % len(among)]

    run = Run.objects.select_related("version").order_by("created_at")[0]
    gate, request = run.steps.get(key="gate"), ApprovalRequest.objects.get(run=run)
    question = Question.objects.get(run=run)
    cases = multiply(run.case, team=in_turn(teams))
    multiply(Alert.objects.all()[0], identity=lambda n: f"id:many-{n}", case=in_turn(cases))
    runs = multiply(run, case=in_turn(cases), alert=lambda n: None)
    gates = multiply(gate, run=in_turn(runs))
    others = multiply(run.steps.get(key="block"), run=in_turn(runs))
    requests = multiply(request, run=in_turn(runs), step=in_turn(gates))
    for seat in request.seats.all():
        multiply(seat, request=in_turn(requests))
    multiply(question, run=in_turn(runs), step=in_turn(others))
    for model, column in ((Playbook, "slug"), (Connection, "name"), (Source, "slug"), (Team, "slug")):
        more = {"team": in_turn(teams)} if model is not Team else {}
        multiply(model._default_manager.all()[0], **{column: lambda n: f"many-{n}"}, **more)
    people = multiply(cast.tier2, username=lambda n: f"many-{n}")
    token = Token(principal=people[0], prefix="csn_", created_at=cast.tier2.date_joined)
    multiply(token, digest=lambda n: f"{n:064}", principal=in_turn(people))


def cost(browser: Client, address: str) -> int:
    """The lesser of two looks: once a minute, one of them writes down that the session was used."""
    return min(_cost(browser, address), _cost(browser, address))


def _cost(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200, address
    return len(queries)


@pytest.fixture
def costs(cast: Cast) -> Callable[[], dict[str, int]]:
    stand(cast)
    clients = {}
    for role in ("tier-2", "administrator"):
        clients[role] = Client()
        clients[role].force_login(newcomer(role))

    def measured() -> dict[str, int]:
        lists = {each: cost(clients[role], f"{BASE}{each}") for each, role in LISTS.items()}
        return {**lists, **{each: cost(clients["tier-2"], each) for each in PAGES}}

    measured()  # what is read once for each process is read
    return measured


def test_every_list_costs_the_same_at_three_and_at_three_hundred(
    cast: Cast, costs: Callable[[], dict[str, int]]
) -> None:
    few = costs()
    fill(cast)
    assert Step.objects.count() > MANY
    assert Principal.objects.count() > MANY
    assert Case.objects.count() > MANY
    assert costs() == few
