"""Missing patches and their installation, by an adapter to the patch management."""

from __future__ import annotations

from playbooks.connectors.adapter import LONG, adapter, change, read
from playbooks.connectors.schemas import COUNT, FLAG, NAME, NAMES, TEXT
from playbooks.domain.actions import Undo

CONNECTOR = adapter(
    "patching",
    "Patch management",
    read(
        "patching.list_missing",
        "List the hosts of a group that a vulnerability is open on",
        inputs={"vulnerability": NAME, "group": NAME},
        outputs={"vulnerability": NAME, "patch": TEXT, "hosts": NAMES, "count": COUNT},
        example={
            "vulnerability": "CVE-2026-10417",
            "patch": "KB5050417",
            "hosts": ["web-01", "web-02", "web-03"],
            "count": 3,
        },
    ),
    change(
        "patching.patch_host",
        "Install a patch on a host and restart it where needed",
        inputs={"host": NAME, "patch": NAME},
        outputs={"restarted": FLAG},
        undo=Undo("patching.remove_patch", {"host": "${ inputs.host }", "patch": "${ inputs.patch }"}),
        timeout=LONG,
        example={"host": "web-01", "changed": True, "restarted": True},
    ),
    change(
        "patching.remove_patch",
        "Remove a patch from a host",
        inputs={"host": NAME, "patch": NAME},
        undo="The host is as vulnerable as before; patching.patch_host installs the patch anew.",
        timeout=LONG,
        example={"host": "web-01", "changed": False},
    ),
    read(
        "patching.check_host",
        "See whether a host is well and has a patch",
        inputs={"host": NAME, "patch": NAME},
        outputs={"host": NAME, "installed": FLAG, "healthy": FLAG},
        example={"host": "web-01", "installed": True, "healthy": True},
    ),
)
