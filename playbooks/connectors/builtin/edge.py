"""Protection at the edge: mitigations and rate limits of a content network or web firewall, by an adapter."""

from __future__ import annotations

from playbooks.connectors.adapter import adapter, change, read
from playbooks.connectors.schemas import ADDRESS, COUNT, NAME
from playbooks.domain.actions import Undo

PER_MINUTE = {"type": "integer", "minimum": 0, "description": "Requests of one client; 0 is no limit"}

CONNECTOR = adapter(
    "edge",
    "Edge protection",
    read(
        "edge.get_traffic",
        "Read the traffic of a service",
        inputs={"service": NAME},
        outputs={
            "service": NAME,
            "requests_a_second": COUNT,
            "usual": COUNT,
            "errors_percent": COUNT,
            "top_addresses": {"type": "array", "items": ADDRESS, "maxItems": 1000},
        },
        example={
            "service": "shop.example",
            "requests_a_second": 900,
            "usual": 800,
            "errors_percent": 1,
            "top_addresses": ["203.0.113.24", "203.0.113.66"],
        },
    ),
    change(
        "edge.enable_mitigation",
        "Switch a mitigation on",
        inputs={"service": NAME, "mitigation": NAME},
        undo=Undo(
            "edge.disable_mitigation",
            {"service": "${ inputs.service }", "mitigation": "${ inputs.mitigation }"},
        ),
        example={"service": "shop.example", "changed": True},
    ),
    change(
        "edge.disable_mitigation",
        "Switch a mitigation off",
        inputs={"service": NAME, "mitigation": NAME},
        undo="The mitigation is off; edge.enable_mitigation switches it on anew.",
        example={"service": "shop.example", "changed": False},
    ),
    change(
        "edge.set_rate_limit",
        "Limit the requests of each client",
        inputs={"service": NAME, "per_minute": PER_MINUTE},
        outputs={"per_minute": PER_MINUTE, "previous": PER_MINUTE},
        undo=Undo(
            "edge.restore_rate_limit",
            {
                "service": "${ inputs.service }",
                "per_minute": "${ outputs.previous }",
                "expected": "${ inputs.per_minute }",
            },
        ),
        example={"service": "shop.example", "changed": True, "per_minute": 60, "previous": 600},
    ),
    change(
        "edge.restore_rate_limit",
        "Put the limit of requests back",
        inputs={"service": NAME, "per_minute": PER_MINUTE, "expected": PER_MINUTE},
        outputs={"per_minute": PER_MINUTE},
        undo="The service has its old limit; edge.set_rate_limit sets another one.",
        example={"service": "shop.example", "changed": False, "per_minute": 600},
    ),
)
