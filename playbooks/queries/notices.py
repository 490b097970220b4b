"""What a person is told, how and where to; and, for who manages it, what could not be delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from playbooks import access
from playbooks.domain.notices import CHOSEN, Medium, Rules
from playbooks.domain.statuses import NoticeStatus
from playbooks.models import Notice, NoticeChannel, NoticeRules, Principal
from playbooks.queries import references
from playbooks.queries.references import Person

LATE = timedelta(minutes=5)  # after which something is wrong with what sends
RECENT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class KindView:
    """`email` and `apprise` are when it comes by each: `at_once`, `digest` or `never`."""

    kind: str
    meaning: str
    email: str
    apprise: str


@dataclass(frozen=True, slots=True)
class ChannelView:
    """`problem` says why the last notice did not arrive; empty where it did. Addresses of services are not shown."""

    id: UUID
    name: str
    medium: str
    service: str
    mailbox: str
    role: str
    kinds: tuple[str, ...]
    added_by: Person | None
    added_at: datetime
    last_sent_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class RulesView:
    """`mailbox` is empty where no mail comes, and `no_mail` says why."""

    kinds: tuple[KindView, ...]
    digest_minutes: int
    digest_hour: int | None
    quiet_from: time | None
    quiet_until: time | None
    zone: str
    mailbox: str
    mailbox_problem: str
    no_mail: str
    channels: tuple[ChannelView, ...]


@dataclass(frozen=True, slots=True)
class NoticeView:
    id: UUID
    kind: str
    to: str
    channel: str
    title: str
    path: str
    status: str
    tries: int
    created_at: datetime
    due_at: datetime
    ended_at: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Queue:
    """How many notices are to go out, of how many that time has come for long, and how many were given up lately."""

    queued: int
    late: int
    given_up: int


def own_rules(person: Principal) -> RulesView:
    row = NoticeRules.objects.filter(person=person).first() or NoticeRules(person=person)
    rules = Rules(chosen=row.chosen)
    own = _with_state(NoticeChannel.objects.filter(person=person, removed_at__isnull=True))
    return RulesView(
        kinds=tuple(
            KindView(
                kind.value,
                kind.meaning,
                rules.when(kind, Medium.EMAIL).value,
                rules.when(kind, Medium.APPRISE).value,
            )
            for kind in CHOSEN
        ),
        digest_minutes=row.digest_minutes,
        digest_hour=row.digest_hour,
        quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
        zone=row.zone,
        mailbox=person.email if settings.EMAIL_HOST else "",
        mailbox_problem=_problem_of_mailbox(person),
        no_mail=_why_no_mail(person),
        channels=tuple(_channel(each) for each in own.order_by("added_at", "pk")),
    )


def shared(person: Principal) -> QuerySet[NoticeChannel]:
    """The channels that roles share, for who may manage them."""
    rows = NoticeChannel.objects.filter(person__isnull=True, removed_at__isnull=True)
    rows = rows if access.may(person, "manage_notices") else rows.none()
    return _with_state(rows).order_by("name", "pk")


def channel_view(channel: UUID) -> ChannelView:
    return _channel(_with_state(NoticeChannel.objects.all()).get(pk=channel))


def channel_views(rows: Sequence[NoticeChannel]) -> list[ChannelView]:
    return [_channel(each) for each in rows]


def notices(person: Principal) -> QuerySet[Notice]:
    """All that was or is to be delivered, the newest first, for who may manage it."""
    rows = Notice.objects.all() if access.may(person, "manage_notices") else Notice.objects.none()
    return rows.select_related("person", "channel").order_by("-created_at", "-pk")


def notice_views(rows: Sequence[Notice]) -> list[NoticeView]:
    return [
        NoticeView(
            id=row.pk,
            kind=row.kind,
            to=str(row.person)
            if row.person
            else references.role_title(row.channel.role if row.channel else ""),
            channel=str(row.channel) if row.channel else "Mail",
            title=row.title,
            path=row.path,
            status=row.status,
            tries=row.tries,
            created_at=row.created_at,
            due_at=row.due_at,
            ended_at=row.ended_at,
            sentence=row.sentence,
        )
        for row in rows
    ]


def queue() -> Queue:
    now = timezone.now()
    queued = Notice.objects.filter(status=NoticeStatus.QUEUED)
    given_up = Notice.objects.filter(status=NoticeStatus.GIVEN_UP, ended_at__gt=now - RECENT)
    return Queue(queued.count(), queued.filter(due_at__lte=now - LATE).count(), given_up.count())


def _why_no_mail(person: Principal) -> str:
    if not settings.EMAIL_HOST:
        return "No mail server is configured, so nothing comes by mail. An administrator sets SOAR_EMAIL_URL."
    if not person.email:
        return "There is no mail address of yours. An administrator or your identity provider sets it."
    return ""


def _with_state(rows: QuerySet[NoticeChannel]) -> QuerySet[NoticeChannel]:
    """The channels with what became of the notices to them, in one query for all."""
    ended, waiting = _tried(Q(channel=OuterRef("pk")))
    arrived = ended.filter(status=NoticeStatus.SENT)
    return rows.annotate(
        arrived_at=Subquery(arrived.values("ended_at")[:1]),
        waits_for=Subquery(waiting.values("sentence")[:1]),
        last_sentence=Subquery(ended.values("sentence")[:1]),
    ).select_related("added_by")


def _tried(to: Q) -> tuple[QuerySet[Notice], QuerySet[Notice]]:
    """The notices to an address that have ended, and those that failed and are tried again; the newest first."""
    tried = Notice.objects.filter(to, tries__gt=0)
    ended = tried.filter(status__in=[NoticeStatus.SENT, NoticeStatus.GIVEN_UP]).order_by("-ended_at", "-pk")
    return ended, tried.filter(status=NoticeStatus.QUEUED).order_by("-due_at", "-pk")


def _problem_of_mailbox(person: Principal) -> str:
    """Why mail does not arrive now; what was sent has no sentence."""
    ended, waiting = _tried(Q(person=person, channel=None))
    newest = waiting.first() or ended.first()
    return newest.sentence if newest else ""


def _channel(row: NoticeChannel) -> ChannelView:
    """Of a row of `_with_state`."""
    about = vars(row)
    return ChannelView(
        id=row.pk,
        name=row.name,
        medium=row.medium,
        service=row.service,
        mailbox=row.mailbox,
        role=row.role,
        kinds=tuple(row.kinds),
        added_by=references.person(row.added_by),
        added_at=row.added_at,
        last_sent_at=about["arrived_at"],
        problem=about["waits_for"] or about["last_sentence"] or "",
    )
