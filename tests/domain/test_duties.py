"""The duty rules: each says no in its own sentence, and they speak in the order of the design."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.duties import RULES, Decider, Facts, denials, is_quorum, seated
from playbooks.domain.seats import Seat, fitting, match

TIER2 = frozenset({"tier-2"})
NETWORK = frozenset({"network-owner"})

DECIDER = Decider("1", "Tariq", True, True, False, False, TIER2)
ALLOWED = Facts(
    decider=DECIDER,
    verdict="approve",
    status="open",
    seats=(Seat("tier-2"), Seat("network-owner")),
    requesters={},
    authors={},
    approvals={},
    deciders=frozenset(),
    shown_digest="a" * 64,
    current_digest="a" * 64,
)

FORBIDDEN = {
    "token_not_person": replace(ALLOWED, decider=replace(DECIDER, by_token=True)),
    "deactivated": replace(ALLOWED, decider=replace(DECIDER, is_active=False)),
    "own_request": replace(ALLOWED, requesters={"1": "Tariq"}),
    "own_playbook": replace(ALLOWED, authors={"1": "Tariq"}),
    "not_in_seat": replace(ALLOWED, decider=replace(DECIDER, roles=frozenset({"analyst"}))),
    "already_decided": replace(ALLOWED, deciders=frozenset({"1"}), approvals={"1": TIER2}),
    "seat_taken": replace(ALLOWED, deciders=frozenset({"2"}), approvals={"2": TIER2}),
    "closed": replace(ALLOWED, status="granted"),
    "stale_digest": replace(ALLOWED, current_digest="b" * 64),
}


def test_a_person_in_a_free_seat_may_decide() -> None:
    assert denials(ALLOWED) == ()


@pytest.mark.parametrize("rule", [rule.__name__ for rule in RULES])
def test_each_rule_alone_forbids_and_says_why(rule: str) -> None:
    (denial,) = denials(FORBIDDEN[rule])
    assert denial.rule == rule
    assert denial.sentence.endswith(".")


def test_all_rules_that_forbid_are_reported_in_the_order_of_the_design() -> None:
    everything = replace(
        ALLOWED,
        decider=replace(DECIDER, by_token=True, is_active=False, roles=frozenset()),
        requesters={"1": ""},
        authors={"1": ""},
        deciders=frozenset({"1"}),
        status="denied",
        current_digest="b" * 64,
    )
    assert [denial.rule for denial in denials(everything)] == [
        "token_not_person",
        "deactivated",
        "own_request",
        "own_playbook",
        "not_in_seat",
        "already_decided",
        "closed",
        "stale_digest",
    ]


def test_a_superuser_without_the_role_gets_a_sentence_of_their_own() -> None:
    facts = replace(ALLOWED, decider=replace(DECIDER, is_superuser=True, roles=frozenset({"administrator"})))
    (denial,) = denials(facts)
    assert denial.rule == "not_in_seat"
    assert "superuser" in denial.sentence


def test_a_service_account_cannot_decide() -> None:
    facts = replace(ALLOWED, decider=replace(DECIDER, is_person=False))
    assert [denial.rule for denial in denials(facts)] == ["token_not_person"]


def test_a_denial_needs_no_free_seat() -> None:
    assert denials(replace(FORBIDDEN["seat_taken"], verdict="deny")) == ()


def test_two_roles_of_one_person_fill_one_seat() -> None:
    facts = replace(ALLOWED, decider=replace(DECIDER, roles=TIER2 | NETWORK))
    assert not is_quorum(facts)


def test_somebody_who_fits_two_seats_makes_room_for_somebody_who_fits_one() -> None:
    facts = replace(ALLOWED, approvals={"2": TIER2 | NETWORK}, deciders=frozenset({"2"}))
    assert denials(facts) == ()
    assert is_quorum(facts)
    assert seated(facts, with_decider=True) == {0: "1", 1: "2"}


@given(
    st.builds(
        replace, st.just(ALLOWED), status=st.sampled_from(["open", "denied"]), requesters=st.just({"9": "x"})
    )
)
def test_the_facts_survive_being_written_down(facts: Facts) -> None:
    assert Facts.from_json(facts.as_json()) == facts


ROLES = st.frozensets(st.sampled_from(["a", "b", "c"]), max_size=3)


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=4), st.dictionaries(st.sampled_from("pqrst"), ROLES)
)
def test_a_matching_seats_as_many_as_any_assignment_could(
    roles: list[str], people: dict[str, frozenset[str]]
) -> None:
    seats = [Seat(role) for role in roles]
    fits = {person: fitting(seats, held) for person, held in people.items()}
    found = match(fits)
    assert len(set(found.values())) == len(found)
    assert all(index in fits[person] for index, person in found.items())
    assert len(found) == _most(list(fits.values()), frozenset())


def _most(people: list[frozenset[int]], taken: frozenset[int]) -> int:
    """By brute force: the most people that can sit."""
    if not people:
        return 0
    first, *rest = people
    return max([_most(rest, taken), *(1 + _most(rest, taken | {seat}) for seat in first - taken)])
