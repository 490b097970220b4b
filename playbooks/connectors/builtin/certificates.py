"""TLS certificates and where they are in use, by an adapter to the certificate management."""

from __future__ import annotations

from playbooks.connectors.adapter import LONG, adapter, change, read
from playbooks.connectors.schemas import FLAG, NAME, NAMES, TEXT, WHOLE
from playbooks.domain.actions import Undo

CONNECTOR = adapter(
    "certificates",
    "Certificates",
    read(
        "certificates.find",
        "Find the certificate of a name",
        inputs={"name": NAME},
        outputs={
            "name": NAME,
            "known": FLAG,
            "days_left": WHOLE,
            "issuer": TEXT,
            "serial": TEXT,
            "places": NAMES,
        },
        example={
            "name": "shop.example",
            "known": True,
            "days_left": 6,
            "issuer": "Example CA 2",
            "serial": "04:7a:11",
            "places": ["edge-1", "edge-2"],
        },
    ),
    change(
        "certificates.renew",
        "Have a new certificate issued and put it in place",
        inputs={"name": NAME},
        outputs={"serial": NAME, "previous_serial": NAME, "days_left": WHOLE},
        undo=Undo(
            "certificates.put_back",
            {
                "name": "${ inputs.name }",
                "serial": "${ outputs.previous_serial }",
                "expected": "${ outputs.serial }",
            },
        ),
        timeout=LONG,
        example={
            "name": "shop.example",
            "changed": True,
            "serial": "04:7b:02",
            "previous_serial": "04:7a:11",
            "days_left": 90,
        },
    ),
    change(
        "certificates.put_back",
        "Put an earlier certificate back in place",
        inputs={"name": NAME, "serial": NAME, "expected": NAME},
        outputs={"serial": NAME},
        undo="The earlier certificate is in use; certificates.renew has another one issued.",
        timeout=LONG,
        example={"name": "shop.example", "changed": False, "serial": "04:7a:11"},
    ),
    read(
        "certificates.probe",
        "See which certificate a name answers with",
        inputs={"name": NAME},
        outputs={"name": NAME, "serial": TEXT, "trusted": FLAG, "days_left": WHOLE},
        example={"name": "shop.example", "serial": "04:7b:02", "trusted": True, "days_left": 90},
    ),
)
