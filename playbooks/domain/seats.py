"""Whether people can fill the seats of a quorum: a bipartite matching (Kuhn's augmenting paths).

Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OWNER_OF, ON_CALL = "owner_of:", "on_call:"  # before what names the people of a seat, in the place of a role


@dataclass(frozen=True, slots=True)
class Seat:
    """One required place in a quorum: somebody who holds `role`.

    Where `people` is given it names those who are meant, by id, and `role` only says how they were found: the owner
    of the target, whoever is on call. `also` are those who may take it too, since the request was late.
    """

    role: str
    people: frozenset[str] | None = None
    also: tuple[Seat, ...] = ()


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


def wanted(seats: Sequence[Seat]) -> str:
    """Who could fill one of the seats: the role tier-2 or network-owner or whoever is on call for network."""
    every = [each for seat in seats for each in (seat, *seat.also)]
    roles = sorted({each.role for each in every if each.people is None})
    people = sorted({_meant(each.role) for each in every if each.people is not None})
    return " or ".join(([f"the role {' or '.join(roles)}"] if roles else []) + people)


def _meant(name: str) -> str:
    if name.startswith(ON_CALL):
        return f"whoever is on call for {name.removeprefix(ON_CALL)}"
    return f"the owner of {name.removeprefix(OWNER_OF)}"


def _fits(seat: Seat, held: Entitlement) -> bool:
    own = seat.role in held.roles if seat.people is None else not seat.people.isdisjoint(held.people)
    return own or any(_fits(each, held) for each in seat.also)


def _seat(person: str, fits: Mapping[str, frozenset[int]], taken: dict[int, str], tried: set[int]) -> bool:
    for index in sorted(fits[person] - tried):
        tried.add(index)
        if index not in taken or _seat(taken[index], fits, taken, tried):
            taken[index] = person
            return True
    return False
