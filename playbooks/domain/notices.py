"""What people are told besides what they see: kinds, media, one's own rules, and when a notice goes out.

A rule says of each kind and medium whether it comes at once, in a digest, or not at all. Quiet hours are in a zone
that is named, and what cannot wait passes through them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LONGEST_DIGEST = 24 * 60  # minutes
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NoticeKind(StrEnum):
    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> NoticeKind:
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.meaning = meaning
        return kind

    REQUEST_OPENED = "request_opened", "An approval is asked for that you could give"
    REQUEST_DUE = "request_due", "An approval that you could give is about to be late"
    REQUEST_ESCALATED = "request_escalated", "An approval that you could give is late"
    REQUEST_GRANTED = "request_granted", "What you asked for was approved"
    REQUEST_DENIED = "request_denied", "What you asked for was denied, or not decided in time"
    REQUEST_VOIDED = "request_voided", "What you asked for, or decided, has changed and is asked again"
    QUESTION_OPENED = "question_opened", "A run asks something that you could answer"
    RUN_ENDED = "run_ended", "A run that you asked for has ended"
    RUN_STUCK = (
        "run_stuck",
        "A step of a run that you asked for is unknown, and a person has to say what happened",
    )
    ACTION_BEGUN = "action_begun", "An action begins of which a policy says that you are told"
    EXPIRY_FAILED = "expiry_failed", "A change that was for a time only could not be taken back"
    GLASS_BROKEN = "glass_broken", "Somebody ran past a gate by break-glass that concerns you"
    REVIEW_DUE = "review_due", "A break-glass has to be reviewed, and you could"
    TEST = "test", "A message to try an address"


# A test goes where it was asked for, whatever the rules say.
CHOSEN = tuple(kind for kind in NoticeKind if kind is not NoticeKind.TEST)
URGENT = frozenset(
    {NoticeKind.REQUEST_ESCALATED, NoticeKind.EXPIRY_FAILED, NoticeKind.GLASS_BROKEN, NoticeKind.TEST}
)
ASKS_TO_DECIDE = frozenset(
    {NoticeKind.REQUEST_OPENED, NoticeKind.REQUEST_DUE, NoticeKind.REQUEST_ESCALATED}
)  # of no use any more once the request is closed


class Medium(StrEnum):
    EMAIL = "email"
    APPRISE = "apprise"  # chat, push and paging services


class When(StrEnum):
    AT_ONCE = "at_once"
    DIGEST = "digest"
    NEVER = "never"


DEFAULT = {kind: When.DIGEST if kind is NoticeKind.RUN_ENDED else When.AT_ONCE for kind in NoticeKind}


@dataclass(frozen=True, slots=True)
class Rules:
    """One person's rules. `chosen` has what differs from the default.

    A digest comes every `digest_minutes`, counted from 1970 in UTC, or, where `digest_hour` is given, once a day at
    that hour in `zone`. Quiet hours last from `quiet_from` until `quiet_until` in `zone`; equal times are none.
    """

    chosen: Mapping[NoticeKind, Mapping[Medium, When]] = field(default_factory=dict)
    digest_minutes: int = 60
    digest_hour: int | None = None
    quiet_from: time | None = None
    quiet_until: time | None = None
    zone: str = "UTC"

    def when(self, kind: NoticeKind, medium: Medium) -> When:
        return When(self.chosen.get(kind, {}).get(medium, DEFAULT[kind]))

    def errors(self) -> list[tuple[str, str]]:
        """(field, sentence) for each value that no rules can have."""
        found = []
        if not 5 <= self.digest_minutes <= LONGEST_DIGEST:
            found.append(("digest_minutes", f"A digest comes every 5 to {LONGEST_DIGEST} minutes."))
        if self.digest_hour is not None and not 0 <= self.digest_hour <= 23:
            found.append(("digest_hour", "An hour of the day is from 0 to 23."))
        if (self.quiet_from is None) != (self.quiet_until is None):
            found.append(("quiet_until", "Quiet hours have a beginning and an end; give both, or neither."))
        if not is_zone(self.zone):
            found.append(("zone", "This is no zone. Write one such as Europe/Vienna or UTC."))
        return found


def is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # also for what is a path, or a directory
        return False
    return True


def goes_out(rules: Rules, kind: NoticeKind, medium: Medium, now: datetime) -> datetime | None:
    """When a notice of this kind goes out that came up at `now`; None for never. Never before `now`."""
    match rules.when(kind, medium):
        case When.NEVER:
            return None
        case When.AT_ONCE:
            at = now
        case When.DIGEST:
            at = next_digest(rules, now)
    return at if kind in URGENT else after_quiet(rules, at)


def next_digest(rules: Rules, now: datetime) -> datetime:
    if rules.digest_hour is not None:
        return _next(time(rules.digest_hour), ZoneInfo(rules.zone), now)
    length = timedelta(minutes=rules.digest_minutes)
    return EPOCH + length * ((now - EPOCH) // length + 1)


def after_quiet(rules: Rules, at: datetime) -> datetime:
    """`at`, or the end of the quiet hours in which it lies."""
    if rules.quiet_from is None or rules.quiet_until is None:
        return at
    zone = ZoneInfo(rules.zone)
    if not _is_within(at.astimezone(zone).time(), rules.quiet_from, rules.quiet_until):
        return at
    return _next(rules.quiet_until, zone, at)


def _is_within(moment: time, begin: time, end: time) -> bool:
    return begin <= moment < end if begin <= end else moment >= begin or moment < end


def _next(moment: time, zone: ZoneInfo, now: datetime) -> datetime:
    """The first time after `now` that the clocks of the zone show `moment`; a day may have it twice, or not at all."""
    today = now.astimezone(zone).date()
    shown = (
        datetime.combine(today + timedelta(days=days), moment.replace(fold=fold), zone).astimezone(UTC)
        for days in (0, 1)
        for fold in (0, 1)
    )
    return min(each for each in shown if each > now)
