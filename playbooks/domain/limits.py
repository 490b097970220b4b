"""How much a connection may be used, and when the next call may be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST = 31 * 24 * 3600  # seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """`most_at_once` steps use it at a time, it is called `most_calls` times in `calls_seconds`, and steps change
    `most_targets` different targets in `targets_seconds`; beyond that each needs an approval by `targets_role`. None
    is no limit.
    """

    most_at_once: int | None = None
    most_calls: int | None = None
    calls_seconds: int = 60
    most_targets: int | None = None
    targets_seconds: int = 3600
    targets_role: str = "tier-2"

    def errors(self) -> list[tuple[str, str]]:
        """(field, sentence) for what no connection can have. Nothing at all is no limit but a hold."""
        counts = (
            ("most_at_once", self.most_at_once, 1),
            ("most_calls", self.most_calls, 1),
            ("most_targets", self.most_targets, 0),
        )
        found = [
            (name, f"It has to be {least} to 1,000,000; to let nothing pass, place a hold.")
            for name, count, least in counts
            if count is not None and not least <= count <= 1_000_000
        ]
        windows = (("calls_seconds", self.calls_seconds), ("targets_seconds", self.targets_seconds))
        return found + [
            (name, f"It has to be 1 to {LONGEST:,} seconds, which are 31 days.")
            for name, seconds in windows
            if not 1 <= seconds <= LONGEST
        ]


def turn_at(
    calls: Sequence[datetime], *, ahead: int, most: int, window: timedelta, now: datetime
) -> datetime:
    """When a call may be made that has `ahead` others before it: `now`, or later.

    `calls` are those of the last `window`, at most `most` of which the newest count. No window ever has more than
    `most`, and nobody waits for longer than that takes.
    """
    newest = sorted(calls)[-most:]
    free = [now] * (most - len(newest)) + [call + window for call in newest]
    rounds, place = divmod(ahead, most)
    return free[place] + rounds * window
