"""Sends notices: what the outbox holds goes out, outside of any transaction, and what became of it is written down."""

from __future__ import annotations

import logging
from datetime import datetime

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.utils import timezone

from playbooks.connectors import messages
from playbooks.connectors.messages import Item, Message, UndeliveredError
from playbooks.domain.notices import Medium
from playbooks.models import Notice, unseal
from playbooks.operations import deliveries
from playbooks.operations.deliveries import Delivery

RULES_PATH = "/notifications/"
logger = logging.getLogger(__name__)


def deliver(*, now: datetime | None = None) -> int:
    """Sends a batch of what is due. Returns how many messages went out or failed."""
    taken = deliveries.take(now or timezone.now())
    for delivery in taken:
        if deliveries.is_still_ours(delivery):
            _send(delivery, now or timezone.now())
    return len(taken)


def _send(delivery: Delivery, now: datetime) -> None:
    try:
        _hand_over(delivery)
    except UndeliveredError as error:
        deliveries.failed(
            delivery,
            now=now,
            sentence=str(error),
            is_permanent=error.is_permanent,
            is_everywhere=error.is_everywhere,
        )
    except Exception as error:  # one notice must not keep the others of the batch
        logger.exception("A notice could not be sent")
        sentence = f"It could not be put together ({type(error).__name__})."
        deliveries.failed(delivery, now=now, sentence=sentence, is_permanent=False, is_everywhere=False)
    else:
        deliveries.sent(delivery, now=now)


def _hand_over(delivery: Delivery) -> None:
    first, message = delivery.first, _message(delivery)
    if first.medium == Medium.EMAIL:
        messages.mail(message, to=_mailbox(first))
        return
    try:
        address = unseal(first.channel.sealed)["address"] if first.channel else ""
    except InvalidToken:
        raise UndeliveredError(
            "The key that seals addresses was changed; add the address again.", is_permanent=True
        ) from None
    messages.to_service(message, address=address)


def _mailbox(notice: Notice) -> str:
    to = notice.channel.mailbox if notice.channel else getattr(notice.person, "email", "")
    if not to:
        raise UndeliveredError("There is no mail address any more.", is_permanent=True, is_everywhere=False)
    return to


def _message(delivery: Delivery) -> Message:
    first, count = delivery.first, len(delivery.notices)
    title = first.title if count == 1 else f"{count} notices"
    items = [Item(each.title, each.text, settings.BASE_URL + each.path) for each in delivery.notices]
    return Message(
        key=first.key,
        title=f"[Countersign] {title}",
        items=items,
        rules_url=settings.BASE_URL + RULES_PATH,
    )
