"""Endpoint detection and response: hosts, their processes and files, by an adapter."""

from __future__ import annotations

from playbooks.connectors.adapter import LONG, adapter, change, read
from playbooks.connectors.schemas import COUNT, END, FLAG, NAME, NAMES, TEXT
from playbooks.domain.actions import Undo

HASH = {
    "type": "string",
    "pattern": f"^[0-9a-fA-F]{{32,128}}{END}",
    "description": "MD5, SHA-1 or SHA-2, in hex",
}

CONNECTOR = adapter(
    "edr",
    "Endpoint detection and response",
    read(
        "edr.find_host",
        "Find a host",
        inputs={"host": NAME},
        outputs={
            "host": NAME,
            "known": FLAG,
            "system": TEXT,
            "owner": TEXT,
            "user": TEXT,
            "critical": FLAG,
            "isolated": FLAG,
        },
        example={
            "host": "FIN-LT-114",
            "known": True,
            "system": "Windows 11 23H2",
            "owner": "Finance",
            "user": "m.okafor",
            "critical": False,
            "isolated": False,
        },
    ),
    change(
        "edr.isolate_host",
        "Isolate a host from the network",
        inputs={"host": NAME},
        undo=Undo("edr.release_host", {"host": "${ inputs.host }"}),
        example={"host": "FIN-LT-114", "changed": True},
    ),
    change(
        "edr.release_host",
        "Let a host back onto the network",
        inputs={"host": NAME},
        undo="The host is connected again at once; edr.isolate_host isolates it anew.",
        example={"host": "FIN-LT-114", "changed": False},
    ),
    change(
        "edr.kill_process",
        "End the processes of a program on a host",
        inputs={"host": NAME, "hash": HASH},
        outputs={"ended": COUNT},
        undo="A process that was ended does not come back, and what it held in memory is lost.",
        example={"host": "FIN-LT-114", "changed": True, "ended": 2},
    ),
    read(
        "edr.collect_evidence",
        "Collect memory, processes and events of a host",
        inputs={"host": NAME, "kinds": {**NAMES, "description": "Such as memory, processes, events"}},
        outputs={"host": NAME, "evidence": NAME, "sha256": HASH, "bytes": COUNT},
        timeout=LONG,
        example={
            "host": "FIN-LT-114",
            "evidence": "evd-20417",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "bytes": 48_211_034,
        },
    ),
    change(
        "edr.quarantine_file",
        "Quarantine a file on a host",
        inputs={"host": NAME, "hash": HASH},
        outputs={"path": TEXT},
        undo=Undo("edr.restore_file", {"host": "${ inputs.host }", "hash": "${ inputs.hash }"}),
        example={
            "host": "FIN-LT-114",
            "changed": True,
            "path": "C:\\Users\\m.okafor\\Downloads\\invoice.exe",
        },
    ),
    change(
        "edr.restore_file",
        "Put a quarantined file back",
        inputs={"host": NAME, "hash": HASH},
        undo="The file is in its place again; edr.quarantine_file takes it away anew.",
        example={"host": "FIN-LT-114", "changed": False},
    ),
    read(
        "edr.hunt_hash",
        "Find the hosts that hold a file",
        inputs={"hash": HASH},
        outputs={"hash": HASH, "hosts": NAMES, "count": COUNT, "running": NAMES},
        timeout=LONG,
        example={
            "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "hosts": ["FIN-LT-114", "FIN-LT-117"],
            "count": 2,
            "running": ["FIN-LT-114"],
        },
    ),
    change(
        "edr.block_hash",
        "Let no host start a program",
        inputs={"hash": HASH},
        undo=Undo("edr.allow_hash", {"hash": "${ inputs.hash }"}),
        example={
            "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "changed": True,
        },
    ),
    change(
        "edr.allow_hash",
        "Let hosts start a program again",
        inputs={"hash": HASH},
        undo="The program can start again at once; edr.block_hash blocks it anew.",
        example={
            "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "changed": False,
        },
    ),
)
