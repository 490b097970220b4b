"""The outbox: who is told what, written in the transaction in which it happened. Nothing is sent here.

That something is told has no entry of its own: the entry of the fact is in the same transaction, and there would be
one for each person. What has entries is whatever changes who is told (notice_rules.py), and that notices no longer
arrive (deliveries.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from playbooks.domain.notices import Medium, NoticeKind, Rules, goes_out
from playbooks.models import Notice, NoticeChannel, NoticeRules, Principal, PrincipalKind
from playbooks.operations import bell

DELIVER = "playbooks.deliver"


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing to tell. `people` are told by their own rules; channels that holders of one of `roles` share, or any
    role where that is None, are told as well. `again` tells apart what may be told twice of the same thing.
    """

    kind: NoticeKind
    about: tuple[str, str]  # kind and id
    title: str
    text: str
    path: str
    people: frozenset[UUID]
    roles: frozenset[str] | None
    again: str = ""


def reachable() -> QuerySet[Principal]:
    """The active people who have any address for notices."""
    own = NoticeChannel.objects.filter(person=OuterRef("pk"), removed_at__isnull=True)
    has_address = Exists(own)
    if settings.EMAIL_HOST:
        has_address = Q(has_address) | ~Q(email="")  # type: ignore[assignment]
    return Principal.objects.filter(has_address, is_active=True, kind=PrincipalKind.PERSON)


def tell(tellings: Sequence[Telling], *, now: datetime) -> None:
    """Writes what is to go out, in the caller's transaction, and rings for what is due after the commit."""
    if not tellings:
        return
    people = _people(set().union(*(each.people for each in tellings)))
    shared = list(NoticeChannel.objects.filter(person__isnull=True, removed_at__isnull=True))
    rows = [
        row for each in tellings for row in (*_to_people(each, people, now), *_to_shared(each, shared, now))
    ]
    if not rows:
        return
    Notice.objects.bulk_create(rows, ignore_conflicts=True)
    if any(row.due_at <= now for row in rows):
        transaction.on_commit(lambda: bell.send(DELIVER))


def tell_there(telling: Telling, *, person: Principal, channel: NoticeChannel | None, now: datetime) -> None:
    """Tells at this one address, whatever the rules say: at `channel`, or, without one, in the person's mailbox."""
    medium = channel.medium if channel else Medium.EMAIL
    of_person = person if channel is None or channel.person_id else None
    notice = Notice(person=of_person, channel=channel, medium=medium)
    _filled(notice, telling, now, now, gathers=False).save(force_insert=True)
    transaction.on_commit(lambda: bell.send(DELIVER))


def mailbox_of(person: Principal) -> str:
    """Where mail for the person goes; empty where none can be sent."""
    return person.email if settings.EMAIL_HOST else ""


def rules_of(person: Principal) -> Rules:
    """The person's rules; the default where there are none."""
    row = NoticeRules.objects.filter(person=person).first()
    return as_rules(row) if row else Rules()


def as_rules(row: NoticeRules) -> Rules:
    return Rules(
        chosen=row.chosen,
        digest_minutes=row.digest_minutes,
        digest_hour=row.digest_hour,
        quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
        zone=row.zone,
    )


def _people(ids: Iterable[UUID]) -> Mapping[UUID, Principal]:
    wanted = set(ids)
    if not wanted:
        return {}
    rows = (
        reachable().filter(pk__in=wanted).select_related("notice_rules").prefetch_related("notice_channels")
    )
    return {each.pk: each for each in rows}


def _to_people(telling: Telling, people: Mapping[UUID, Principal], now: datetime) -> Iterable[Notice]:
    for person in (people[each] for each in telling.people if each in people):
        kept: NoticeRules | None = getattr(person, "notice_rules", None)
        rules = as_rules(kept) if kept else Rules()
        if mailbox_of(person):
            yield from _by_rules(telling, rules, Notice(person=person, medium=Medium.EMAIL), now)
        for channel in person.notice_channels.all():
            if channel.removed_at is None:
                notice = Notice(person=person, channel=channel, medium=channel.medium)
                yield from _by_rules(telling, rules, notice, now)


def _by_rules(telling: Telling, rules: Rules, notice: Notice, now: datetime) -> Iterable[Notice]:
    due_at = goes_out(rules, telling.kind, Medium(notice.medium), now)
    if due_at is not None:
        yield _filled(notice, telling, now, due_at, gathers=due_at > now)


def _to_shared(telling: Telling, shared: Iterable[NoticeChannel], now: datetime) -> Iterable[Notice]:
    for channel in shared:
        if telling.kind in channel.kinds and (telling.roles is None or channel.role in telling.roles):
            notice = Notice(channel=channel, medium=channel.medium)
            yield _filled(notice, telling, now, now, gathers=False)


def _filled(notice: Notice, telling: Telling, now: datetime, due_at: datetime, *, gathers: bool) -> Notice:
    kind, key = telling.about
    to = notice.channel_id or notice.person_id
    notice.key = f"{telling.kind}:{key}:{telling.again}:{to}"
    notice.kind, notice.about_kind, notice.about_id = telling.kind, kind, key
    notice.title, notice.text, notice.path = telling.title, telling.text, telling.path
    notice.created_at, notice.due_at, notice.gathers = now, due_at, gathers
    return notice
