"""Events, holds, limits and expiries over the API."""

from __future__ import annotations

import pytest

from playbooks import executor
from playbooks.models import Connection, Expiry, Run
from playbooks.operations import runs
from tests.api.callers import bearer, sender, session, token_of
from tests.cast import Cast, connect, publish

WAIT = """\
playbook: replies
title: Wait for a reply
steps:
  - id: reply
    wait: {event: mail.replied, key: m1, within: 1h}
"""
EVENT = {"name": "mail.replied", "key": "m1", "data": {"text": "Yes"}}
PASSING = """\
playbook: passing
title: Block for a while
steps:
  - id: block
    do: nftables.block_address
    using: edge-firewall
    with: {address: 203.0.113.9, hours: 24}
    expires: 24h
"""


@pytest.fixture
def run(cast: Cast) -> Run:
    publish(cast, WAIT)
    return runs.start("replies", caller=cast.caller("analyst"))


def test_an_event_is_accepted_and_says_how_many_runs_waited(run: Run, cast: Cast) -> None:
    api = session(cast.analyst)
    first, again = (api.post("events/", EVENT, Idempotency_Key="k") for _ in range(2))
    assert (first.status_code, first.json()["runs"]) == (202, 1)
    assert again.json() == first.json()
    run.refresh_from_db()
    assert run.status == "succeeded"
    assert api.post("events/", {**EVENT, "key": "m2"}, Idempotency_Key="k").status_code == 422


def test_a_source_and_a_token_with_the_scope_ingest_post_events(run: Run, cast: Cast) -> None:
    assert sender().post("events/", EVENT).json()["runs"] == 1
    assert token_of(cast.analyst, "ingest").post("events/", EVENT).status_code == 202
    refused = token_of(cast.analyst, "read", "runs").post("events/", EVENT)
    assert (refused.status_code, refused.json()["rule"]) == (403, "out_of_scope")
    assert token_of(cast.compliance, "ingest").post("events/", EVENT).status_code == 403
    assert bearer("csn_none").post("events/", EVENT).status_code == 401


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [({"name": ""}, "/name"), ({"key": 1}, "/key"), ({"data": []}, "/data"), ({"odd": 1}, "/odd")],
)
def test_an_event_that_does_not_fit_is_refused_at_its_field(
    cast: Cast, changes: dict[str, object], pointer: str
) -> None:
    reply = session(cast.analyst).post("events/", {**EVENT, **changes})
    assert (reply.status_code, [each["pointer"] for each in reply.json()["errors"]]) == (400, [pointer])


def test_a_hold_is_placed_listed_and_released(cast: Cast) -> None:
    connect(cast)
    api = session(cast.tier2)
    placed = api.post("holds/", {"scope": "connection", "name": "edge-firewall", "reason": "It acts up."})
    assert placed.status_code == 201
    assert placed.json()["label"] == "Connection edge-firewall"
    conflict = api.post("holds/", {"scope": "connection", "name": "edge-firewall", "reason": "Again."})
    assert (conflict.status_code, conflict.json()["rule"]) == (409, "held_already")
    (listed,) = session(cast.analyst).get("holds/", in_force="true").json()["results"]
    assert (listed["reason"], listed["placed_by"]["username"]) == ("It acts up.", "tier2")
    path = f"holds/{listed['id']}/release/"
    assert session(cast.analyst).post(path).json()["rule"] == "no_permission"
    assert api.post(path).json()["released_by"]["username"] == "tier2"
    assert api.post(path).json()["rule"] == "not_held"
    assert session(cast.analyst).get("holds/", in_force="true").json()["results"] == []
    assert len(session(cast.analyst).get("holds/", scope="connection").json()["results"]) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scope": "weather", "reason": "x"}, 400),
        ({"scope": "everything"}, 400),
        ({"scope": "everything", "reason": " "}, 400),
        ({"scope": "playbook", "name": "none", "reason": "x"}, 404),
        ({"scope": "connection", "reason": "x"}, 404),
    ],
)
def test_a_hold_of_nothing_is_refused(cast: Cast, body: dict[str, object], status: int) -> None:
    assert session(cast.admin).post("holds/", body).status_code == status


def test_limits_are_set_without_a_new_revision_and_shown(cast: Cast) -> None:
    connect(cast)
    before = Connection.objects.get(name="assets").revision
    reply = session(cast.admin).post("connections/assets/limits/", {"limits": {"most_at_once": 2}})
    assert (reply.status_code, reply.json()["revision"]) == (200, before)
    assert reply.json()["limits"]["most_at_once"] == 2
    wrong = session(cast.admin).post("connections/assets/limits/", {"limits": {"most_calls": 0}})
    assert [each["pointer"] for each in wrong.json()["errors"]] == ["/limits/most_calls"]
    assert session(cast.tier2).post("connections/assets/limits/", {"limits": {}}).status_code == 403
    assert session(cast.admin).post("connections/none/limits/", {"limits": {}}).status_code == 404


def test_what_expires_is_listed_with_its_target_and_who_holds_it_too(cast: Cast) -> None:
    connect(cast)
    publish(cast, PASSING)
    started = [runs.start("passing", caller=cast.caller("analyst")) for _ in range(2)]
    for each in started:
        executor.drive(each.pk, worker="test")
    results = session(cast.analyst).get("expiries/", status="active").json()["results"]
    assert [each["run"] for each in results] == [str(each.pk) for each in started]
    first = results[0]
    assert (first["target"], first["connection"], first["simulated"]) == (
        "203.0.113.9",
        "edge-firewall",
        True,
    )
    assert [each["run"] for each in first["held_by"]] == [str(started[1].pk)]
    (one,) = session(cast.analyst).get("expiries/", run=str(started[0].pk)).json()["results"]
    assert one["id"] == str(Expiry.objects.get(step__run=started[0]).pk)
