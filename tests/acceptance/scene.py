"""What the main job plays with: a Suricata event, the connections, and the playbook that the author adapted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.acceptance.installation import ROOT, Installation
from tests.servers import CORPORA

SHIPPED = ROOT / "playbooks" / "library" / "block-attacker.yaml"
REAL_EVENT = CORPORA / "alerts" / "suricata" / "contenthub-02-alert.json"
OWN_EVENT: Mapping[str, Any] = {
    "timestamp": "2026-11-23T09:00:00.000000+0000",
    "flow_id": 1814022233,
    "event_type": "alert",
    "src_ip": "192.0.2.2",
    "src_port": 35361,
    "dest_ip": "198.51.100.2",
    "dest_port": 8080,
    "proto": "TCP",
    "alert": {
        "action": "allowed",
        "gid": 1,
        "signature_id": 9000101,
        "rev": 1,
        "signature": "EXPLOIT Deserialisation payload in HTTP header",
        "category": "Attempted Administrator Privilege Gain",
        "severity": 1,
    },
}


def event(*, attacker: str, victim: str) -> dict[str, Any]:
    """An event as Suricata wrote it, moved into the network of the test: its addresses are those of no machine."""
    found = json.loads(REAL_EVENT.read_text(encoding="utf-8")) if REAL_EVENT.exists() else OWN_EVENT
    return {**found, "src_ip": attacker, "dest_ip": victim}


def connect(installation: Installation, *, command: list[str]) -> None:
    """The administrator's part, through the API. Only the message is simulated."""
    admin = installation.session("admin")
    networks = ["192.0.2.0/24,malicious,95,SOC block list"]
    assets = ["192.0.2.0/24,Nadia Reyes,Network operations,high,production"]
    for name, connector, more in (
        ("reputation", "reputation", {"settings": {"networks": networks}}),
        ("assets", "assets", {"settings": {"networks": assets}}),
        ("edge-firewall", "nftables", {"settings": {"command": command}, "environment": "production"}),
        ("soc-channel", "notify", {"secrets": {"urls": "json://127.0.0.1:9/"}, "simulated": True}),
    ):
        admin.post("connections/", {"name": name, "connector": connector, **more})


def publish(installation: Installation) -> None:
    """`author` adapts block-attacker, so that a lost answer is missed sooner, and `publisher` publishes that."""
    shipped = SHIPPED.read_text(encoding="utf-8")
    adapted = shipped.replace(
        "    do: nftables.block_address\n", "    do: nftables.block_address\n    timeout: 6s\n"
    )
    assert adapted != shipped
    author, publisher = installation.session("author"), installation.session("publisher")
    number = author.post_text("playbooks/", adapted)["number"]
    author.post(f"playbooks/block-attacker/versions/{number}/submit/")
    publisher.post(f"playbooks/block-attacker/versions/{number}/publish/")
