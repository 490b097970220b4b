"""A small world, all of it: whatever happens in whatever order, the engine and the oracle say the same.

Four people, three roles, two teams and one request, in two worlds. In the first Rita asked for the run and Wim wrote
the playbook, and 22 things may happen: all 118,778,947 orders of up to six of them. In the second nobody has a hand
in it, three seats are to be filled, two denials end it, and 15 things may happen: 12,204,241 orders.

Orders that lead to the same state go on as one, so that about 11,000 and 21,000 states stand for all of them. In each
state the engine and the oracle are asked about every person and both verdicts, and compared in every rule that says
no, in who sits, in who has decided and in what has become of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from playbooks.domain.duties import denials, is_denied, is_quorum, seated
from playbooks.domain.duty_facts import Decider, Facts, entitlement_of
from playbooks.domain.seats import Entitlement, Seat
from tests.domain import oracle
from tests.domain.oracle import Held, World

PEOPLE = ("rita", "wim", "tess", "ned")
LONGEST = 6


@dataclass(frozen=True, slots=True)
class Desk:
    """What the engine itself brought about: the decisions (person, verdict, whether it stands) and the status."""

    status: str = "open"
    decisions: tuple[tuple[str, str, bool], ...] = ()
    shown: object = 0


State = tuple[Desk, World]
Event = Callable[[State], State]


def facts_of(state: State, person: str, verdict: str) -> Facts:
    """What access/facts.py would read from the rows."""
    desk, world = state
    standing = [(each, said) for each, said, stands in desk.decisions if stands]
    return Facts(
        decider=Decider(
            id=person,
            name=person.title(),
            is_active=person in world.active,
            is_person=True,
            by_token=False,
            is_superuser=False,
            roles=roles_of(world, person),
            fresh_grants=given_lately(world, person),
            stands_in_for=stands_in_for(world, person),
            stood_in_for={whom: whom.title() for each, whom in world.were_substitutes if each == person},
            teams=frozenset(team for each, team in world.members if each == person),
        ),
        verdict=verdict,
        status=desk.status,
        seats=tuple(Seat(role) for role in world.seats),
        requesters=named(world.asked_by),
        authors=named(world.written_by),
        through=named(world.began_through),
        approvals={each: counting(world, each) for each, said in standing if said == "approve"},
        denied=frozenset(each for each, said in standing if said == "deny"),
        denials_to_end=world.denials_to_end,
        deciders=frozenset(each for each, *_ in desk.decisions),
        shown_digest=str(desk.shown),
        current_digest=str(world.runs),
        team=world.team,
        team_name=world.team,
    )


def named(people: frozenset[str]) -> Mapping[str, str]:
    return {person: person.title() for person in sorted(people)}


def roles_of(world: World, person: str) -> frozenset[str]:
    return frozenset(each.role for each in world.held if each.person == person and person in world.active)


def given_lately(world: World, person: str) -> dict[str, frozenset[str]]:
    return {each.role: frozenset({each.giver}) for each in world.held if each.person == person and each.giver}


def stands_in_for(world: World, person: str) -> dict[str, str]:
    return {whom: whom.title() for each, whom in world.substitutes if each == person}


def counting(world: World, person: str) -> Entitlement:
    """By what an approval counts that was given: the same as when it is decided."""
    hands = {*world.asked_by, *world.written_by, *world.began_through}
    return entitlement_of(
        person, roles_of(world, person), given_lately(world, person), stands_in_for(world, person), hands
    )


def decides(person: str, verdict: str) -> Event:
    """The engine and the oracle each decide, and go on from what they themselves have said."""

    def event(state: State) -> State:
        desk, world = state
        facts = facts_of(state, person, verdict)
        if not denials(facts):
            desk = replace(desk, decisions=(*desk.decisions, (person, verdict, True)), status=outcome(facts))
        if not oracle.refusals(world, person, verdict, seen=world.shown):
            world = oracle.decide(world, person, verdict)
        return desk, world

    return event


def outcome(facts: Facts) -> str:
    if facts.verdict == "deny":
        return "denied" if is_denied(facts) else "open"
    return "granted" if is_quorum(facts) else "open"


def takes_back(person: str) -> Event:
    def event(state: State) -> State:
        desk, world = state
        kept = tuple((who, said, stands and who != person) for who, said, stands in desk.decisions)
        desk = replace(desk, decisions=kept) if desk.status == "open" else desk
        return desk, oracle.take_back(world, person)

    return event


def asked_again(state: State) -> State:
    desk, world = state
    if desk.status == "open" and desk.shown != world.runs:
        desk = Desk(shown=world.runs)
    return desk, oracle.ask_again(world)


def closes(status: str) -> Event:
    def event(state: State) -> State:
        desk, world = state
        return replace(desk, status=status) if desk.status == "open" else desk, oracle.close(world, status)

    return event


def toggles(field: str, item: object) -> Event:
    """Given when it is missing, taken when it is there."""

    def event(state: State) -> State:
        desk, world = state
        before: frozenset[object] = getattr(world, field)
        return desk, replace(world, **{field: before ^ {item}})

    return event


def holds_or_not(person: str, role: str) -> Event:
    """Nobody holds a role twice: whatever they hold of it is taken, or it is given by nobody with a hand in this."""

    def event(state: State) -> State:
        desk, world = state
        others = frozenset(each for each in world.held if (each.person, each.role) != (person, role))
        return desk, replace(world, held=others if others != world.held else others | {Held(person, role)})

    return event


def names_or_no_more(person: str, substitute: str) -> Event:
    def event(state: State) -> State:
        desk, world = state
        pair = (substitute, person)
        former = (
            world.were_substitutes | {pair} if pair in world.substitutes else world.were_substitutes - {pair}
        )
        return desk, replace(world, substitutes=world.substitutes ^ {pair}, were_substitutes=former)

    return event


def gives(person: str, role: str, giver: str) -> Event:
    """A gift in place of whatever they held of the role before."""

    def event(state: State) -> State:
        desk, world = state
        others = {each for each in world.held if (each.person, each.role) != (person, role)}
        return desk, replace(world, held=frozenset({*others, Held(person, role, giver)}))

    return event


def changes(state: State) -> State:
    """Another thing would run than was shown; or, the second time, the same again."""
    desk, world = state
    return desk, replace(world, runs=1 - int(str(world.runs)))


OLD = frozenset(
    {
        Held("rita", "tier-2"),
        Held("wim", "network-owner"),
        Held("tess", "tier-2"),
        Held("ned", "tier-2"),
        Held("ned", "network-owner"),
    }
)
WORLD = World(
    seats=("tier-2", "network-owner"),
    active=frozenset(PEOPLE),
    held=OLD,
    team="soc",
    members=frozenset((person, "soc") for person in PEOPLE),
    runs=0,
    shown=0,
)
DECISIONS: Mapping[str, Event] = {
    f"{person} {verdict}": decides(person, verdict) for person in PEOPLE for verdict in ("approve", "deny")
}
WITH_HANDS: Mapping[str, Event] = {
    **DECISIONS,
    "ned takes it back": takes_back("ned"),
    "tess is tier-2 or not": holds_or_not("tess", "tier-2"),
    "tess owns the network or not": holds_or_not("tess", "network-owner"),
    "ned owns the network or not": holds_or_not("ned", "network-owner"),
    "rita gives ned the network": gives("ned", "network-owner", "rita"),
    "tess gives herself the network": gives("tess", "network-owner", "tess"),
    "tess joins the team or leaves it": toggles("members", ("tess", "soc")),
    "tess joins another team or leaves it": toggles("members", ("tess", "plant")),
    "ned has an account or none": toggles("active", "ned"),
    "rita names ned, or no more": names_or_no_more("rita", "ned"),
    "what would run changes": changes,
    "it is asked again": asked_again,
    "it expires": closes("expired"),
    "rita takes the request back": closes("withdrawn"),
}
AMONG_EQUALS: Mapping[str, Event] = {
    **DECISIONS,
    "tess takes it back": takes_back("tess"),
    "rita is tier-2 or not": holds_or_not("rita", "tier-2"),
    "ned is tier-2 or not": holds_or_not("ned", "tier-2"),
    "tess gives herself the network": gives("tess", "network-owner", "tess"),
    "wim joins the team or leaves it": toggles("members", ("wim", "soc")),
    "tess has an account or none": toggles("active", "tess"),
    "tess names wim, or no more": names_or_no_more("tess", "wim"),
}
WORLDS: Mapping[str, tuple[World, Mapping[str, Event], int]] = {
    "Rita asked and Wim wrote": (
        replace(WORLD, asked_by=frozenset({"rita"}), written_by=frozenset({"wim"})),
        WITH_HANDS,
        10_000,
    ),
    "nobody has a hand in it": (
        replace(WORLD, seats=("tier-2", "tier-2", "network-owner"), denials_to_end=2),
        AMONG_EQUALS,
        20_000,
    ),
}


def states(start: World, events: Mapping[str, Event], longest: int = LONGEST) -> Iterator[State]:
    """Every state that some order of at most `longest` events leads to, once."""
    seen: set[State] = set()
    ahead: list[State] = [(Desk(shown=start.shown), start)]
    for length in range(longest + 1):
        new = [state for state in dict.fromkeys(ahead) if state not in seen]
        seen.update(new)
        yield from new
        ahead = [event(state) for state in new for event in events.values()] if length < longest else []


def engine_says(state: State, person: str, verdict: str) -> list[str]:
    return [denial.rule for denial in denials(facts_of(state, person, verdict))]


def assert_the_same(state: State) -> None:
    desk, world = state
    assert desk.status == world.status, state
    assert desk.decisions == tuple(
        (vote.person, vote.verdict, not vote.is_taken_back) for vote in world.votes
    )
    for person in PEOPLE:
        for verdict in ("approve", "deny"):
            expected = oracle.refusals(world, person, verdict, seen=world.shown)
            assert engine_says(state, person, verdict) == expected, (person, verdict, state)
    seating = seated(facts_of(state, "tess", "approve"), with_decider=False)
    assert seating in oracle.seatings(world, oracle.sitting(world)), state


@pytest.mark.parametrize("name", WORLDS)
def test_the_engine_and_the_oracle_agree_after_every_order_of_events(name: str) -> None:
    start, events, at_least = WORLDS[name]
    count = 0
    for state in states(start, events):
        assert_the_same(state)
        count += 1
    assert count > at_least


@pytest.mark.parametrize("name", WORLDS)
def test_a_denial_an_unrelated_role_or_a_removed_member_never_turns_no_into_yes(name: str) -> None:
    start, events, _ = WORLDS[name]
    for state in states(start, events, longest=3):
        for person in PEOPLE:
            before = facts_of(state, person, "approve")
            for what, after in less_of(state, person):
                facts = facts_of(after, person, "approve")
                if denials(before):
                    assert denials(facts), (person, what, state)
                if outcome(before) != "granted":
                    assert outcome(facts) != "granted", (person, what, state)


def less_of(state: State, person: str) -> Iterator[tuple[str, State]]:
    """What may happen to somebody, and beside them, that is no reason to let them decide, or to grant it."""
    desk, world = state
    yield "an unrelated role", (desk, replace(world, held=world.held | {Held(person, "asset-owner")}))
    yield "a removed member", (desk, replace(world, members=world.members - {(person, "soc")}))
    yield "a removed account", (desk, replace(world, active=world.active - {person}))
    for held in world.held:
        if held.person == person:
            yield "a removed role", (desk, replace(world, held=world.held - {held}))
    for other in set(PEOPLE) - {person} - {each for each, *_ in desk.decisions}:
        yield "a denial", (replace(desk, decisions=(*desk.decisions, (other, "deny", True))), world)


@pytest.mark.parametrize("name", WORLDS)
def test_whatever_others_lose_grants_nothing(name: str) -> None:
    """It may free a seat for somebody; it never fills one."""
    start, events, _ = WORLDS[name]
    for desk, world in states(start, events, longest=3):
        before = seated(facts_of((desk, world), "tess", "approve"), with_decider=False)
        for held in world.held:
            less = replace(world, held=world.held - {held})
            assert len(seated(facts_of((desk, less), "tess", "approve"), with_decider=False)) <= len(before)
