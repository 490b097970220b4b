"""Business hours: when a moment is within them, and when so much of their time has gone by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from playbooks.domain.problems import nearest

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[str, ...] = get_args(Day)
MOST_HOLIDAYS = 400
LOOKS_AHEAD = timedelta(days=3 * 366)


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"'{name[:80]}' is no time zone{nearest(name, available_timezones())}")
    return name


def _clock(text: str) -> str:
    try:
        return time.fromisoformat(text).strftime("%H:%M")
    except ValueError:
        raise ValueError(f"'{text[:80]}' is no time of day; write 08:00, for example") from None


def _holiday(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"'{text[:80]}' is no day; write \"2026-12-25\", for example") from None


Zone = Annotated[str, AfterValidator(_zone)]
Clock = Annotated[
    str, AfterValidator(_clock), WithJsonSchema({"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"})
]
Holiday = Annotated[str, AfterValidator(_holiday), WithJsonSchema({"type": "string", "format": "date"})]


class Calendar(BaseModel):
    """Business hours are from `from` until before `to` on `days`, but for the `holidays` (YYYY-MM-DD)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=False)

    zone: Zone = "UTC"
    days: Annotated[tuple[Day, ...], Field(strict=False, min_length=1)] = (
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
    )
    from_: Annotated[Clock, Field(alias="from")] = "09:00"
    to: Clock = "17:00"
    holidays: Annotated[tuple[Holiday, ...], Field(strict=False, max_length=MOST_HOLIDAYS)] = ()

    @model_validator(mode="after")
    def _is_in_order(self) -> Calendar:
        if self.from_ >= self.to:
            raise PydanticCustomError("calendar", "business hours end after they begin, on the same day")
        return self

    def at(self, moment: datetime) -> dict[str, object]:
        """`time` as a condition sees it."""
        here = moment.astimezone(ZoneInfo(self.zone))
        clock = here.strftime("%H:%M")
        return {
            "weekday": DAYS[here.weekday()],
            "hour": here.hour,
            "minute": here.minute,
            "date": here.strftime("%Y-%m-%d"),
            "business_hours": self._is_open_on(here.date()) and self.from_ <= clock < self.to,
        }

    def after(self, start: datetime, duration: timedelta) -> datetime:
        """When so much of the business hours has gone by since `start`, in UTC; LOOKS_AHEAD from it at the latest."""
        left = duration
        for opens, closes in self._hours_from(start):
            begins = max(opens, start)
            if left <= closes - begins:
                return begins + left
            left -= max(closes - begins, timedelta())
        return start + LOOKS_AHEAD

    def _hours_from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """From the day of `start` on. Told in UTC, so that a day on which the clock changes has its true length."""
        zone = ZoneInfo(self.zone)
        first = start.astimezone(zone).date()
        for number in range(LOOKS_AHEAD.days):
            day = first + timedelta(days=number)
            if self._is_open_on(day):
                yield _utc(day, self.from_, zone), _utc(day, self.to, zone)

    def _is_open_on(self, day: date) -> bool:
        return DAYS[day.weekday()] in self.days and day.isoformat() not in self.holidays


def _utc(day: date, clock: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), zone).astimezone(UTC)
