"""Durations as people write them: 5s, 30m, 24h, 7d, and together 1h30m."""

from __future__ import annotations

import re
from datetime import timedelta

_FORM = re.compile(
    r"(?=[0-9])(?:(?P<days>[0-9]{1,5})d)?(?:(?P<hours>[0-9]{1,7})h)?"
    r"(?:(?P<minutes>[0-9]{1,8})m)?(?:(?P<seconds>[0-9]{1,9})s)?"
)
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def parse_duration(text: str) -> timedelta:
    """The duration that `text` says. Raises ValueError with a sentence."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a duration; write it like 30s, 5m, 24h, 7d or 1h30m")
    return timedelta(**{unit: int(count) for unit, count in match.groupdict(default="0").items()})


def duration_text(duration: timedelta) -> str:
    """The shortest such text for whole, non-negative seconds; `parse_duration` is the way back."""
    rest = duration // timedelta(seconds=1)
    if rest < 0 or duration % timedelta(seconds=1):
        raise ValueError(f"{duration} is not a whole, non-negative number of seconds")
    parts = []
    for unit, seconds in _UNITS:
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
