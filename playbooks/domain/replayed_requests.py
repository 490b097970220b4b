"""An approval request as the entries of a run tell it, and how its subject is read. Part of the offline verifier:
standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playbooks.domain.break_glass import GlassFacts


@dataclass(slots=True)
class Request:
    """An approval request as its entries tell it."""

    gate: str
    digest: str
    seats: list[str]
    covered: (
        Mapping[str, Any] | None
    )  # what was shown of each step; None where the entry holds its digest only
    not_covered: frozenset[str]  # steps that could not be shown
    requesters: Mapping[str, str]
    authors: Mapping[str, str]
    profile: str
    through: Mapping[str, str]
    status: str = "open"
    denials_to_end: int = 1
    also: list[str] = field(default_factory=list)  # who may take any seat too, since it was late
    approvers: set[str] = field(default_factory=set)
    deniers: set[str] = field(default_factory=set)
    deciders: set[str] = field(default_factory=set)  # and whoever denied it when it was asked before
    has_quorum: bool = False
    glass: GlassFacts | None = None  # where it was passed by break-glass
    until: str = ""
    begun: set[str] = field(default_factory=set)  # steps that began while it was passed

    def covers(self, step: str) -> bool:
        return self.covered is None or step in self.covered

    def hides(self, step: str) -> bool:
        """Whether it covers other turns of the step, so that it would have had to be asked about this one."""
        if (
            self.covered is None
            or step in self.covered
            or not self.not_covered.isdisjoint(names_of_step(step))
        ):
            return False
        around = self.gate.rpartition(".")[0]
        inside = step.startswith(f"{around}.") or not around
        return inside and name_of_step(step) in {
            name_of_step(each) for each in [*self.covered, *self.not_covered]
        }


def shown_by_step(shown: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    return None if shown is None else {each["step"]: each for each in shown}


def read_canonical(canonical: str) -> Any:
    """JSON of which `as_canonical` gives back the same bytes: a fraction keeps how it is written."""
    return json.loads(canonical, parse_float=lambda text: f"\0{text}\0")


def as_canonical(value: object) -> str:
    """The RFC 8785 form of what `read_canonical` gave; the names are in their order."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return re.sub(r'"\\u0000([0-9eE.+-]+)\\u0000"', r"\1", text)


def names_of_step(step: str) -> tuple[str, ...]:
    """By which names a request may say that it does not cover a step: its key, or with turns not known: a[*].b."""
    indexes = [found.start() for found in re.finditer(r"\[", step)]
    return (step, *(step[:at] + re.sub(r"\[\d+\]", "[*]", step[at:]) for at in indexes))


def name_of_step(step: str) -> str:
    return step.rpartition(".")[2]


def digest_of_text(value: object) -> str:
    """Of a text its SHA-256; a text too large for an entry is recorded by that digest."""
    if isinstance(value, str):
        return hashlib.sha256(value.encode()).hexdigest()
    return str(value["sha256"])  # type: ignore[index]
