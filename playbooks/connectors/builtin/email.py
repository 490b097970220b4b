"""Sends a mail by SMTP (RFC 5321). A repeat carries the same Message-ID, so its readers see one mail."""

from __future__ import annotations

import hashlib
import smtplib
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from playbooks.connectors.declaration import EGRESS, Binding, Connector, Context, Field
from playbooks.connectors.egress import tls
from playbooks.connectors.errors import AnswerLostError, RefusedError, UnreachableError
from playbooks.connectors.schemas import END, TEXT, record
from playbooks.domain.actions import Action, Effect, Irreversible, Repeat, Timeout
from playbooks.domain.outcomes import Failed, Outcome, Succeeded

MODES = ("starttls", "tls", "none")

FIELDS = (
    Field("host", "Mail server", "text", True, "A name or an address.", None),
    Field("port", "Port", "integer", False, "587 for starttls, 465 for tls, 25 for none.", 587),
    Field("tls", "Encryption", "text", False, "starttls, tls or none; none takes no password.", "starttls"),
    Field("sender", "Sender", "text", True, "The address in From:.", None),
    Field("username", "User", "text", False, "The sender's address, unless another is given.", ""),
    Field("password", "Password", "secret", False, "Where the server asks for one.", None),
    EGRESS,
)


def send(context: Context, *, to: Sequence[str], subject: str, text: str) -> Outcome:
    message = _message(context, to, subject, text)
    with _connected(context) as client:
        _sign_in(client, context)
        refused = _delivered(client, message)
    if refused:
        rest = " The others have it." if len(refused) < len(to) else ""
        return Failed(f"The mail server refused {', '.join(sorted(refused))}.{rest}", permanent=True)
    return Succeeded({"message_id": message["Message-ID"], "to": list(to)})


def preview(context: Context, *, to: Sequence[str], subject: str, text: str) -> Mapping[str, object]:
    message = _message(context, to, subject, text)
    names = ("From", "To", "Subject", "Message-ID")
    return {"server": context.text("host"), **{name: str(message[name]) for name in names}, "text": text}


def _message(context: Context, to: Sequence[str], subject: str, text: str) -> EmailMessage:
    sender = context.text("sender")
    domain = parseaddr(sender)[1].partition("@")[2]
    if not domain:
        raise RefusedError("The sender of the connection is no mail address. Correct the connection.")
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{hashlib.sha256(context.idempotency_key.encode()).hexdigest()[:32]}@{domain}>"
    message.set_content(text)
    return message


def _connected(context: Context) -> smtplib.SMTP:
    mode = context.text("tls")
    if mode not in MODES:
        raise RefusedError(
            f"The connection's encryption is none of {', '.join(MODES)}. Correct the connection."
        )
    if mode == "none" and "password" in context.secrets:
        raise RefusedError(
            "A password is never sent without encryption. Choose starttls or tls in the connection."
        )
    try:
        return _Client(context, implicit_tls=mode == "tls")
    except (OSError, smtplib.SMTPException) as error:
        raise UnreachableError(f"The mail server gave no session ({type(error).__name__}).") from error


def _sign_in(client: smtplib.SMTP, context: Context) -> None:
    """Nothing of the mail is sent before this has worked."""
    try:
        if context.text("tls") == "starttls":
            client.starttls(context=tls())
        if "password" in context.secrets:
            client.login(
                context.text("username") or context.text("sender"), context.secrets.reveal("password")
            )
    except smtplib.SMTPAuthenticationError as error:
        raise RefusedError(
            f"The mail server refused to sign in ({error.smtp_code}). Correct the connection."
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        raise UnreachableError(f"The mail server gave no session ({type(error).__name__}).") from error


def _delivered(client: smtplib.SMTP, message: EmailMessage) -> frozenset[str]:
    """The recipients that the server refused."""
    try:
        return frozenset(client.send_message(message))
    except smtplib.SMTPRecipientsRefused as error:
        return frozenset(error.recipients)
    except smtplib.SMTPResponseException as error:
        kind = UnreachableError if 400 <= error.smtp_code < 500 else RefusedError
        raise kind(f"The mail server did not take the mail ({error.smtp_code}).") from error
    except (OSError, smtplib.SMTPException) as error:
        raise AnswerLostError(f"The mail server's answer was lost ({type(error).__name__}).") from error


class _Client(smtplib.SMTP):
    """Connects through the egress rules, and waits for no reply beyond the deadline."""

    def __init__(self, context: Context, *, implicit_tls: bool) -> None:
        self._context = context
        self._implicit_tls = implicit_tls
        port = context.settings["port"]
        super().__init__(
            context.text("host"), port if isinstance(port, int) else 0, timeout=context.seconds_left()
        )

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 — ours is the deadline
        plain = self._context.http.connect(host, port, deadline=self._context.deadline)
        return tls().wrap_socket(plain, server_hostname=host) if self._implicit_tls else plain

    def getreply(self) -> tuple[int, bytes]:
        if self.sock is not None:
            self.sock.settimeout(self._context.seconds_left() or 0.001)
        return super().getreply()

    def __exit__(self, *_: object) -> None:
        """Without QUIT, whose answer could only turn a mail that was taken into a failure."""
        self.close()


MAILBOX = {"type": "string", "pattern": rf'^[^\s@<>,;:"]+@[^\s@<>,;:"]+{END}', "maxLength": 254}

SEND = Action(
    key="email.send",
    label="Send a mail",
    inputs=record(
        {
            "to": {"type": "array", "items": MAILBOX, "minItems": 1, "maxItems": 50, "uniqueItems": True},
            "subject": {"type": "string", "pattern": rf"^[^\r\n]+{END}", "maxLength": 500},
            "text": {"type": "string", "maxLength": 100_000},
        }
    ),
    outputs=record({"message_id": TEXT, "to": {"type": "array", "items": TEXT}}),
    effect=Effect.MESSAGE,
    repeat=Repeat.KEYED,
    undo=Irreversible("A mail that was sent cannot be called back."),
    timeout=Timeout(default=30, maximum=120),
    target="to",
    example={"message_id": "<5d41402abc4b2a76b9719d911017c592@soc.example>", "to": ["soc@example.org"]},
)

CONNECTOR = Connector(
    key="email",
    label="Mail",
    fields=FIELDS,
    bindings=(Binding(SEND, send, preview, lookup=None, verify=None),),
)
