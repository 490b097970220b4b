"""What a page costs does not grow with what is on it: the number of queries is the same for one row and for many."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from playbooks import executor
from tests.api.callers import Api, at_the_gate, session
from tests.cast import Cast, start

Look = Callable[[Api], object]
LOOKS: dict[str, Look] = {
    "inbox": lambda api: api.get("approvals/", **{"for": "me"}),
    "approvals": lambda api: api.get("approvals/"),
    "runs": lambda api: api.get("runs/"),
    "cases": lambda api: api.get("cases/"),
    "alerts": lambda api: api.get("alerts/"),
    "playbooks": lambda api: api.get("playbooks/"),
    "connections": lambda api: api.get("connections/"),
    "questions": lambda api: api.get("questions/"),
    "holds": lambda api: api.get("holds/"),
    "expiries": lambda api: api.get("expiries/"),
    "tokens": lambda api: api.get("tokens/"),
    "entries": lambda api: api.get("audit/entries/"),
    "sources": lambda api: api.get("sources/"),
}
WHO = {"entries": "compliance", "sources": "admin"}
MOST = 16
# Who may decide takes roles, substitutes, accounts, gifts, teams, seats and rules, each read once for all rows.
MOST_OF_REQUESTS = {"inbox": 23, "approvals": 19}


def cost(api: Api, look: Look) -> int:
    look(api)
    with CaptureQueriesContext(connection) as queries:
        look(api)
    return len(queries)


@pytest.mark.parametrize("name", LOOKS)
def test_a_list_costs_the_same_for_one_row_and_for_many(cast: Cast, name: str) -> None:
    at_the_gate(cast)
    api = session(getattr(cast, WHO.get(name, "tier2")))
    one = cost(api, LOOKS[name])
    for number in range(3):
        executor.drive(start(cast, address=f"203.0.113.{number + 20}").pk, worker="test")
        session(cast.analyst).post("alerts/", {"title": "x", "severity": 1, "external_id": str(number)})
    many = cost(api, LOOKS[name])
    assert many == one <= MOST_OF_REQUESTS.get(name, MOST)


def test_a_run_costs_the_same_whatever_its_steps(cast: Cast) -> None:
    run, _ = at_the_gate(cast)
    api = session(cast.analyst)
    assert cost(api, lambda each: each.get(f"runs/{run.pk}/")) <= MOST


def test_a_list_of_playbooks_reads_none_of_their_texts(cast: Cast) -> None:
    at_the_gate(cast)
    with CaptureQueriesContext(connection) as queries:
        session(cast.analyst).get("playbooks/")
    assert not [each["sql"] for each in queries if '"document"' in each["sql"] or '"source"' in each["sql"]]
