"""Facts and rules for tests of policies, and a way to change just what a test is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from playbooks.domain.actions import Action, Effect, NothingToUndo, Repeat, Timeout, Undo
from playbooks.domain.policies.document import Policy
from playbooks.domain.policies.facts import Facts
from playbooks.domain.policies.judging import Rule

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROLES = ("analyst", "tier-2", "network-owner", "asset-owner")

FACTS = Facts(
    action="edge.block",
    connector="edge",
    effect="change",
    connection="edge-firewall",
    environment="production",
    is_production=True,
    connection_owner="",
    is_simulated=False,
    target="203.0.113.9",
    parameters={"address": "203.0.113.9", "hours": 24},
    owner="",
    severity=70,
    case={"id": "1", "title": "Beacon", "severity": 70},
    alert={"severity": 70, "source": "suricata"},
    phase="do",
    at=MONDAY_NOON,
    count={"hour": 0, "day": 0, "week": 0},
)


def facts(**changes: Any) -> Facts:
    return replace(FACTS, **changes)


def rule(when: str = "true", *, slug: str = "a-policy", number: int = 1, **effects: Any) -> Rule:
    body: dict[str, object] = {"policy": slug, "title": slug.capitalize(), "when": when, **effects}
    return Rule(slug, number, f"{number:064}", Policy.model_validate(body))


def require(*roles: str) -> dict[str, object]:
    return {"seats": [{"role": role} for role in roles]}


NOTHING = NothingToUndo()


def action(key: str, effect: Effect = Effect.CHANGE, undo: Undo | NothingToUndo = NOTHING) -> Action:
    return Action(
        key=key,
        label=key,
        inputs={},
        outputs={},
        effect=effect,
        repeat=Repeat.SAFE,
        undo=undo,
        timeout=Timeout(10, 60),
        target="address",
        example={},
    )


CATALOGUE: Mapping[str, Action] = {
    "edge.block": action("edge.block"),
    "edge.hold": action("edge.hold", undo=Undo("edge.let_go", {})),
    "mail.purge": action("mail.purge", Effect.DESTROY),
}
