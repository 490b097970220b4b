"""People's accounts, sessions and passwords, by an adapter to the identity provider."""

from __future__ import annotations

from playbooks.connectors.adapter import adapter, change, read, tell
from playbooks.connectors.schemas import COUNT, FLAG, NAME, NAMES, TEXT, record
from playbooks.domain.actions import Undo

HOURS = {"type": "integer", "minimum": 1, "maximum": 720}
SEALED = {"type": "string", "minLength": 1, "maxLength": 500, "writeOnly": True}
DEGREES = {"type": "number", "minimum": -180, "maximum": 180}
SIGN_IN = record(
    {
        "at": {**TEXT, "description": "RFC 3339"},
        "address": TEXT,
        "country": TEXT,
        "latitude": DEGREES,
        "longitude": DEGREES,
        "device": TEXT,
        "managed": FLAG,
    }
)

CONNECTOR = adapter(
    "identity",
    "Identity provider",
    read(
        "identity.find_user",
        "Find a user",
        inputs={"user": NAME},
        outputs={
            "user": NAME,
            "known": FLAG,
            "name": TEXT,
            "email": TEXT,
            "manager": TEXT,
            "privileged": FLAG,
            "locked": FLAG,
        },
        example={
            "user": "m.okafor",
            "known": True,
            "name": "Mina Okafor",
            "email": "m.okafor@corp.example",
            "manager": "j.brandt",
            "privileged": False,
            "locked": False,
        },
    ),
    read(
        "identity.list_sign_ins",
        "List a user's latest sign-ins",
        inputs={"user": NAME, "hours": HOURS},
        outputs={"user": NAME, "sign_ins": {"type": "array", "items": SIGN_IN, "maxItems": 1000}},
        example={
            "user": "m.okafor",
            "sign_ins": [
                {
                    "at": "2026-11-23T08:02:11Z",
                    "address": "192.0.2.61",
                    "country": "DE",
                    "latitude": 52.5,
                    "longitude": 13.4,
                    "device": "FIN-LT-114",
                    "managed": True,
                },
                {
                    "at": "2026-11-23T08:14:40Z",
                    "address": "198.51.100.140",
                    "country": "BR",
                    "latitude": -23.5,
                    "longitude": -46.6,
                    "device": "unknown",
                    "managed": False,
                },
            ],
        },
    ),
    read(
        "identity.list_active_users",
        "List the users who are signed in to an application",
        inputs={"application": NAME},
        outputs={"application": NAME, "users": NAMES, "count": COUNT},
        example={"application": "web-shop", "users": ["m.okafor", "l.tanaka", "r.silva"], "count": 3},
    ),
    change(
        "identity.lock_user",
        "Lock a user",
        inputs={"user": NAME},
        undo=Undo("identity.unlock_user", {"user": "${ inputs.user }"}),
        example={"user": "m.okafor", "changed": True},
    ),
    change(
        "identity.unlock_user",
        "Unlock a user",
        inputs={"user": NAME},
        undo="The user can sign in again at once; identity.lock_user locks them anew.",
        example={"user": "m.okafor", "changed": False},
    ),
    change(
        "identity.revoke_sessions",
        "End all sessions of a user",
        inputs={"user": NAME},
        outputs={"ended": COUNT},
        undo="Sessions that were ended do not come back; the user signs in again.",
        example={"user": "m.okafor", "changed": True, "ended": 3},
    ),
    change(
        "identity.end_sessions",
        "End a user's sessions with one application",
        inputs={"user": NAME, "application": NAME},
        outputs={"ended": COUNT},
        undo="Sessions that were ended do not come back; the user signs in again.",
        example={"user": "m.okafor", "changed": True, "ended": 1},
    ),
    change(
        "identity.reset_password",
        "Give a user a new, temporary password",
        inputs={"user": NAME},
        outputs={"password": SEALED},
        undo="The old password is gone; the user goes on with a new one.",
        example={"user": "m.okafor", "changed": True, "password": "only-in-simulation"},
    ),
    tell(
        "identity.hand_over_password",
        "Hand a temporary password over in person",
        inputs={"user": NAME, "through": NAME, "password": SEALED},
        outputs={"user": NAME, "through": NAME},
        no_way_back="A password that was handed over is known; reset it again.",
        example={"user": "m.okafor", "through": "j.brandt"},
    ),
    change(
        "identity.restrict_user",
        "Restrict a user to managed devices and a second factor",
        inputs={"user": NAME},
        undo=Undo("identity.unrestrict_user", {"user": "${ inputs.user }"}),
        example={"user": "m.okafor", "changed": True},
    ),
    change(
        "identity.unrestrict_user",
        "Take the restriction of a user away",
        inputs={"user": NAME},
        undo="The restriction is gone at once; identity.restrict_user brings it back.",
        example={"user": "m.okafor", "changed": False},
    ),
)
