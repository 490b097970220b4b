"""What the duty rules look at, as plain data that can be written down with a decision and read again.

Standard library only: this module is part of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from playbooks.domain.seats import Entitlement, Seat

Names = Mapping[str, str]  # of people: {id: name}


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides, as they are at this moment.

    `accounts` are the other accounts of the same person, with the service accounts that they own. `stands_in_for`
    are the people who named them as their substitute, `stood_in_for` those who did until a day ago.
    `fresh_grants` says of each role that was given lately by whom, back through those who gave the giver theirs.
    `known_as` are the names under which they or their devices
    could be a target. `history` are the duties that they had in the same case. `step_up` is what they have proven
    beyond their session: "" nothing, "fresh" a second factor lately, "bound" one over this very decision.
    """

    id: str
    name: str
    is_active: bool
    is_person: bool  # False for a service account
    by_token: bool  # an API token, not a person's own session
    is_superuser: bool
    roles: frozenset[str]
    accounts: frozenset[str] = frozenset()
    stands_in_for: Names = field(default_factory=dict)
    stood_in_for: Names = field(default_factory=dict)
    fresh_grants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    known_as: frozenset[str] = frozenset()
    history: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    step_up: str = ""
    step_up_method: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules look at.

    `requesters` asked for what is to run, `through` caused it by their token, their schedule or their publishing;
    `authors` wrote it; `rule_makers` changed lately what it is decided by, {id: what they changed}. `approvals` maps
    each person who approved so far, in order, to what they bring; `denied` are those who denied, `deciders` all who
    decided. `named` are targets that stand for one person or one device. `incompatible` are the duties in a case
    after which nobody decides. `team` is the one whose matter this is, by id, empty for everybody's.
    """

    decider: Decider
    verdict: str  # "approve", "deny", or, under the profile solo, "confirm"
    status: str
    seats: tuple[Seat, ...]
    requesters: Names
    authors: Names
    approvals: Mapping[str, Entitlement]
    deciders: frozenset[str]
    shown_digest: str
    current_digest: str
    through: Names = field(default_factory=dict)
    rule_makers: Names = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    denials_to_end: int = 1
    named: frozenset[str] = frozenset()
    incompatible: frozenset[str] = frozenset()
    team: str = ""
    team_name: str = ""
    step_up: str = ""  # what an approval takes: "", "fresh" or "bound"
    profile: str = "team"  # "team", "pair" or "solo"

    @property
    def influential(self) -> Names:
        """Everybody who has a hand in what would run, or in the rules that it is decided by."""
        return {**self.rule_makers, **self.authors, **self.through, **self.requesters}

    @property
    def entitlement(self) -> Entitlement:
        """What the decider brings."""
        mine = self.decider
        return entitlement_of(mine.id, mine.roles, mine.fresh_grants, mine.stands_in_for, self.influential)

    def as_json(self) -> dict[str, Any]:
        """The facts as plain JSON values; `Facts.from_json` is the way back."""
        own = {name: _plain(getattr(self, name)) for name in self.__slots__ if name not in STRUCTURED}
        return {
            **own,
            "decider": {name: _plain(getattr(self.decider, name)) for name in self.decider.__slots__},
            "seats": [seat_as_json(seat) for seat in self.seats],
            "approvals": [
                {"person": person, "roles": sorted(held.roles), "people": sorted(held.people)}
                for person, held in self.approvals.items()
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Facts:
        """Raises KeyError or TypeError where a fact is missing or malformed."""
        approvals = {
            each["person"]: Entitlement(frozenset(each["roles"]), frozenset(each["people"]))
            for each in value["approvals"]
        }
        read = {
            **dict(_with_sets(value, SETS)),
            "decider": _decider(value["decider"]),
            "seats": tuple(seat_from_json(each) for each in value["seats"]),
            "approvals": approvals,
        }
        missing = set(cls.__slots__) - set(read)
        if missing:
            raise KeyError(min(missing))
        return cls(**read)


def entitlement_of(
    person: str,
    roles: frozenset[str],
    fresh_grants: Mapping[str, frozenset[str]],
    stands_in_for: Iterable[str],
    influential: Iterable[str],
) -> Entitlement:
    """What somebody brings, who decides or has decided: the roles that nobody gave them lately who may not give them
    for this, themselves or through others; and whom they stand in for.
    """
    partial = {person, *influential}
    usable = frozenset(role for role in roles if fresh_grants.get(role, frozenset()).isdisjoint(partial))
    return Entitlement(usable, frozenset({person, *stands_in_for}))


# What fills a seat: an approval, and what one person alone confirms, which is none.
CONSENTS = frozenset({"approve", "confirm"})
STRUCTURED = frozenset({"decider", "seats", "approvals"})
SETS = frozenset({"deciders", "denied", "named", "incompatible"})
SETS_OF_DECIDER = frozenset({"roles", "accounts", "known_as", "history", "teams"})


def seat_as_json(seat: Seat) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": seat.role}
    if seat.people is not None:
        plain["people"] = sorted(seat.people)
    if seat.also:
        plain["also"] = [seat_as_json(each) for each in seat.also]
    return plain


def seat_from_json(value: Mapping[str, Any]) -> Seat:
    people = frozenset(value["people"]) if "people" in value else None
    return Seat(value["role"], people, tuple(seat_from_json(each) for each in value.get("also", ())))


def _decider(value: Mapping[str, Any]) -> Decider:
    fresh = {role: frozenset(people) for role, people in value["fresh_grants"].items()}
    return Decider(**{**dict(_with_sets(value, SETS_OF_DECIDER)), "fresh_grants": fresh})


def _with_sets(value: Mapping[str, Any], sets: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        yield name, frozenset(each) if name in sets else each


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return value
