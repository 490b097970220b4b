"""Events from outside that runs wait for: posted by principals, or by a source with its token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer
from playbooks.api.authentication import Sender, caller_of
from playbooks.api.endpoint import KEY, Endpoint, described
from playbooks.api.parsing import Body, idempotency_key, read
from playbooks.api.permissions import Need
from playbooks.operations import events as operations


class Happened(Body):
    """`name` and `key` are those of the `wait`: its `event`, and what its `key` gives. `data` become an output."""

    name: str
    key: str
    data: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """`runs` counts those that waited for it. A run that comes to wait for it later, and began before, finds it."""

    id: UUID
    runs: int


class Events(Endpoint):
    needs = {"POST": Need(("post_event",), "ingest", sources_too=True)}

    @described(
        "events_post",
        "Report what runs may wait for",
        body=Happened,
        answer=AcceptedEvent,
        status=202,
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        body = read(Happened, request)
        posted = operations.post(
            body.name,
            body.key,
            caller=request.user.source if isinstance(request.user, Sender) else caller_of(request),
            data=body.data,
            idempotency_key=idempotency_key(request),
        )
        return answer(AcceptedEvent(posted.event, posted.runs), status=202)
