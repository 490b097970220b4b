"""What people are told: one's own rules and services, the channels that roles share, and the deliveries."""

from __future__ import annotations

from datetime import time
from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from playbooks.api.answers import answer, plains
from playbooks.api.authentication import caller_of, principal_of
from playbooks.api.endpoint import Endpoint, described, described_list
from playbooks.api.pagination import Listing, page
from playbooks.api.parsing import Body, read
from playbooks.api.permissions import Need
from playbooks.domain.notices import Medium, NoticeKind, Rules, When
from playbooks.models import NoticeChannel
from playbooks.operations import notice_rules as operations
from playbooks.queries import notices as queries
from playbooks.queries.notices import ChannelView, NoticeView, RulesView

CHANNELS = Listing(("name", "pk"), {"role": "role", "medium": "medium"})
NOTICES = Listing(("-created_at", "-pk"), {"status": "status", "kind": "kind"}, ("created_at", "due_at"))
OWN = Need(("see_run",), None)
MANAGE = Need(("manage_notices",), None)
Name = Annotated[str, StringConstraints(max_length=80)]
Address = Annotated[str, StringConstraints(max_length=2000)]


class SetRules(Body):
    """All of one's own rules; what is left out is as it is by default."""

    chosen: dict[NoticeKind, dict[Medium, When]] = {}
    digest_minutes: int = 60
    digest_hour: int | None = None
    quiet_from: time | None = None
    quiet_until: time | None = None
    zone: Annotated[str, StringConstraints(max_length=64)] = "UTC"


class AddService(Body):
    """`address` is as Apprise writes it. It is sealed, and never shown again."""

    name: Name = ""
    address: Address


class Share(Body):
    """`address` of a service, or `mailbox`."""

    name: Name = ""
    role: Annotated[str, StringConstraints(max_length=64)]
    kinds: list[NoticeKind]
    address: Address = ""
    mailbox: Annotated[str, StringConstraints(max_length=254)] = ""


class OwnRules(Endpoint):
    needs = {"GET": Need(("see_run",), "read"), "POST": OWN}

    @described("notice_rules_get", "What one is told, how and when", answer=RulesView)
    def get(self, request: Request) -> Response:
        return answer(queries.own_rules(principal_of(request)))

    @described("notice_rules_set", "Say what one is told", body=SetRules, answer=RulesView, is_write=True)
    def post(self, request: Request) -> Response:
        body = read(SetRules, request)
        operations.set_rules(Rules(**dict(body)), caller=caller_of(request))
        return answer(queries.own_rules(principal_of(request)))


class OwnServices(Endpoint):
    needs = {"POST": OWN}

    @described(
        "notice_services_add",
        "Add a service at which one is told",
        body=AddService,
        answer=ChannelView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(AddService, request)
        row = operations.add_service(caller=caller_of(request), name=body.name, address=body.address)
        return _channel(row, status=201)


class Channels(Endpoint):
    needs = {"GET": Need(("manage_notices",), "read"), "POST": MANAGE}

    @described_list("notice_channels_list", "Channels that roles share", row=ChannelView, listing=CHANNELS)
    def get(self, request: Request) -> Response:
        rows = queries.shared(principal_of(request))
        return page(
            rows, request, self, listing=CHANNELS, show=lambda found: plains(queries.channel_views(found))
        )

    @described(
        "notice_channels_share",
        "Share a channel among the holders of a role",
        body=Share,
        answer=ChannelView,
        status=201,
        is_write=True,
    )
    def post(self, request: Request) -> Response:
        body = read(Share, request)
        row = operations.share(caller=caller_of(request), **dict(body))
        return _channel(row, status=201)


class ChannelTest(Endpoint):
    needs = {"POST": OWN}

    @described("notice_channels_test", "Send a test to a channel", answer=ChannelView, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        return _channel(operations.try_channel(pk, caller=caller_of(request)))


class ChannelRemoval(Endpoint):
    needs = {"POST": OWN}

    @described("notice_channels_remove", "Remove a channel", answer=ChannelView, is_write=True)
    def post(self, request: Request, pk: UUID) -> Response:
        return _channel(operations.remove(pk, caller=caller_of(request)))


class Notices(Endpoint):
    needs = {"GET": Need(("manage_notices",), "read")}

    @described_list(
        "notices_list", "What was or is to be delivered, the newest first", row=NoticeView, listing=NOTICES
    )
    def get(self, request: Request) -> Response:
        rows = queries.notices(principal_of(request))
        return page(
            rows, request, self, listing=NOTICES, show=lambda found: plains(queries.notice_views(found))
        )


def _channel(row: NoticeChannel, *, status: int = 200) -> Response:
    return answer(queries.channel_view(row.pk), status=status)
