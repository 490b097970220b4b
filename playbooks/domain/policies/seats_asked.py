"""What policies ask for, put together with the seats that a gate has by itself.

Every policy is met for itself: two policies that each want one of tier 2 want one, not two. What a gate's own seats
meet is not asked again. Beyond that the seats of one policy never stand in for another's, so that one more policy only
ever adds seats: of each role as many as the policy that lacks most of it.

Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playbooks.domain.seats import match


@dataclass(frozen=True, slots=True)
class Wanted:
    """A seat that a policy asks for, `role` being its name (seat_names.py). A seat of a gate for one of the roles in
    `met_by` will do as well.
    """

    role: str
    met_by: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"role": self.role, "met_by": list(self.met_by)}


def wanted_from(value: Sequence[Mapping[str, Any]]) -> tuple[Wanted, ...]:
    """The way back from `as_json`. Raises KeyError or TypeError where something is missing or malformed."""
    return tuple(Wanted(each["role"], tuple(each["met_by"])) for each in value)


def missing(wanted: Sequence[Wanted], roles: Sequence[str]) -> tuple[str, ...]:
    """The roles of the wanted seats that seats for `roles` do not meet; each seat meets one at most."""
    fits = {
        str(number): frozenset(
            place for place, role in enumerate(roles) if role == each.role or role in each.met_by
        )
        for number, each in enumerate(wanted)
    }
    met = set(match(fits).values())
    return tuple(each.role for number, each in enumerate(wanted) if str(number) not in met)


def joined(own: Sequence[str], asked: Iterable[Sequence[Wanted]]) -> tuple[str, ...]:
    """The seats of a request: the gate's own, as written, and then what policies ask beyond them, by role."""
    most: Counter[str] = Counter()
    for wanted in asked:
        most |= Counter(missing(wanted, own))
    return (*own, *sorted(most.elements()))
