"""What the audit log says about each run, in the order in which it happened."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playbooks.models.audit import AuditBody


@dataclass(frozen=True, slots=True)
class Happening:
    """`step` and `round` are those of a step's entry, else "" and 0."""

    at: int  # its place in the log
    verb: str
    actor: str
    outcome: str
    step: str
    round: int
    facts: Mapping[str, Any]


def histories() -> dict[str, list[Happening]]:
    """By the key of the run."""
    told: dict[str, list[Happening]] = defaultdict(list)
    bodies = AuditBody.objects.filter(entry__stream__kind="run").order_by("entry_id")
    for entry, body in bodies.values_list("entry_id", "body"):
        said = json.loads(bytes(body))
        facts = said["facts"]
        told[said["stream"]["key"]].append(
            Happening(
                entry,
                said["verb"],
                said["actor"]["id"],
                said["outcome"],
                str(facts.get("step", "")),
                facts.get("round", 0) if "step" in facts else 0,
                facts,
            )
        )
    return told
