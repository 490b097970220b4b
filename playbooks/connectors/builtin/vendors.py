"""What third parties may reach, by an adapter to wherever their access is kept."""

from __future__ import annotations

from playbooks.connectors.adapter import adapter, change, read
from playbooks.connectors.schemas import FLAG, NAME, NAMES, TEXT
from playbooks.domain.actions import Undo

CONNECTOR = adapter(
    "vendors",
    "Third parties",
    read(
        "vendors.find_access",
        "Find what a third party may reach",
        inputs={"vendor": NAME},
        outputs={
            "vendor": NAME,
            "known": FLAG,
            "owner": TEXT,
            "accounts": NAMES,
            "keys": NAMES,
            "systems": NAMES,
        },
        example={
            "vendor": "Contoso Payroll",
            "known": True,
            "owner": "j.brandt",
            "accounts": ["svc-payroll", "ext.miller"],
            "keys": ["AKIAEXAMPLE7Q2"],
            "systems": ["hr-database", "file-exchange"],
        },
    ),
    change(
        "vendors.suspend_access",
        "Suspend the access of a third party",
        inputs={"vendor": NAME},
        undo=Undo("vendors.restore_access", {"vendor": "${ inputs.vendor }"}),
        example={"vendor": "Contoso Payroll", "changed": True},
    ),
    change(
        "vendors.restore_access",
        "Give a third party its access back",
        inputs={"vendor": NAME},
        undo="The third party can sign in again; vendors.suspend_access suspends it anew.",
        example={"vendor": "Contoso Payroll", "changed": False},
    ),
)
