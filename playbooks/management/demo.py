"""The demo: invented people and alerts, real rules. `manage.py demo` loads it into an empty database.

Everything is done by the product's own operations, in the order in which people would do it, so that the audit log
of the demo is as true as any other.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from playbooks import audit, executor
from playbooks.audit import Entry, Stream, Subject
from playbooks.domain.alerts import NormalAlert, normal, suricata
from playbooks.domain.policies.never_touch import TargetKind
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.domain.verbs import Verb
from playbooks.management import library
from playbooks.models import ApprovalRequest, Heartbeat, Principal, Run
from playbooks.operations import (
    alerts,
    approvals,
    connections,
    never_touch,
    people,
    playbooks,
    rollbacks,
    runs,
)
from playbooks.operations.caller import SYSTEM, Caller

LOADED = "demo"
WORKER = "demo"
DATA = Path(__file__).parent / "demo_data.json"
ADAPTER = {"base_url": "https://adapter.example"}  # never called: what it would do is simulated


def is_loaded() -> bool:
    """Whether the demo is complete in this database."""
    return Heartbeat.objects.filter(part=LOADED).exists()


def password() -> str:
    """One for all demo people: SOAR_DEMO_PASSWORD, else a random one that stays the same for this SOAR_HOME."""
    return os.environ.get("SOAR_DEMO_PASSWORD") or _kept_secret("demo-password", words=True)


def gateway_token() -> str:
    return _kept_secret("demo-gateway-token")


def sign_ins() -> str:
    """What a newcomer needs to know, as lines for the terminal."""
    rows = "\n".join(f"  {name:<11}{each['what']}" for name, each in _data()["people"].items())
    return f"\nSign in as one of these people, all with the password  {password()}\n\n{rows}\n"


def load() -> None:
    """Loads everything. The database has to be empty: see the command."""
    data = _data()
    _people(data["people"])
    _connections(data)
    _playbooks()
    _never_touched()
    _alerts(data["alerts"])
    _stories()
    _finish()


def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return data


def _kept_secret(name: str, *, words: bool = False) -> str:
    path = settings.SOAR_HOME / name
    if not path.exists():
        secret = "-".join(secrets.token_hex(2) for _ in range(4)) if words else secrets.token_urlsafe(32)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret)
    return str(path.read_text(encoding="ascii"))


def caller(username: str) -> Caller:
    return Caller(Principal.objects.get(username=username))


def _people(cast: Mapping[str, Any]) -> None:
    for username, person in cast.items():
        people.create(
            username,
            actor=SYSTEM,
            name=person["name"],
            password=password(),
            roles=person["roles"],
            is_superuser=person.get("superuser", False),
        )


def _connections(data: Mapping[str, Any]) -> None:
    for name, each in data["connections"].items():
        connections.configure(name, caller=caller("admin"), **{"secrets": {}, **each})
    for name in data["adapters"]:
        connections.configure(
            name,
            caller=caller("admin"),
            connector=name,
            settings=ADAPTER,
            secrets={"token": "not-used"},
            environment="demo",
            is_simulated=True,
        )
    connections.configure(
        "gateway",
        caller=caller("admin"),
        connector="http",
        settings={"base_url": f"http://127.0.0.1:{settings.PORT + 1}", "egress": ["127.0.0.1/32"]},
        secrets={"token": gateway_token()},
        environment="demo",
    )


def _playbooks() -> None:
    """The library as shipped; then `author` adapts block-attacker and `publisher` publishes that."""
    for name in library.SHIPPED:
        library.install(name)
    adapted = library.text_of("block-attacker").replace("within: 30m", "within: 8h")
    draft = playbooks.draft(adapted, caller=caller("author"))
    playbooks.submit("block-attacker", draft.number, caller=caller("author"))
    playbooks.publish("block-attacker", draft.number, caller=caller("publisher"))


def _never_touched() -> None:
    """What must not break, whoever approves."""
    author = caller("author")
    never_touch.add(TargetKind.ADDRESS, "192.0.2.53", caller=author, reason="Our own resolver.")
    never_touch.add(TargetKind.ACCOUNT, "emergency", caller=author, reason="The emergency account.")


def _alerts(posted: list[dict[str, Any]]) -> None:
    """As their products would post them, just now."""
    now = timezone.now()
    for each in posted:
        source = people.create_source(each["source"], kind=each["kind"], actor=SYSTEM)
        event = {
            **each["event"],
            each["time_field"]: (now - timedelta(minutes=each["minutes_ago"])).isoformat(),
        }
        alert = suricata(event, now) if each["kind"] == "suricata" else normal(event, now)
        if not isinstance(alert, NormalAlert):
            raise TypeError(f"The demo's alert is not accepted: {alert}")
        alerts.ingest(alert, source=source, raw=json.dumps(event).encode(), actor=SYSTEM)


def _stories() -> None:
    """Runs in every state that a newcomer should see."""
    for run in Run.objects.order_by("created_at"):
        executor.drive(run.pk, worker=WORKER)
    of_attackers = Run.objects.filter(version__playbook__slug="block-attacker").order_by("created_at")
    finished, rolled_back, denied, half = of_attackers[:4]
    _approve(finished, "tier2", "netowner")
    _approve(rolled_back, "tier2", "netowner")
    _roll_back(rolled_back)
    _decide(
        denied, "netowner", Verdict.DENY, "This is our own vulnerability scanner; see the change calendar."
    )
    _decide(half, "tier2", Verdict.APPROVE, "Seen on three sensors.")
    own = runs.start("block-attacker", caller=caller("analyst"), inputs={"address": "198.51.100.77"})
    real = runs.start("block-at-gateway", caller=caller("analyst"), inputs={"address": "203.0.113.50"})
    asking = runs.start("account-takeover", caller=caller("analyst"), inputs={"user": "p.lindqvist"})
    for run in (own, real, asking):
        executor.drive(run.pk, worker=WORKER)
    _approve(asking, "tier2")


def _approve(run: Run, *usernames: str) -> None:
    for username in usernames:
        _decide(run, username, Verdict.APPROVE, "")
    executor.drive(run.pk, worker=WORKER)


def _decide(run: Run, username: str, verdict: Verdict, comment: str) -> None:
    request = ApprovalRequest.objects.get(run=run, status=RequestStatus.OPEN)
    approvals.decide(
        request.pk, caller=caller(username), verdict=verdict, shown_digest=request.digest, comment=comment
    )
    executor.drive(run.pk, worker=WORKER)


def _roll_back(run: Run) -> None:
    run.refresh_from_db()
    rollbacks.start(run.pk, caller=caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    executor.drive(run.pk, worker=WORKER)


def _finish() -> None:
    with transaction.atomic(durable=True):
        now = timezone.now()
        Heartbeat.objects.create(part=LOADED, beat_at=now)
        audit.append(
            Entry(
                stream=Stream("system", "demo"),
                verb=Verb.DEMO_LOADED,
                actor=SYSTEM,
                subject=Subject("system", "demo", "The demo"),
                outcome="done",
                facts={},
                occurred_at=now,
            )
        )
