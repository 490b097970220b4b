"""A run that asks once about every item of a list."""

from __future__ import annotations

from playbooks import executor
from playbooks.models import Run
from playbooks.operations import connections, runs
from tests.cast import Cast, publish

LIST = """\
playbook: block-many
title: Block many
inputs:
  addresses: {type: list}
steps:
  - id: gate
    approve: Block them?
    seats: [{role: tier-2}, {role: network-owner}]
  - id: each_one
    each: ${ inputs.addresses }
    steps:
      - id: block
        do: nftables.block_address
        using: edge-firewall
        with: {address: "${ item }", hours: 1}
      - id: told
        set: {address: "${ item }"}
  - id: ended
    set: {done: true}
"""
ADDRESSES = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]


def begin_listed(cast: Cast) -> Run:
    """It waits at its gate, started by the analyst."""
    connections.configure(
        "edge-firewall",
        caller=cast.caller("admin"),
        connector="nftables",
        settings={},
        secrets={},
        is_simulated=True,
    )
    publish(cast, LIST)
    run = runs.start("block-many", caller=cast.caller("analyst"), inputs={"addresses": ADDRESSES})
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    return run
