"""Time as the simulated machines see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import TracebackType

import time_machine

BEGIN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class Clock:
    """`elapsed` seconds have really gone by; the clocks on the wall were set by `offset` seconds since, and each
    machine's own differs by a little.

    While it is entered, everybody in the process reads the wall clock of the machine that was shown last.
    """

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.offset = 0.0
        self._travel = time_machine.travel(BEGIN, tick=False)

    def __enter__(self) -> Clock:
        self._traveller = self._travel.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._travel.stop()

    def wall(self, skew: float = 0.0) -> datetime:
        return BEGIN + timedelta(seconds=round(self.elapsed + self.offset + skew, 3))

    def show(self, skew: float = 0.0) -> None:
        """From now on the clock on the wall is that of a machine that differs by `skew` seconds."""
        self._traveller.move_to(self.wall(skew))

    def pass_until(self, moment: datetime) -> None:
        """Time goes by until the wall clock says `moment`."""
        self.elapsed += max(0.0, (moment - self.wall()).total_seconds())
        self.show()
