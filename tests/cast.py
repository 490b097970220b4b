"""The cast: the same people as in the demo, and a small world for them to work in.

`analyst` starts runs, `tier2` and `netowner` approve, `author` wrote the playbook, `publisher` published it,
`compliance` reads and exports, `admin` is a superuser without an approving role, `outsider` may nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from playbooks.models import Connection, PlaybookVersion, Principal, Run
from playbooks.operations import connections, people, playbooks, runs
from playbooks.operations.caller import SYSTEM, Caller

ROLES = {
    "analyst": ["analyst"],
    "tier2": ["tier-2"],
    "netowner": ["network-owner"],
    "author": ["author"],
    "publisher": ["publisher"],
    "compliance": ["compliance-officer"],
    "admin": ["administrator"],
    "outsider": [],
}

ATTACKER = "203.0.113.9"

BLOCK = """\
playbook: block-attacker
title: Block an attacking address
triggers:
  - alert: alert.source == "suricata" && alert.severity >= 70
inputs:
  address: {type: ip, default: "${ alert.observables.ip[0] }"}
steps:
  - id: reputation
    do: reputation.lookup_address
    with: {address: "${ inputs.address }"}
    retry: {times: 3, every: 5s, backoff: 2}
    timeout: 30s
  - id: owner
    do: assets.find_owner
    needs: []
    with: {address: "${ inputs.address }"}
  - id: gate
    needs: [reputation, owner]
    approve: Block ${ inputs.address } at the edge for 24 hours?
    show: [reputation, owner]
    seats:
      - {role: tier-2}
      - {role: network-owner}
    within: 30m
    late: escalate
  - id: block
    do: nftables.block_address
    using: edge-firewall
    with: {address: "${ inputs.address }", hours: 24}
  - id: tell
    do: notify.send
    using: soc-channel
    with: {text: "${ inputs.address } is blocked, approved by ${ steps.gate.approvers }"}
outputs:
  blocked: ${ inputs.address }
on_failure: rollback
"""


@dataclass(frozen=True, slots=True)
class Cast:
    analyst: Principal
    tier2: Principal
    netowner: Principal
    author: Principal
    publisher: Principal
    compliance: Principal
    admin: Principal
    outsider: Principal

    def caller(self, name: str) -> Caller:
        """The named person, in a session of their own."""
        person: Principal = getattr(self, name)
        return Caller(person, session=f"session of {name}")


def make_cast(password: str = "only-for-tests") -> Cast:
    return Cast(
        **{
            name: people.create(
                name,
                actor=SYSTEM,
                name=name.capitalize(),
                password=password,
                roles=roles,
                is_superuser=name == "admin",
            )
            for name, roles in ROLES.items()
        }
    )


def connect(cast: Cast, *, is_simulated: bool = True) -> dict[str, Connection]:
    """The connections that the playbook of the cast uses."""
    admin = cast.caller("admin")
    networks = ["203.0.113.0/24,malicious,90,own list"]
    assets = ["203.0.113.0/24,Nadia Reyes,network,high,production"]
    return {
        "reputation": connections.configure(
            "reputation", caller=admin, connector="reputation", settings={"networks": networks}, secrets={}
        ),
        "assets": connections.configure(
            "assets", caller=admin, connector="assets", settings={"networks": assets}, secrets={}
        ),
        "edge-firewall": connections.configure(
            "edge-firewall",
            caller=admin,
            connector="nftables",
            settings={},
            secrets={},
            environment="production",
            is_simulated=is_simulated,
        ),
        "soc-channel": connections.configure(
            "soc-channel",
            caller=admin,
            connector="notify",
            settings={},
            secrets={"urls": "json://127.0.0.1:9/"},
            is_simulated=True,
        ),
    }


def publish(cast: Cast, text: str = BLOCK) -> PlaybookVersion:
    """`author` writes it, `publisher` publishes it."""
    draft = playbooks.draft(text, caller=cast.caller("author"))
    playbooks.submit(draft.playbook.slug, draft.number, caller=cast.caller("author"))
    return playbooks.publish(draft.playbook.slug, draft.number, caller=cast.caller("publisher"))


def start(cast: Cast, playbook: str = "block-attacker", **inputs: object) -> Run:
    """A run that the analyst asked for."""
    return runs.start(playbook, caller=cast.caller("analyst"), inputs=inputs or {"address": ATTACKER})
