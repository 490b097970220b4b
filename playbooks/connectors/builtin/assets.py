"""Whose address it is, by the list of networks that the team keeps. The narrowest network wins."""

from __future__ import annotations

from collections.abc import Mapping

from playbooks.connectors import network_table
from playbooks.connectors.addresses import parsed
from playbooks.connectors.declaration import Binding, Connector, Context
from playbooks.connectors.errors import RefusedError
from playbooks.connectors.schemas import ADDRESS, FLAG, TEXT, record
from playbooks.domain.actions import Action, Effect, NothingToUndo, Repeat, Timeout
from playbooks.domain.outcomes import Outcome, Succeeded

COLUMNS = ("owner", "team", "criticality", "environment")
CRITICALITIES = ("critical", "high", "medium", "low", "unknown")


def find_owner(context: Context, *, address: str) -> Outcome:
    rows = network_table.find(context, COLUMNS, parsed(address))
    found = {**(rows[0].columns if rows else dict.fromkeys(COLUMNS, ""))}
    found["criticality"] = found["criticality"] or "unknown"
    if found["criticality"] not in CRITICALITIES:
        raise RefusedError(
            f"{rows[0].place} has a criticality that is none of {', '.join(CRITICALITIES)}. Correct it."
        )
    critical = found["criticality"] == "critical"
    return Succeeded({"address": address, "known": bool(rows), **found, "critical": critical})


def preview(context: Context, *, address: str) -> Mapping[str, object]:
    return {
        "address": address,
        "files": list(context.lines("files")),
        "networks": len(context.lines("networks")),
    }


FIND_OWNER = Action(
    key="assets.find_owner",
    label="Find the owner of an address",
    inputs=record({"address": ADDRESS}),
    outputs=record(
        {
            "address": ADDRESS,
            "known": FLAG,
            "owner": TEXT,
            "team": TEXT,
            "criticality": {"enum": list(CRITICALITIES)},
            "environment": TEXT,
            "critical": FLAG,
        }
    ),
    effect=Effect.READ,
    repeat=Repeat.SAFE,
    undo=NothingToUndo(),
    timeout=Timeout(default=20, maximum=60),
    target="address",
    example={
        "address": "198.51.100.24",
        "known": True,
        "owner": "Nadia Reyes",
        "team": "Network operations",
        "criticality": "high",
        "environment": "production",
        "critical": False,
    },
)

CONNECTOR = Connector(
    key="assets",
    label="Asset list",
    fields=network_table.fields(COLUMNS),
    bindings=(Binding(FIND_OWNER, find_owner, preview, lookup=None, verify=None),),
)
