"""Figures of a monitoring system, by an adapter."""

from __future__ import annotations

from playbooks.connectors.adapter import adapter, read
from playbooks.connectors.schemas import NAME, TEXT

CONNECTOR = adapter(
    "metrics",
    "Monitoring",
    read(
        "metrics.query",
        "Read one figure",
        inputs={"query": NAME},
        outputs={"value": {"type": "number"}, "unit": TEXT, "at": TEXT},
        example={"value": 42, "unit": "percent", "at": "2026-11-23T22:40:00Z"},
    ),
)
