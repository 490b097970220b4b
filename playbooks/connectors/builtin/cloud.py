"""Access keys, instances and scaling groups of a cloud account, by an adapter."""

from __future__ import annotations

from playbooks.connectors.adapter import LONG, adapter, change, read
from playbooks.connectors.schemas import COUNT, FLAG, NAME, NAMES, TEXT
from playbooks.domain.actions import Effect, Undo

HOURS = {"type": "integer", "minimum": 1, "maximum": 720}
SIZE = {"type": "integer", "minimum": 0, "maximum": 10_000}

CONNECTOR = adapter(
    "cloud",
    "Cloud account",
    read(
        "cloud.find_key",
        "Find an access key",
        inputs={"key": NAME},
        outputs={
            "key": NAME,
            "known": FLAG,
            "active": FLAG,
            "owner": TEXT,
            "account": TEXT,
            "privileged": FLAG,
        },
        example={
            "key": "AKIAEXAMPLE7Q2",
            "known": True,
            "active": True,
            "owner": "deploy-shop",
            "account": "shop-production",
            "privileged": False,
        },
    ),
    read(
        "cloud.list_key_use",
        "List what an access key was used for",
        inputs={"key": NAME, "hours": HOURS},
        outputs={"key": NAME, "calls": COUNT, "addresses": NAMES, "instances": NAMES},
        timeout=LONG,
        example={
            "key": "AKIAEXAMPLE7Q2",
            "calls": 214,
            "addresses": ["203.0.113.77"],
            "instances": ["i-0a71", "i-0a72"],
        },
    ),
    change(
        "cloud.disable_key",
        "Disable an access key",
        inputs={"key": NAME},
        undo=Undo("cloud.enable_key", {"key": "${ inputs.key }"}),
        example={"key": "AKIAEXAMPLE7Q2", "changed": True},
    ),
    change(
        "cloud.enable_key",
        "Enable an access key again",
        inputs={"key": NAME},
        undo="Whoever holds the key can use it again; cloud.disable_key disables it anew.",
        example={"key": "AKIAEXAMPLE7Q2", "changed": False},
    ),
    change(
        "cloud.delete_key",
        "Delete an access key for good",
        inputs={"key": NAME},
        undo="A deleted key never works again; its owner is given another one.",
        effect=Effect.DESTROY,
        example={"key": "AKIAEXAMPLE7Q2", "changed": True},
    ),
    change(
        "cloud.snapshot_instance",
        "Take a snapshot of an instance's disks",
        inputs={"instance": NAME},
        outputs={"snapshot": NAME},
        undo="The snapshot stays, as evidence; delete it when the case allows.",
        timeout=LONG,
        example={"instance": "i-0a71", "changed": True, "snapshot": "snap-5d10"},
    ),
    change(
        "cloud.quarantine_instance",
        "Cut an instance off the network",
        inputs={"instance": NAME},
        outputs={"groups": NAMES},
        undo=Undo(
            "cloud.release_instance", {"instance": "${ inputs.instance }", "groups": "${ outputs.groups }"}
        ),
        example={"instance": "i-0a71", "changed": True, "groups": ["sg-web", "sg-default"]},
    ),
    change(
        "cloud.release_instance",
        "Give an instance its security groups back",
        inputs={"instance": NAME, "groups": NAMES},
        undo="The instance is reachable again; cloud.quarantine_instance cuts it off anew.",
        example={"instance": "i-0a71", "changed": False},
    ),
    change(
        "cloud.scale_group",
        "Set the size of a scaling group",
        inputs={"group": NAME, "size": SIZE},
        outputs={"size": SIZE, "previous_size": SIZE},
        undo=Undo(
            "cloud.restore_group_size",
            {
                "group": "${ inputs.group }",
                "size": "${ outputs.previous_size }",
                "expected": "${ inputs.size }",
            },
        ),
        timeout=LONG,
        example={"group": "shop-web", "changed": True, "size": 8, "previous_size": 4},
    ),
    change(
        "cloud.restore_group_size",
        "Put a scaling group back to the size that it had",
        inputs={"group": NAME, "size": SIZE, "expected": SIZE},
        outputs={"size": SIZE},
        undo="The group has its old size; cloud.scale_group sets another one.",
        timeout=LONG,
        example={"group": "shop-web", "changed": False, "size": 4},
    ),
)
