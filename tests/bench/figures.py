"""A figure, its reference and its target, as they are printed and stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """A bound of the ratio: at least (`sign` is ">=") or at most ("<=")."""

    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.sign}{self.bound:g}"

    def is_met_by(self, ratio: float) -> bool:
        return ratio >= self.bound if self.sign == ">=" else ratio <= self.bound


# The bounds come from a side by side on one machine with two cores. PostgreSQL: the hand-written loop made 3,090
# steps/s (3.2 ms and 2.4 CPU-ms for ten) and woke a listener in 1.8 ms; DBOS made 345 steps/s, ten steps in 39 ms, a
# signal in 11 ms, 200 in 811 ms; a Celery chord of 200 took 390 ms. SQLite: the loop made 6,200 steps/s and woke a
# thread in 0.56 ms; DBOS took 838 ms for a signal.
_POSTGRESQL = {
    "burst_steps_per_second": Target(">=", 0.65),  # 2,000 steps/s
    "burst_cpu_ms_per_step": Target("<=", 3.3),  # 0.8 ms
    "alone_ms": Target("<=", 4.8),  # 0.4 of DBOS
    "signal_ms": Target("<=", 3.1),  # 0.5 of DBOS
    "signal_p95_ms": Target("<=", 5.6),  # 10 ms
    "fan_ms": Target("<=", 3.0),  # 0.5 of the chord
    "fan_cpu_ms_per_step": Target("<=", 3.3),
    "one_per_second": Target(">=", 0.5),
    "hundred_per_second": Target(">=", 0.5),
    "one_cpu_ms_per_alert": Target("<=", 2.0),
    "hundred_cpu_ms_per_alert": Target("<=", 2.0),
}
_SQLITE = {
    "burst_steps_per_second": Target(">=", 0.32),  # 2,000 steps/s
    "burst_cpu_ms_per_step": Target("<=", 5.0),  # 0.8 ms
    "alone_ms": Target("<=", 9.7),  # 0.4 of DBOS
    "signal_ms": Target("<=", 75.0),  # 0.05 of DBOS
    "signal_p95_ms": Target("<=", 75.0),
    "fan_ms": Target("<=", 12.5),  # 0.5 of DBOS on PostgreSQL
    "fan_cpu_ms_per_step": Target("<=", 5.0),
    "one_per_second": Target(">=", 0.3),
    "hundred_per_second": Target(">=", 0.3),
    "one_cpu_ms_per_alert": Target("<=", 3.3),
    "hundred_cpu_ms_per_alert": Target("<=", 3.3),
}
_EVERYWHERE = {
    "lost_runs": Target("<=", 0.0),
    "doubled_never_steps": Target("<=", 0.0),
    "recovery_seconds": Target("<=", 1.0),  # of the lease and two seconds
    "same": Target("<=", 1.0),
    "about_the_same": Target("<=", 1.3),  # an index of a million rows is a level deeper
    "flat": Target("<=", 1.03),
    "inbox_ms": Target("<=", 12.0),  # beside an empty inbox: 50 requests are shown with what forbids each
}
TARGETS = {"postgresql": {**_POSTGRESQL, **_EVERYWHERE}, "sqlite": {**_SQLITE, **_EVERYWHERE}}


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` ends with the unit. `asked` is the entry of TARGETS, where several figures share one."""

    workload: str  # "W1"
    database: str
    name: str
    value: float
    reference: float
    asked: str = ""

    @property
    def ratio(self) -> float:
        return self.value / self.reference

    @property
    def target(self) -> Target:
        return TARGETS[self.database][self.asked or self.name]

    @property
    def verdict(self) -> str:
        return "met" if self.target.is_met_by(self.ratio) else "short"

    def __str__(self) -> str:
        measured = f"{self.name}={self.value:.4g} ratio={self.ratio:.3g} target={self.target}"
        return f"BENCH {self.workload}/{self.database} {measured} {self.verdict}"

    def as_json(self) -> dict[str, Any]:
        return {
            "workload": self.workload,
            "database": self.database,
            "figure": self.name,
            "value": self.value,
            "reference": self.reference,
            "ratio": self.ratio,
            "target": str(self.target),
            "verdict": self.verdict,
        }


def percentile(values: Sequence[float], part: float) -> float:
    """The nearest-rank percentile; `part` is 0 to 1."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def publish(figure: Figure, file: Path) -> None:
    """Prints the figure and adds it to the list in `file`."""
    print(figure, flush=True)
    stored = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    store([*stored, figure.as_json()], file)


def store(figures: Sequence[dict[str, Any]], file: Path) -> None:
    file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
