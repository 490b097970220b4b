"""What people are told, how and where to: their own rules and services, and the channels that a role shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID, uuid4

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from playbooks import access, audit
from playbooks.audit import Entry, Stream, Subject
from playbooks.connectors.messages import service_at
from playbooks.domain.duties import Denial
from playbooks.domain.notices import CHOSEN, Medium, NoticeKind, Rules
from playbooks.domain.verbs import Verb
from playbooks.models import NoticeChannel, NoticeRules, seal
from playbooks.operations import notices
from playbooks.operations.caller import Caller
from playbooks.operations.notices import Telling, mailbox_of
from playbooks.operations.refusals import Invalid, Missing, Refused

MOST_CHANNELS = 10  # of one person
LONGEST_NAME = 80
LONGEST_ADDRESS = 2000
PAGE = "/notifications/"
BY_TOKEN = Denial(
    "token_not_person", "What a person is told is set by the person in their own session, never by a token."
)


def set_rules(rules: Rules, *, caller: Caller) -> NoticeRules:
    """The caller's own rules, all of them. Raises Invalid, and Refused for a token."""
    _require_own_session(caller)
    caller.require("see_run", "be told of what happens")
    if errors := [(f"/{field}", sentence) for field, sentence in rules.errors()]:
        raise Invalid(errors)
    person, now = caller.principal, timezone.now()
    with transaction.atomic(durable=True):
        row, _ = NoticeRules.objects.update_or_create(person=person, defaults=asdict(rules))
        facts = {
            **asdict(rules),
            "quiet_from": _clock(rules.quiet_from),
            "quiet_until": _clock(rules.quiet_until),
        }
        audit.append(_entry_of_person(caller, Verb.NOTICE_RULES_CHANGED, facts, now))
    return row


def add_service(*, caller: Caller, name: str, address: str) -> NoticeChannel:
    """A service of the caller's own. Its address is sealed and never shown again. Raises Invalid, and Refused."""
    _require_own_session(caller)
    caller.require("see_run", "be told of what happens")
    service = _service(address, is_own=True)
    with transaction.atomic(durable=True):
        own = NoticeChannel.objects.filter(person=caller.principal, removed_at__isnull=True)
        if own.count() >= MOST_CHANNELS:
            raise Invalid([("", f"There are {MOST_CHANNELS} services already; remove one first.")])
        row = NoticeChannel(person=caller.principal, medium=Medium.APPRISE, service=service)
        row.sealed = seal({"address": address.strip()})
        _add(row, caller, name or service)
    return row


def share(
    *, caller: Caller, name: str, role: str, kinds: Sequence[NoticeKind], address: str = "", mailbox: str = ""
) -> NoticeChannel:
    """A channel for all who hold a role: an Apprise service or a mailbox, which gets these kinds at once.

    Raises Invalid, and Refused without the permission.
    """
    caller.require("manage_notices", "share channels for notices")
    _require_fitting_share(role, kinds, address, mailbox)
    row = NoticeChannel(role=role, kinds=sorted(set(kinds)), mailbox=mailbox)
    row.medium = Medium.EMAIL if mailbox else Medium.APPRISE
    row.service = "Mail" if mailbox else _service(address, is_own=False)
    row.sealed = b"" if mailbox else seal({"address": address.strip()})
    with transaction.atomic(durable=True):
        _add(row, caller, name or row.service)
    return row


def remove(channel: UUID, *, caller: Caller) -> NoticeChannel:
    """Takes a channel away: one's own, or, with the permission, a shared one. What waits for it is dropped."""
    with transaction.atomic(durable=True):
        row = _changeable(channel, caller)
        row.removed_at = timezone.now()
        row.sealed = b""
        row.save(update_fields=["removed_at", "sealed"])
        audit.append(_entry(row, Verb.NOTICE_CHANNEL_REMOVED, caller, row.removed_at))
    return row


def try_channel(channel: UUID, *, caller: Caller) -> NoticeChannel:
    """Sends a message there, to see whether it arrives. Raises Missing, and Refused."""
    with transaction.atomic(durable=True):
        row = _changeable(channel, caller)
        _tell_test(caller, channel=row)
    return row


