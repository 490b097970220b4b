"""Carries a message for people outside: by mail, or to a service that Apprise knows. No database.

What is sent holds text and the address of a page, never more; a service's address is a secret and is never quoted.
"""

from __future__ import annotations

import hashlib
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr

from apprise import Apprise
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail import get_connection as mail_connection
from django.template.loader import render_to_string

from playbooks.connectors import contract
from playbooks.domain.outcomes import Failed, Succeeded

LONGEST = timedelta(seconds=10)  # for one message to one service
# Services with an address of their own, and such where a person names the server.
FIXED = frozenset(
    {"slack", "discord", "tgram", "pover", "pagerduty", "opsgenie", "signl4", "webex", "wxteams", "gchat", "pbul"}
)  # fmt: skip
HOSTED = frozenset(
    {"json", "jsons", "ntfy", "ntfys", "gotify", "gotifys", "mmost", "mmosts", "matrix", "matrixs", "rocket"}
    | {"rockets", "apprise", "apprises", "workflows", "nctalks"}
)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is told: a line, more about it, and the page on which it stands."""

    title: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """`key` is the same for a repeat, so that readers of mail see it once."""

    key: str
    title: str
    items: Sequence[Item]
    rules_url: str

    @property
    def text(self) -> str:
        parts = [f"{each.title}\n{each.text}\n{each.url}" for each in self.items]
        return "\n\n".join([*parts, f"What you are told, and how: {self.rules_url}"])


class UndeliveredError(Exception):
    """It was not taken; the text is a sentence without any secret. `is_permanent`: another try is of no use.
    `is_everywhere`: it was the server, so other messages would fail now, too.
    """

    def __init__(self, sentence: str, *, is_permanent: bool = False, is_everywhere: bool = True) -> None:
        super().__init__(sentence)
        self.is_permanent = is_permanent
        self.is_everywhere = is_everywhere


def can_mail() -> bool:
    """Whether a mail server is configured."""
    return bool(settings.EMAIL_HOST)


def mail(message: Message, *, to: str) -> None:
    """Raises UndeliveredError."""
    if not can_mail():
        raise UndeliveredError("No mail server is configured: an administrator sets SOAR_EMAIL_URL.")
    written = EmailMultiAlternatives(
        message.title, message.text, to=[to], headers={"Message-ID": _message_id(message.key)}
    )
    written.attach_alternative(render_to_string("mail/notice.html", {"message": message}), "text/html")
    try:
        mail_connection(fail_silently=False).send_messages([written])
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        raise UndeliveredError(
            "The mail server refused the address.",
            is_permanent=all(500 <= code < 600 for code in codes),
            is_everywhere=False,
        ) from error
    except smtplib.SMTPDataError as error:
        raise UndeliveredError(
            f"The mail server did not take the mail ({error.smtp_code}).",
            is_permanent=500 <= error.smtp_code < 600,
            is_everywhere=False,
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        raise UndeliveredError(f"The mail server gave no session ({type(error).__name__}).") from error


def to_service(message: Message, *, address: str) -> None:
    """To the Apprise service at `address`, by the egress rules. Raises UndeliveredError."""
    context = contract.context(
        "notify",
        settings={"egress": settings.NOTICE_NETWORKS},
        secrets={"urls": address},
        idempotency_key=_digest(message.key),
        deadline=datetime.now(UTC) + LONGEST,
    )
    outcome = contract.perform(
        "notify.send", context, {"title": message.title, "text": message.text[:20_000]}
    )
    if isinstance(outcome, Succeeded):
        return
    sentence = outcome.sentence if isinstance(outcome, Failed) else "The answer of the service was lost."
    raise UndeliveredError(sentence, is_permanent=isinstance(outcome, Failed) and outcome.permanent)


def service_at(address: str, *, is_own: bool) -> str:
    """The name of the service that Apprise finds at the address. Raises ValueError with a sentence where there is none,
    or where a person may not be told on their own account (`is_own`): their address makes this server call out.
    """
    schema = address.partition(":")[0].lower()
    if len(address.split()) != 1 or "://" not in address:
        raise ValueError("Write one address, such as slack://… or ntfys://host/topic.")
    service = Apprise.instantiate(address, suppress_exceptions=True)
    if service is None:
        raise ValueError("Apprise knows no service at this address. Look up how its address is written.")
    if is_own and schema not in FIXED | HOSTED:
        raise ValueError(
            f"{service.service_name} can only be used in a channel that an administrator shares."
        )
    if is_own and schema in HOSTED and service.host not in settings.NOTICE_HOSTS:
        raise ValueError(
            "The server at this address is none that people may be told at: an administrator names it "
            "in SOAR_NOTICE_HOSTS."
        )
    return str(service.service_name)


def _message_id(key: str) -> str:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2] or "localhost"
    return f"<{_digest(key)}@{domain}>"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
