"""Who may decide, who sits, when it is granted and when it is denied: a naive model to hold the engine against.

It is written from the prose of the design (approvals.md: Seats, Duty rules, Influence, Delegation, Decisions) and
not from the code: it imports nothing of the product, keeps everything in sets, and tries all orders of people by
brute force. Where it and the engine say different things, one of them has misread the design.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, permutations

# "evaluated and reported in this order": those of the design's rules that this model knows.
ORDER = (
    "token_not_person",
    "deactivated",
    "own_request",
    "requested_through",
    "own_playbook",
    "own_grant",
    "delegate_of_requester",
    "outside_team",
    "not_in_seat",
    "already_decided",
    "seat_taken",
    "closed",
    "stale_digest",
)


@dataclass(frozen=True, slots=True)
class Held:
    """A role that somebody holds. `giver` is who gave it within the last 24 hours; empty for an older one."""

    person: str
    role: str
    giver: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """A decision that was made. One that was taken back counts no more, and stays a decision."""

    person: str
    verdict: str
    is_taken_back: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Everybody, and one request. `runs` is what would run now, `shown` what the request shows."""

    seats: tuple[str, ...]
    active: frozenset[str]
    held: frozenset[Held]
    asked_by: frozenset[str] = frozenset()
    began_through: frozenset[str] = frozenset()
    written_by: frozenset[str] = frozenset()
    team: str = ""
    members: frozenset[tuple[str, str]] = frozenset()  # person, team
    substitutes: frozenset[tuple[str, str]] = frozenset()  # substitute, for whom
    were_substitutes: frozenset[tuple[str, str]] = frozenset()  # until less than 24 hours ago
    runs: object = None
    shown: object = None
    status: str = "open"
    votes: tuple[Vote, ...] = ()
    denials_to_end: int = 1

    @property
    def hands(self) -> frozenset[str]:
        """Whoever has a hand in what would run."""
        return self.asked_by | self.began_through | self.written_by

    def holds(self, person: str) -> set[str]:
        return {each.role for each in self.held if each.person == person and person in self.active}

    def counts(self, person: str) -> set[str]:
        """The roles that they may use here: nobody decides with a right by the gift of who may not decide."""
        given = {
            each.role for each in self.held if each.person == person and each.giver in {person, *self.hands}
        }
        return self.holds(person) - given


def refusals(world: World, person: str, verdict: str, *, seen: object, is_token: bool = False) -> list[str]:
    """Every rule that keeps the person from the verdict on what they have `seen`, the most telling one first."""
    fitting = set(world.seats) & world.counts(person)
    both = {person, *(whom for substitute, whom in world.substitutes if substitute == person)}
    lately = {whom for substitute, whom in world.were_substitutes if substitute == person}
    decided = {vote.person for vote in world.votes}
    says_no = {
        "token_not_person": is_token,
        "deactivated": person not in world.active,
        "own_request": person in world.asked_by,
        "requested_through": person in world.began_through,
        "own_playbook": person in world.written_by,
        "own_grant": not fitting and bool(set(world.seats) & world.holds(person)),
        "delegate_of_requester": bool(((both | lately) - {person}) & world.hands),
        "outside_team": bool(world.team) and (person, world.team) not in world.members,
        "not_in_seat": not set(world.seats) & world.holds(person),
        "already_decided": bool(both & decided),
        "seat_taken": verdict == "approve"
        and bool(fitting)
        and person not in decided
        and _is_full(world, person),
        "closed": world.status != "open",
        "stale_digest": seen != world.runs,
    }
    return [rule for rule in ORDER if says_no[rule]]


def decide(world: World, person: str, verdict: str) -> World:
    """The world after a decision that nothing keeps the person from."""
    after = replace(world, votes=(*world.votes, Vote(person, verdict)))
    if verdict == "approve":
        return replace(after, status="granted") if len(sitting(after)) == len(world.seats) else after
    denials = [vote for vote in after.votes if vote.verdict == "deny" and not vote.is_taken_back]
    return replace(after, status="denied") if len(denials) >= world.denials_to_end else after


def take_back(world: World, person: str) -> World:
    """Their decision counts no more, while the quorum is not reached."""
    votes = (replace(vote, is_taken_back=True) if vote.person == person else vote for vote in world.votes)
    return replace(world, votes=tuple(votes)) if world.status == "open" else world


def ask_again(world: World) -> World:
    """A request whose subject has changed is void, and asked again about what would run now: nobody has decided."""
    is_changed = world.status == "open" and world.shown != world.runs
    return replace(world, shown=world.runs, votes=()) if is_changed else world


def close(world: World, status: str) -> World:
    return replace(world, status=status) if world.status == "open" else world


def sitting(world: World) -> tuple[str, ...]:
    """Whose approvals count: as many as can sit together, of equally many those who came first."""
    approvers = [vote.person for vote in world.votes if vote.verdict == "approve" and not vote.is_taken_back]
    return _most_that_sit(
        world.seats, tuple((person, frozenset(world.counts(person))) for person in approvers)
    )


def seatings(world: World, people: tuple[str, ...]) -> list[dict[int, str]]:
    """Every way in which all of these people sit, each in a seat of their own for which they hold the role."""
    return list(_seatings(world.seats, tuple((person, frozenset(world.counts(person))) for person in people)))


Approver = tuple[str, frozenset[str]]  # with the roles that they may use


@cache
def _most_that_sit(seats: tuple[str, ...], approvers: tuple[Approver, ...]) -> tuple[str, ...]:
    for number in range(len(approvers), -1, -1):
        for some in combinations(approvers, number):  # those who came first come first
            if next(_seatings(seats, some), None) is not None:
                return tuple(person for person, _ in some)
    raise AssertionError("Nobody at all always sits.")


def _seatings(seats: tuple[str, ...], people: tuple[Approver, ...]) -> Iterator[dict[int, str]]:
    for places in permutations(range(len(seats)), len(people)):
        placed = list(zip(places, people, strict=True))
        if all(seats[place] in roles for place, (_, roles) in placed):
            yield {place: person for place, (person, _) in placed}


def _is_full(world: World, person: str) -> bool:
    """Whether one more approval, by this person, would seat nobody more."""
    with_them = replace(world, votes=(*world.votes, Vote(person, "approve")))
    return len(sitting(with_them)) == len(sitting(world))