def try_mailbox(*, caller: Caller) -> None:
    """Sends a mail to the caller. Raises Invalid where there is no mailbox or no mail server."""
    _require_own_session(caller)
    if not mailbox_of(caller.principal):
        raise Invalid([("", "No mail can be sent to you: there is no mail server, or no address of yours.")])
    with transaction.atomic(durable=True):
        _tell_test(caller, channel=None)


def _tell_test(caller: Caller, *, channel: NoticeChannel | None) -> None:
    """Without an entry: nothing is changed, and nobody else is told."""
    now = timezone.now()
    telling = Telling(
        NoticeKind.TEST,
        ("person", str(caller.principal.pk)),
        "This is a test",
        "Whoever reads this is told what happens in Countersign.",
        PAGE,
        people=frozenset(),
        roles=frozenset(),
        again=uuid4().hex,
    )
    notices.tell_there(telling, person=caller.principal, channel=channel, now=now)


def _require_own_session(caller: Caller) -> None:
    if caller.token is not None or not caller.principal.is_person:
        raise Refused(BY_TOKEN)


def _service(address: str, *, is_own: bool) -> str:
    if len(address) > LONGEST_ADDRESS:
        raise Invalid([("/address", f"An address has at most {LONGEST_ADDRESS} characters.")])
    try:
        return service_at(address.strip(), is_own=is_own)
    except ValueError as error:
        raise Invalid([("/address", str(error))]) from None


def _require_fitting_share(role: str, kinds: Sequence[NoticeKind], address: str, mailbox: str) -> None:
    errors = []
    if not Group.objects.filter(name=role).exists():
        errors.append(("/role", f"There is no role {role[:64]}."))
    if not kinds or not set(kinds) <= set(CHOSEN):
        errors.append(("/kinds", "Choose at least one kind of notice."))
    if bool(address.strip()) == bool(mailbox):
        errors.append(("/address", "Give the address of a service or a mailbox, one of them."))
    try:
        validate_email(mailbox or "nobody@example.org")
    except ValidationError:
        errors.append(("/mailbox", "This is no mail address."))
    if errors:
        raise Invalid(errors)


def _add(row: NoticeChannel, caller: Caller, name: str) -> None:
    if len(name) > LONGEST_NAME:
        raise Invalid([("/name", f"A name has at most {LONGEST_NAME} characters.")])
    row.name, row.added_by, row.added_at = name, caller.principal, timezone.now()
    row.save(force_insert=True)
    audit.append(_entry(row, Verb.NOTICE_CHANNEL_ADDED, caller, row.added_at))


def _changeable(channel: UUID, caller: Caller) -> NoticeChannel:
    """The channel, locked. Those of others are not there for the caller, whoever that is."""
    rows = NoticeChannel.objects.select_for_update(of=("self",)).filter(pk=channel, removed_at__isnull=True)
    row = rows.first()
    is_own = row is not None and row.person_id == caller.principal.pk
    may_manage = row is not None and row.person_id is None and access.may(caller.principal, "manage_notices")
    if row is None or not (is_own or may_manage):
        raise Missing(f"There is no channel {channel}.")
    _require_own_session(caller)
    return row


def _clock(moment: object) -> str | None:
    return None if moment is None else str(moment)


def _entry(row: NoticeChannel, verb: Verb, caller: Caller, now: datetime) -> Entry:
    """The address of a service is a secret; what it is of, and for whom, is not."""
    facts = {
        "name": row.name,
        "medium": str(row.medium),
        "service": row.service,
        "mailbox": row.mailbox,
        "role": row.role,
        "kinds": row.kinds,
    }
    if row.person_id is not None:
        return _entry_of_person(caller, verb, facts, now)
    return Entry(
        stream=Stream("notices", str(row.pk)),
        verb=verb,
        actor=caller.actor,
        subject=Subject("channel", str(row.pk), row.name),
        outcome="done",
        facts=facts,
        occurred_at=now,
    )


def _entry_of_person(caller: Caller, verb: Verb, facts: Mapping[str, object], now: datetime) -> Entry:
    person = caller.principal
    return Entry(
        stream=Stream("person", str(person.pk)),
        verb=verb,
        actor=caller.actor,
        subject=Subject("person", str(person.pk), str(person)),
        outcome="done",
        facts=facts,
        occurred_at=now,
    )
