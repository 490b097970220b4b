"""Messages in people's mailboxes, and who may send to them, by an adapter to the mail system."""

from __future__ import annotations

from playbooks.connectors.adapter import LONG, adapter, change, read
from playbooks.connectors.schemas import COUNT, NAME, NAMES, TEXT
from playbooks.domain.actions import Effect, Undo

HOURS = {"type": "integer", "minimum": 1, "maximum": 720}
MESSAGES = {**NAMES, "minItems": 1, "description": "Ids that mail.find_messages gave"}

CONNECTOR = adapter(
    "mail",
    "Mail system",
    read(
        "mail.find_messages",
        "Find the messages of a sender or with a link",
        inputs={"sender": TEXT, "url": TEXT, "hours": HOURS},
        outputs={"messages": NAMES, "count": COUNT, "recipients": NAMES, "clicked": NAMES},
        timeout=LONG,
        example={
            "messages": ["AAMk-1041", "AAMk-1042", "AAMk-1043"],
            "count": 3,
            "recipients": ["m.okafor", "l.tanaka", "r.silva"],
            "clicked": ["r.silva"],
        },
    ),
    change(
        "mail.quarantine_messages",
        "Move messages out of the mailboxes",
        inputs={"messages": MESSAGES},
        outputs={"moved": COUNT},
        undo=Undo("mail.restore_messages", {"messages": "${ inputs.messages }"}),
        timeout=LONG,
        example={"messages": ["AAMk-1041", "AAMk-1042", "AAMk-1043"], "changed": True, "moved": 3},
    ),
    change(
        "mail.restore_messages",
        "Move quarantined messages back",
        inputs={"messages": MESSAGES},
        undo="People can open the messages again; mail.quarantine_messages moves them out anew.",
        timeout=LONG,
        example={"messages": ["AAMk-1041", "AAMk-1042", "AAMk-1043"], "changed": False},
    ),
    change(
        "mail.purge_messages",
        "Delete messages for good",
        inputs={"messages": MESSAGES},
        outputs={"deleted": COUNT},
        undo="Purged messages are gone from every mailbox and from the quarantine.",
        effect=Effect.DESTROY,
        timeout=LONG,
        example={"messages": ["AAMk-1041", "AAMk-1042", "AAMk-1043"], "changed": True, "deleted": 3},
    ),
    change(
        "mail.block_sender",
        "Take no mail of a sender",
        inputs={"sender": NAME},
        undo=Undo("mail.unblock_sender", {"sender": "${ inputs.sender }"}),
        example={"sender": "billing@pay-portal.example", "changed": True},
    ),
    change(
        "mail.unblock_sender",
        "Take the mail of a sender again",
        inputs={"sender": NAME},
        undo="Mail of the sender arrives again; mail.block_sender stops it anew.",
        example={"sender": "billing@pay-portal.example", "changed": False},
    ),
    change(
        "mail.disable_forwarding",
        "Switch off a mailbox's rules that send mail outside",
        inputs={"user": NAME},
        outputs={"rules": NAMES},
        undo=Undo("mail.enable_forwarding", {"user": "${ inputs.user }", "rules": "${ outputs.rules }"}),
        example={"user": "m.okafor", "changed": True, "rules": ["forward to drop.example"]},
    ),
    change(
        "mail.enable_forwarding",
        "Switch rules of a mailbox on again",
        inputs={"user": NAME, "rules": NAMES},
        undo="The rules send mail outside again; mail.disable_forwarding switches them off anew.",
        example={"user": "m.okafor", "changed": False},
    ),
)
