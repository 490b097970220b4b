"""An undo runs under the approval of what it takes back, so the approval shows it and binds it."""

from __future__ import annotations

import json

from playbooks import executor
from playbooks.domain.statuses import RequestStatus
from playbooks.models import Run
from playbooks.operations import connections
from playbooks.operations.requests import current_subject, stored_subject
from playbooks.operations.rounds import open_frame
from playbooks.queries import approvals as queries
from tests.cast import ATTACKER, Cast, connect, publish, start

PUT = """\
playbook: put-away
title: Put away
inputs:
  address: {type: ip}
steps:
  - id: gate
    approve: Put it away?
    seats: [{role: tier-2}]
  - id: put
    do: http.put
    using: gateway
    with: {path: "/blocked/${ inputs.address }"}
    undo:
      do: http.delete
      with: {path: "/blocked/${ inputs.address }", query: {was: "${ steps.put.outputs.status }"}}
"""


def gateway(cast: Cast, port: int) -> None:
    connections.configure(
        "gateway",
        caller=cast.caller("admin"),
        connector="http",
        settings={"base_url": f"http://127.0.0.1:{port}", "egress": ["127.0.0.1/32"]},
        secrets={"token": "only-for-tests"},
    )


def at_the_gate(cast: Cast) -> Run:
    gateway(cast, 9)
    publish(cast, PUT)
    run = start(cast, "put-away", address=ATTACKER)
    executor.drive(run.pk, worker="test")
    return run


def test_an_authors_undo_is_signed_with_what_is_known_of_it_and_shown(cast: Cast) -> None:
    request = at_the_gate(cast).requests.get()
    (item,) = json.loads(request.subject)["covered"]
    assert (item["undo"]["action"], item["undo"]["effect"]) == ("http.delete", "change")
    assert item["undo"]["connection"]["name"] == "gateway"
    assert item["undo"]["parameters"] == {
        "path": f"/blocked/{ATTACKER}",
        "query": {"was": "${ steps.put.outputs.status }"},
    }
    view = queries.request_view(request.pk, cast.tier2)
    assert view is not None
    assert f"/blocked/{ATTACKER}" in view.items[0].undo


def test_the_undo_that_the_connector_declares_is_signed_too(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    run = start(cast)
    executor.drive(run.pk, worker="test")
    (item,) = json.loads(run.requests.get().subject)["covered"]
    assert item["undo"]["parameters"] == {"address": ATTACKER, "entry": "${ outputs.entry }"}


def test_a_change_of_the_undos_connection_is_a_change_of_the_subject(cast: Cast) -> None:
    run = at_the_gate(cast)
    old = run.requests.get()
    gateway(cast, 10)
    old.step.run = run
    assert current_subject(old, open_frame(run)) != stored_subject(old)
    assert old.status == RequestStatus.OPEN
