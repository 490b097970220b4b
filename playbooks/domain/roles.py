"""The built-in roles and what each permits, by permission codename."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SEE = frozenset(
    {
        "see_alert",
        "see_case",
        "see_playbook",
        "see_policy",
        "see_run",
        "see_request",
        "see_connection",
        "see_people",
    }
)

RESPOND = SEE | {
    "triage_alert",
    "work_case",
    "start_run",
    "stop_run",
    "roll_back_run",
    "resolve_step",
    "post_event",
}


# The built-in roles whose holders decide requests.
DECIDE = frozenset({"tier-2", "network-owner", "asset-owner"})


@dataclass(frozen=True, slots=True)
class Role:
    title: str
    permissions: frozenset[str]


ROLES: Mapping[str, Role] = {
    "analyst": Role("Analyst", RESPOND),
    "tier-2": Role("Tier 2 analyst", RESPOND | {"place_hold"}),
    "network-owner": Role("Network owner", SEE),
    "asset-owner": Role("Asset owner", SEE),
    "author": Role("Playbook author", SEE | {"write_playbook", "write_policy"}),
    "publisher": Role("Playbook publisher", SEE | {"publish_playbook", "publish_policy"}),
    # Reads everything, changes nothing, exports.
    "compliance-officer": Role(
        "Compliance officer",
        SEE | {"see_every_team", "see_audit", "export_audit", "review_break_glass"},
    ),
    # Nobody holds it by being anything else, and least of all by administering.
    "break-glass": Role("Break-glass holder", SEE | {"break_glass"}),
    # Users, connections, configuration; no right to approve comes with it.
    "administrator": Role(
        "Administrator",
        SEE
        | {
            "see_every_team",
            "see_audit",
            "manage_people",
            "manage_connection",
            "manage_source",
            "manage_notices",
            "place_hold",
        },
    ),
}

# All that any role can permit. No right to approve is among them: seats name roles.
PERMISSIONS = frozenset(permission for role in ROLES.values() for permission in role.permissions)
