"""What a policy sees of an action that is about to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

NAMES = (
    "action",
    "connection",
    "target",
    "parameters",
    "owner",
    "severity",
    "case",
    "alert",
    "time",
    "phase",
    "count",
)
# What is below each name; empty where it is a plain value, or where nobody knows.
KNOWN: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(NAMES, frozenset[str]()),
    "action": frozenset({"key", "connector", "effect"}),
    "connection": frozenset({"name", "environment", "production", "owner", "simulated"}),
    "time": frozenset({"weekday", "hour", "minute", "date", "business_hours"}),
    "count": frozenset({"hour", "day", "week"}),
}
WINDOWS: Mapping[str, timedelta] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
TEST = "test"
COOLING = timedelta(hours=24)  # for so long a rule that was lowered is kept to all the same


@dataclass(frozen=True, slots=True)
class Facts:
    """`connection` and `owner` are names, empty for none. `owner` is whom the target belongs to, as far as the run has
    asked the asset list. `count` says how many *other* targets were changed through the same connector in the last
    hour, day and week, by all runs. `phase` is do or undo, `at` the moment.
    """

    action: str
    connector: str
    effect: str
    connection: str
    environment: str
    is_production: bool
    connection_owner: str
    is_simulated: bool
    target: str
    parameters: Mapping[str, object]
    owner: str
    severity: int
    case: Mapping[str, object]
    alert: Mapping[str, object]
    phase: str
    at: datetime
    count: Mapping[str, int]

    def scope(self, time: Mapping[str, object]) -> dict[str, object]:
        """What a condition sees, with `time` as its own calendar tells it."""
        return {
            "action": {"key": self.action, "connector": self.connector, "effect": self.effect},
            "connection": {
                "name": self.connection,
                "environment": self.environment,
                "production": self.is_production,
                "owner": self.connection_owner,
                "simulated": self.is_simulated,
            },
            "target": self.target,
            "parameters": self.parameters,
            "owner": self.owner,
            "severity": self.severity,
            "case": self.case,
            "alert": self.alert,
            "time": time,
            "phase": self.phase,
            "count": self.count,
        }


def is_production(environment: str, since: datetime, now: datetime) -> bool:
    """Whether a connection counts as production: unless it is marked as a test, and has been for a day.

    `since` is when the environment was last said. Whoever marks a production system as a test gains nothing at once.
    """
    return environment.strip().casefold() != TEST or now < since + COOLING
