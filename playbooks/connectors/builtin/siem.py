"""Searches in a SIEM, and the collectors that feed it, by an adapter."""

from __future__ import annotations

from playbooks.connectors.adapter import LONG, adapter, change, read
from playbooks.connectors.schemas import COUNT, NAME, NAMES, TEXT

HOURS = {"type": "integer", "minimum": 1, "maximum": 720}

CONNECTOR = adapter(
    "siem",
    "SIEM",
    read(
        "siem.search",
        "Search events",
        inputs={"query": {**NAME, "maxLength": 10_000}, "hours": HOURS},
        outputs={"count": COUNT, "hosts": NAMES, "users": NAMES, "addresses": NAMES},
        timeout=LONG,
        example={
            "count": 12,
            "hosts": ["FIN-LT-114"],
            "users": ["m.okafor"],
            "addresses": ["198.51.100.140"],
        },
    ),
    read(
        "siem.last_event",
        "Find the latest event of a log source",
        inputs={"log_source": NAME},
        outputs={"log_source": NAME, "minutes_ago": COUNT, "at": TEXT, "collector": TEXT},
        example={
            "log_source": "edge-firewall",
            "minutes_ago": 2,
            "at": "2026-11-23T22:38:00Z",
            "collector": "collector-3",
        },
    ),
    change(
        "siem.restart_collector",
        "Restart a collector",
        inputs={"collector": NAME},
        undo="A restart cannot be taken back; the collector reads on from where it was.",
        timeout=LONG,
        example={"collector": "collector-3", "changed": True},
    ),
)
