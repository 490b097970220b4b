"""Tells a channel, by Apprise: chat, paging and push services, one way.

Apprise makes its own requests. Services that have a fixed address are taken as they are; for those whose
address names a host, the host is held to the egress rules first, and redirects are off.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from apprise import Apprise, AppriseAsset, NotifyBase

from playbooks.connectors.declaration import EGRESS, Binding, Connector, Context, Field
from playbooks.connectors.errors import RefusedError
from playbooks.connectors.schemas import TEXT, record
from playbooks.domain.actions import Action, Effect, Irreversible, Repeat, Timeout
from playbooks.domain.outcomes import Failed, Outcome, Succeeded

LOCAL = frozenset(
    {"dbus", "gnome", "glib", "kde", "qt", "macosx", "windows", "syslog"}
)  # the worker's own desktop

# Both write whole addresses, which carry the credentials, into their debug logs.
for _name in ("apprise", "urllib3.connectionpool"):
    logging.getLogger(_name).disabled = True

FIELDS = (
    Field("urls", "Apprise addresses", "secret", True, "One a line, such as slack://… or mailtos://….", None),
    EGRESS,
)


def send(context: Context, *, text: str, title: str = "") -> Outcome:
    services = list(_services(context))
    refusals = [name for service in services if (name := _refusal(context, service, text, title))]
    names = [str(service.service_name) for service in services]
    if not refusals:
        return Succeeded({"services": names})
    if len(refusals) == len(names):
        return Failed(f"No service took the message: {', '.join(refusals)}.", permanent=False)
    return Failed(
        f"{', '.join(refusals)} did not take the message; the others have it, so it is not sent again.",
        permanent=True,
    )


def preview(context: Context, *, text: str, title: str = "") -> Mapping[str, object]:
    return {"services": len(_urls(context)), "title": title, "text": text}


def _urls(context: Context) -> list[str]:
    return [line.strip() for line in context.secrets.reveal("urls").splitlines() if line.strip()]


def _services(context: Context) -> Iterator[NotifyBase]:
    """All are checked before anything is sent."""
    asset = AppriseAsset(http_redirects=False)
    for number, url in enumerate(_urls(context), start=1):
        service = None if url.partition(":")[0].lower() in LOCAL else Apprise.instantiate(url, asset=asset)
        if service is None:
            raise RefusedError(
                f"Address {number} of the connection is none that Apprise can use. Correct the connection."
            )
        if "host" in service.template_tokens:
            context.http.resolve(service.host, service.port or 443)
        yield service


def _refusal(context: Context, service: NotifyBase, text: str, title: str) -> str | None:
    """The name of the service when it did not take the message."""
    left = context.seconds_left()
    if left <= 0:
        return f"{service.service_name} (no time was left)"
    service.socket_connect_timeout = service.socket_read_timeout = left / 2
    return None if service.notify(body=text, title=title) else str(service.service_name)


SEND = Action(
    key="notify.send",
    label="Notify a channel",
    inputs=record(
        {
            "text": {"type": "string", "minLength": 1, "maxLength": 20_000},
            "title": {"type": "string", "maxLength": 200},
        },
        optional=("title",),
    ),
    outputs=record({"services": {"type": "array", "items": TEXT}}),
    effect=Effect.MESSAGE,
    repeat=Repeat.SAFE,  # a message that comes twice does no harm
    undo=Irreversible("A message that was sent cannot be called back."),
    timeout=Timeout(default=30, maximum=120),
    target="",
    example={"services": ["Slack"]},
)

CONNECTOR = Connector(
    key="notify",
    label="Notification",
    fields=FIELDS,
    bindings=(Binding(SEND, send, preview, lookup=None, verify=None),),
)
