"""Laptops and telephones, by an adapter to the device management."""

from __future__ import annotations

from playbooks.connectors.adapter import adapter, change, read
from playbooks.connectors.schemas import FLAG, NAME, TEXT
from playbooks.domain.actions import Effect, Undo

CONNECTOR = adapter(
    "devices",
    "Device management",
    read(
        "devices.find_device",
        "Find a device",
        inputs={"device": NAME},
        outputs={
            "device": NAME,
            "known": FLAG,
            "user": TEXT,
            "encrypted": FLAG,
            "locked": FLAG,
            "last_seen": TEXT,
            "place": TEXT,
        },
        example={
            "device": "SAL-LT-031",
            "known": True,
            "user": "r.silva",
            "encrypted": True,
            "locked": False,
            "last_seen": "2026-11-23T17:55:00Z",
            "place": "Lisbon",
        },
    ),
    change(
        "devices.lock_device",
        "Lock a device as soon as it is online",
        inputs={"device": NAME},
        undo=Undo("devices.unlock_device", {"device": "${ inputs.device }"}),
        example={"device": "SAL-LT-031", "changed": True},
    ),
    change(
        "devices.unlock_device",
        "Unlock a device",
        inputs={"device": NAME},
        undo="The device can be used again; devices.lock_device locks it anew.",
        example={"device": "SAL-LT-031", "changed": False},
    ),
    change(
        "devices.wipe_device",
        "Erase a device as soon as it is online",
        inputs={"device": NAME},
        undo="What was on the device is gone; only a backup brings it back.",
        effect=Effect.DESTROY,
        example={"device": "SAL-LT-031", "changed": True},
    ),
)
