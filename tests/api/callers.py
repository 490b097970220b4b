"""Who calls the API in tests: a session of one of the cast, a token, or nobody."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RequestStatus
from playbooks.models import ApprovalRequest, Principal, Run, Source
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.cast import ATTACKER, Cast, connect, publish, start
from tests.proving import proven_in

BASE = "/api/v1/"

EVENT: dict[str, Any] = {
    "timestamp": "2026-11-23T09:00:00.000000+0000",
    "flow_id": 1814022233,
    "event_type": "alert",
    "src_ip": ATTACKER,
    "dest_ip": "192.0.2.10",
    "proto": "TCP",
    "alert": {
        "signature_id": 9000101,
        "signature": "EXPLOIT in HTTP header",
        "category": "Attempt",
        "severity": 1,
    },
}
NORMAL: dict[str, Any] = {"title": "Odd sign-in", "severity": 40, "external_id": "a-1"}


@dataclass(frozen=True, slots=True)
class Api:
    """Calls with JSON; `headers` go with every call."""

    client: Client
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(BASE + path, query, headers=self.headers)

    def post(
        self, path: str, body: Any = None, *, media: str = "application/json", **headers: str
    ) -> HttpResponse:
        raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(BASE + path, raw, content_type=media, headers={**self.headers, **names})


def nobody() -> Api:
    return Api(Client())


def session(person: Principal) -> Api:
    client = Client()
    client.force_login(person)
    return Api(client)


def proven_session(person: Principal) -> Api:
    """A session in which the person proved a moment ago that it is them."""
    api = session(person)
    proven_in(api.client, person)
    return api


def bearer(token: str) -> Api:
    return Api(Client(), {"Authorization": f"Bearer {token}"})


def token_of(person: Principal, *scopes: str, days: int = 1) -> Api:
    return bearer(people.issue_token(person, actor=SYSTEM, scopes=scopes, days=days))


def source_of(slug: str, kind: str) -> Source:
    return people.create_source(slug, kind=kind, actor=SYSTEM)


def sender(slug: str = "suricata", kind: str = "suricata") -> Api:
    """A product that posts with its source's token."""
    return bearer(people.issue_source_token(source_of(slug, kind), actor=SYSTEM))


def at_the_gate(cast: Cast) -> tuple[Run, ApprovalRequest]:
    """A run that the analyst started, waiting for its two approvals."""
    connect(cast)
    publish(cast)
    run = start(cast)
    executor.drive(run.pk, worker="test")
    return run, run.requests.get(status=RequestStatus.OPEN)


def succeeded(cast: Cast) -> Run:
    """The same run after both approvals, driven to its end."""
    run, request = at_the_gate(cast)
    for person in (cast.tier2, cast.netowner):
        body = {"verdict": "approve", "digest": request.digest}
        assert session(person).post(f"approvals/{request.pk}/decide/", body).status_code == 200
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    return run


def beat() -> None:
    """The worker and the sequencer have just said that they are alive."""
    executor.sweep(now=timezone.now())
