"""Whether what ran had the seats that policies asked for, or their leave, by what the entries record of both.

Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playbooks.domain.policies.seats_asked import missing, wanted_from

LEAVE_KINDS = ("permit", "provisional")


@dataclass(slots=True)
class Leaves:
    """The permits and provisionals under which the steps of a run ran before anybody was asked."""

    used: set[tuple[str, str, str]] = field(default_factory=set)  # kind, step and name
    claimed: set[str] = field(default_factory=set)  # steps whose last claim was provisional
    happened: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)  # steps that people are asked to countersign

    def feed(self, verb: str, facts: Mapping[str, Any]) -> None:
        """Raises KeyError where what is recorded is malformed."""
        kind, _, end = verb.partition(".")
        if kind in LEAVE_KINDS and end == "used":
            self.used.add((kind, facts["step"], facts[kind]))
        elif verb == "step.claimed" and not facts["round"]:
            (self.claimed.add if facts.get("provisional") else self.claimed.discard)(facts["step"])
        elif verb == "step.succeeded" or (verb == "step.resolved" and facts.get("resolution") == "happened"):
            self.happened.add(facts["step"])
        elif verb == "request.opened" and facts.get("countersigns"):
            self.asked.add(facts["step"])

    def is_claimed_under(self, facts: Mapping[str, Any]) -> bool:
        return any(facts.get(kind) for kind in LEAVE_KINDS)

    def unsaid(self, facts: Mapping[str, Any]) -> str:
        """By what a step was claimed that no entry says was used for it: the permit routine 1. Else empty."""
        named = [(kind, facts[kind]) for kind in LEAVE_KINDS if facts.get(kind)]
        missing_ones = [each for each in named if (each[0], facts["step"], each[1]) not in self.used]
        return " and ".join(f"the {kind} {name}" for kind, name in missing_ones)

    def not_asked(self) -> list[str]:
        """The steps that ran provisionally, and about which nobody was asked afterwards."""
        return sorted((self.claimed & self.happened) - self.asked)


def unmet_policy(asked: Mapping[str, Any], seats: Iterable[Sequence[str]]) -> str:
    """The name of the first policy that none of the requests, told by their seats, meets; empty where all are met.

    Raises KeyError or TypeError where what is recorded of a policy is malformed.
    """
    given = list(seats)
    for name, each in asked.items():
        wanted = wanted_from(each["seats"])
        if wanted and all(missing(wanted, roles) for roles in given):
            return name
    return ""
