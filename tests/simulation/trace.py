"""What happened in a world, in an order and with names that are the same for the same seed."""

from __future__ import annotations

import re

from tests.simulation.clock import Clock

KEY = re.compile(r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b")


class Trace:
    """Keys of rows are random; in the trace each has a number, in the order in which they are met."""

    def __init__(self, clock: Clock) -> None:
        self.lines: list[str] = []
        self._clock = clock
        self._names: dict[str, str] = {}

    def name(self, key: object, name: str) -> None:
        self._names[str(key).replace("-", "")] = name

    def say(self, who: str, what: str) -> None:
        said = KEY.sub(lambda match: self._named(match.group()), what)
        self.lines.append(f"{self._clock.elapsed:10.3f} {who:<12} {said}")

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def _named(self, key: str) -> str:
        key = key.replace("-", "")
        return self._names.setdefault(key, f"#{len(self._names)}")
