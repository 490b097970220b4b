"""Whether people can fill the seats of a quorum: a bipartite matching (Kuhn's augmenting paths).

Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seat:
    """One required place in a quorum: somebody who holds `role`.

    Where `people` is given it names those who are meant, by id, and `role` only says how they were found: the owner
    of the target, whoever is on call.
    """

    role: str
    people: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What somebody brings to a quorum: the roles that they hold, and the people that they are or stand in for."""

    roles: frozenset[str]
    people: frozenset[str] = frozenset()


def fitting(seats: Sequence[Seat], held: Entitlement) -> frozenset[int]:
    """The indexes of the seats that somebody could fill."""
    return frozenset(index for index, seat in enumerate(seats) if _fits(seat, held))


def match(fits: Mapping[str, frozenset[int]]) -> dict[int, str]:
    """Seat index -> person, as many seats as can be filled, each person in one seat at most.

    `fits` says which seats each person could fill. People are seated in the order given, and whoever has a
    seat keeps one (not always the same) when another person comes.
    """
    taken: dict[int, str] = {}
    for person in fits:
        _seat(person, fits, taken, set())
    return taken


def _fits(seat: Seat, held: Entitlement) -> bool:
    if seat.people is None:
        return seat.role in held.roles
    return not seat.people.isdisjoint(held.people)


def _seat(person: str, fits: Mapping[str, frozenset[int]], taken: dict[int, str], tried: set[int]) -> bool:
    for index in sorted(fits[person] - tried):
        tried.add(index)
        if index not in taken or _seat(taken[index], fits, taken, tried):
            taken[index] = person
            return True
    return False
