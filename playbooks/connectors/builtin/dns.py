"""What the resolvers of the organization answer, by an adapter."""

from __future__ import annotations

from playbooks.connectors.adapter import adapter, change, read
from playbooks.connectors.schemas import COUNT, NAME, NAMES
from playbooks.domain.actions import Undo

HOURS = {"type": "integer", "minimum": 1, "maximum": 720}

CONNECTOR = adapter(
    "dns",
    "DNS resolvers",
    read(
        "dns.find_queries",
        "Find the hosts that asked for a domain",
        inputs={"domain": NAME, "hours": HOURS},
        outputs={"domain": NAME, "hosts": NAMES, "count": COUNT},
        example={"domain": "k3.update-check.example", "hosts": ["FIN-LT-114"], "count": 37},
    ),
    change(
        "dns.sinkhole_domain",
        "Answer a domain with the sinkhole",
        inputs={"domain": NAME},
        undo=Undo("dns.release_domain", {"domain": "${ inputs.domain }"}),
        example={"domain": "k3.update-check.example", "changed": True},
    ),
    change(
        "dns.release_domain",
        "Answer a domain as it is again",
        inputs={"domain": NAME},
        undo="The domain resolves again; dns.sinkhole_domain sinks it anew.",
        example={"domain": "k3.update-check.example", "changed": False},
    ),
)
