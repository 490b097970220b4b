"""Tickets of a service desk, by an adapter."""

from __future__ import annotations

from playbooks.connectors.adapter import adapter, change, tell
from playbooks.connectors.schemas import FLAG, NAME, NAMES, TEXT
from playbooks.domain.actions import Undo

PRIORITY = {"enum": ["low", "normal", "high", "urgent"]}
BODY = {"type": "string", "minLength": 1, "maxLength": 20_000}

CONNECTOR = adapter(
    "tickets",
    "Service desk",
    change(
        "tickets.open_ticket",
        "Open a ticket",
        inputs={
            "title": NAME,
            "text": BODY,
            "priority": PRIORITY,
            "confidential": {**FLAG, "description": "Only the readers see it"},
            "readers": NAMES,
        },
        optional=("confidential", "readers"),
        outputs={"ticket": NAME, "url": TEXT},
        undo=Undo("tickets.close_ticket", {"ticket": "${ outputs.ticket }", "text": "It was rolled back."}),
        example={
            "title": "Reimage FIN-LT-114",
            "changed": True,
            "ticket": "SD-4711",
            "url": "https://desk.example/SD-4711",
        },
    ),
    tell(
        "tickets.add_note",
        "Write a note into a ticket",
        inputs={"ticket": NAME, "text": BODY},
        outputs={"ticket": NAME},
        no_way_back="A note that people have read cannot be called back.",
        example={"ticket": "SD-4711"},
    ),
    change(
        "tickets.close_ticket",
        "Close a ticket",
        inputs={"ticket": NAME, "text": BODY},
        undo="The ticket is closed; its owner can open it again.",
        example={"ticket": "SD-4711", "changed": True},
    ),
)
