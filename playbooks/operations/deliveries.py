"""The way of a notice from the outbox to the outside: taken with a lease, and settled when it was sent or was not.

A lease that runs out lets another sender take it again, so that a notice goes out at least once; a repeat carries the
same key. What fails is tried again after growing pauses, for a day at most, and what waits for the same address waits
with it: an address that is dead costs one try at a time. The first notice that is given up on an address has an entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from playbooks import audit
from playbooks.audit import Entry, Stream, Subject
from playbooks.domain.notices import ASKS_TO_DECIDE, Medium, NoticeKind, When
from playbooks.domain.statuses import NoticeStatus, RequestStatus
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Notice
from playbooks.models.break_glass import BreakGlassReview
from playbooks.models.decisions import Decision
from playbooks.operations.caller import SYSTEM
from playbooks.operations.moves import move_many
from playbooks.operations.notices import rules_of
from playbooks.operations.refusals import LostRace

LEASE = timedelta(minutes=5)  # longer than a batch takes
AT_ONCE = 20
MOST_LEASED = 20  # while more are being sent, no other sender begins: workers have more to do
MOST_TRIES = 8
PATIENCE = timedelta(days=1)
LONGEST_PAUSE = timedelta(hours=1)
ENDED = (NoticeStatus.SENT.value, NoticeStatus.GIVEN_UP.value)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Notices that go out as one message, to one address."""

    notices: Sequence[Notice]

    @property
    def first(self) -> Notice:
        return self.notices[0]


def due(now: datetime) -> QuerySet[Notice]:
    """What is to go out and nobody is sending."""
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    return Notice.objects.filter(free, status=NoticeStatus.QUEUED, due_at__lte=now)


def take(now: datetime) -> list[Delivery]:
    """Takes some of what is due for this sender alone. What nobody wants any more is dropped."""
    with transaction.atomic(durable=True):
        if Notice.objects.filter(status=NoticeStatus.QUEUED, leased_until__gt=now).count() > MOST_LEASED:
            return []
        rows = due(now).order_by("due_at", "pk")
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, of=("self",))
        taken = list(rows.select_related("person", "channel")[:AT_ONCE])
        wanted = []
        for notice in taken:
            if why := _why_unwanted(notice):
                move_many([notice], NoticeStatus.DROPPED, ended_at=now, sentence=why)
            else:
                wanted.append(notice)
        Notice.objects.filter(pk__in=[each.pk for each in wanted]).update(leased_until=now + LEASE)
    for notice in wanted:
        notice.leased_until = now + LEASE
    return list(_gathered(wanted))


def is_still_ours(delivery: Delivery) -> bool:
    """Whether nothing came between: an address that failed lets go of what else was to go there."""
    lease = delivery.first.leased_until
    return Notice.objects.filter(_same(delivery), status=NoticeStatus.QUEUED, leased_until=lease).exists()


def sent(delivery: Delivery, *, now: datetime) -> None:
    _end(delivery, NoticeStatus.SENT, now, "")


def failed(
    delivery: Delivery, *, now: datetime, sentence: str, is_permanent: bool, is_everywhere: bool
) -> None:
    """It was not taken: it is tried again later, or given up. `is_everywhere`: it was the server, so what else is to
    go there waits as well.
    """
    first = delivery.first
    if is_permanent or first.tries + 1 >= MOST_TRIES or first.created_at <= now - PATIENCE:
        _give_up(delivery, now, sentence)
        return
    at = now + min(timedelta(minutes=2**first.tries), LONGEST_PAUSE)
    columns = {"due_at": at, "leased_until": None, "tries": first.tries + 1, "sentence": sentence}
    Notice.objects.filter(_same(delivery), status=NoticeStatus.QUEUED).update(**columns)
    others = _to_same_server(first) if is_everywhere else _to_same_address(first)
    waiting = Notice.objects.filter(others, status=NoticeStatus.QUEUED, due_at__lte=now)
    waiting.update(due_at=at, leased_until=None)


def _why_unwanted(notice: Notice) -> str:
    """Why it is of no use any more; empty when it is."""
    person, channel = notice.person, notice.channel
    if channel is not None and channel.removed_at is not None:
        return "The address was removed."
    if person is not None and not person.is_active:
        return "The account is deactivated."
    kind, medium = NoticeKind(notice.kind), Medium(notice.medium)
    if (
        person is not None
        and kind is not NoticeKind.TEST
        and rules_of(person).when(kind, medium) is When.NEVER
    ):
        return "It is not wanted any more."
    if kind is NoticeKind.REVIEW_DUE and BreakGlassReview.objects.filter(
        break_glass__request=notice.about_id
    ):
        return "It was reviewed before."
    return _why_closed(notice) if kind in ASKS_TO_DECIDE else ""


def _why_closed(notice: Notice) -> str:
    request = ApprovalRequest.objects.filter(pk=notice.about_id).first()
    if request is None or request.status != RequestStatus.OPEN:
        return "The request was closed before."
    if notice.person and Decision.objects.filter(request=request, person=notice.person).exists():
        return "The person had decided before."
    return ""


def _gathered(notices: Sequence[Notice]) -> Iterator[Delivery]:
    """What gathers is told together, to each address; the rest one by one."""
    together: dict[object, list[Notice]] = {}
    for notice in notices:
        address = (notice.channel_id, notice.person_id) if notice.gathers else notice.pk
        together.setdefault(address, []).append(notice)
    return (Delivery(some) for some in together.values())


def _give_up(delivery: Delivery, now: datetime, sentence: str) -> None:
    first = delivery.first
    before = (
        Notice.objects.filter(_to_same_address(first), status__in=ENDED).order_by("-ended_at", "-pk").first()
    )
    with transaction.atomic(durable=True):
        has_ended = _end(delivery, NoticeStatus.GIVEN_UP, now, sentence)
        if has_ended and (before is None or before.status == NoticeStatus.SENT):
            audit.append(_undelivered(first, now, sentence))


def _end(delivery: Delivery, status: NoticeStatus, now: datetime, sentence: str) -> bool:
    """False when another sender came first, since the lease had run out: the message may have gone out twice then."""
    try:
        move_many(delivery.notices, status, ended_at=now, tries=delivery.first.tries + 1, sentence=sentence)
    except LostRace:
        return False
    return True


def _same(delivery: Delivery) -> Q:
    return Q(pk__in=[each.pk for each in delivery.notices])


def _to_same_address(notice: Notice) -> Q:
    return Q(channel=notice.channel_id) if notice.channel_id else Q(channel=None, person=notice.person_id)


def _to_same_server(notice: Notice) -> Q:
    """All mail goes to one server."""
    return Q(medium=Medium.EMAIL) if notice.medium == Medium.EMAIL else _to_same_address(notice)


def _undelivered(notice: Notice, now: datetime, sentence: str) -> Entry:
    if notice.channel is not None and notice.channel.person_id is None:
        stream = Stream("notices", str(notice.channel_id))
        subject = Subject("channel", str(notice.channel_id), str(notice.channel))
    else:
        stream = Stream("person", str(notice.person_id))
        subject = Subject("person", str(notice.person_id), str(notice.person))
    facts = {
        "medium": notice.medium,
        "channel": str(notice.channel or ""),
        "kind": notice.kind,
        "sentence": sentence,
    }
    return Entry(
        stream=stream,
        verb=Verb.NOTICE_UNDELIVERED,
        actor=SYSTEM,
        subject=subject,
        outcome="failed",
        facts=facts,
        occurred_at=now,
    )
