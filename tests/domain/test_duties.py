"""The duty rules: each says no in its own sentence, and they speak in the order of the design."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.duties import NEED_SOMEBODY_ELSE, RULES, denials, is_denied, is_quorum, seated
from playbooks.domain.duty_facts import Decider, Facts
from playbooks.domain.seats import Entitlement, Seat, fitting, match

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
    "requested_through": replace(ALLOWED, through={"1": "Tariq"}),
    "own_playbook": replace(ALLOWED, authors={"1": "Tariq"}),
    "own_policy": replace(ALLOWED, rule_makers={"1": "the policy change-in-production"}),
    "own_grant": replace(
        ALLOWED,
        requesters={"7": "Rita"},
        decider=replace(DECIDER, fresh_grants={"tier-2": frozenset({"8", "7"})}),
    ),
    "same_person_other_account": replace(
        ALLOWED, requesters={"7": "Tariq"}, decider=replace(DECIDER, accounts=frozenset({"7"}))
    ),
    "delegate_of_requester": replace(
        ALLOWED, requesters={"7": "Rita"}, decider=replace(DECIDER, stands_in_for={"7": "Rita"})
    ),
    "conflict_of_interest": replace(
        ALLOWED,
        named=frozenset({"tariq@example.org"}),
        decider=replace(DECIDER, known_as=frozenset({"tariq", "tariq@example.org"})),
    ),
    "history": replace(
        ALLOWED,
        incompatible=frozenset({"closed the case"}),
        decider=replace(DECIDER, history=frozenset({"closed the case"})),
    ),
    "outside_team": replace(ALLOWED, team="t1", team_name="Plant operations"),
    "not_in_seat": replace(ALLOWED, decider=replace(DECIDER, roles=frozenset({"analyst"}))),
    "already_decided": replace(ALLOWED, deciders=frozenset({"1"}), approvals={"1": Entitlement(TIER2)}),
    "seat_taken": replace(ALLOWED, deciders=frozenset({"2"}), approvals={"2": Entitlement(TIER2)}),
    "closed": replace(ALLOWED, status="granted"),
    "stale_digest": replace(ALLOWED, current_digest="b" * 64),
    "not_stepped_up": replace(ALLOWED, step_up="bound", decider=replace(DECIDER, step_up="fresh")),
}


def test_a_person_in_a_free_seat_may_decide() -> None:
    assert denials(ALLOWED) == ()


@pytest.mark.parametrize("rule", [rule.__name__ for rule in RULES])
def test_each_rule_alone_forbids_and_says_why(rule: str) -> None:
    (denial,) = denials(FORBIDDEN[rule])
    assert denial.rule == rule
    assert denial.sentence.endswith(".")


# They stand in entries that verifiers replay to the letter, so a sentence that is changed is a new format.
SENTENCES = {
    "token_not_person": "Only a signed-in person can decide an approval; no token and no service account can.",
    "deactivated": "The account of Tariq is deactivated.",
    "own_request": "You asked for this run, so somebody else has to decide it.",
    "requested_through": "This run began through you (your token, your schedule, or a version that you published), "
    "so somebody else has to decide it.",
    "own_playbook": "You wrote this version of the playbook, so somebody else has to decide what it does.",
    "own_policy": "You changed the policy change-in-production in the last day, and this is decided by it, so "
    "somebody else has to.",
    "own_grant": "The right by which you would decide was given to you in the last day by yourself, or by somebody "
    "who has a hand in this.",
    "same_person_other_account": "Another account of yours has a hand in this or has decided it already; all your "
    "accounts count as one person.",
    "delegate_of_requester": "You stand in for Rita, who has a hand in this, so you cannot decide it either.",
    "conflict_of_interest": "This is about you (tariq@example.org), so somebody else has to decide it.",
    "history": "In this case you have already closed the case, which does not go together with deciding.",
    "outside_team": "This is a matter of the team Plant operations, to which you do not belong.",
    "not_in_seat": "This needs the role network-owner or tier-2, which you do not hold.",
    "already_decided": "You have already decided this request; each person decides once.",
    "seat_taken": "Every seat that your roles fit is already filled by somebody else.",
    "closed": "This request is granted and takes no more decisions.",
    "stale_digest": "What would run has changed since it was shown to you. Read it again and decide on what it says "
    "now.",
    "not_stepped_up": "This cannot be taken back, so it takes a proof of your second factor over this very decision.",
}


@pytest.mark.parametrize("rule", SENTENCES)
def test_each_rule_has_its_sentence(rule: str) -> None:
    assert [denial.sentence for denial in denials(FORBIDDEN[rule])] == [SENTENCES[rule]]


def test_what_concerns_something_else_forbids_nothing() -> None:
    elsewhere = replace(
        DECIDER,
        history=frozenset({"wrote a note"}),
        known_as=frozenset({"tariq"}),
        accounts=frozenset({"6"}),
        stands_in_for={"5": "Ola"},
        stood_in_for={"4": "Ada"},
        teams=frozenset({"t1", "t2"}),
    )
    facts = replace(
        ALLOWED,
        decider=elsewhere,
        requesters={"7": "Rita"},
        through={"8": "Pia"},
        authors={"9": "Wim"},
        rule_makers={"10": "a policy"},
        incompatible=frozenset({"closed the case"}),
        named=frozenset({"ola"}),
        team="t1",
    )
    assert denials(facts) == ()


@pytest.mark.parametrize(
    ("seats", "needs"),
    [
        ((Seat("network-owner"), Seat("a-role")), "the role a-role or network-owner, which you do not hold."),
        ((Seat("owner_of:edge", frozenset({"5"})),), "the owner of edge, and you are not."),
        ((Seat("on_call:network", frozenset({"5"})),), "whoever is on call for network, and you are not."),
        (
            (Seat("owner_of:edge", frozenset({"5"})), Seat("network-owner")),
            "the role network-owner or the owner of edge, and you are not.",
        ),
        (
            (Seat("network-owner", None, (Seat("on_call:network", frozenset({"5"})),)),),
            "the role network-owner or whoever is on call for network, and you are not.",
        ),
    ],
)
def test_whoever_fits_no_seat_is_told_who_would(seats: tuple[Seat, ...], needs: str) -> None:
    facts = replace(ALLOWED, seats=seats)
    assert [each.sentence for each in denials(facts)] == [f"This needs {needs}"]
    superuser = replace(facts, decider=replace(DECIDER, is_superuser=True))
    assert [each.sentence for each in denials(superuser)] == [
        f"Being a superuser gives no seat here: this needs {needs}"
    ]


def test_whoever_stood_in_until_a_day_ago_is_told_so() -> None:
    facts = replace(ALLOWED, requesters={"7": "Rita"}, decider=replace(DECIDER, stood_in_for={"7": "Rita"}))
    assert [each.sentence for each in denials(facts)] == [
        "Until a day ago you stood in for Rita, who has a hand in this, so you cannot decide it."
    ]


def test_a_proof_that_is_too_weak_or_too_old_is_asked_for_in_its_own_words() -> None:
    (denial,) = denials(replace(ALLOWED, step_up="fresh"))
    assert denial.sentence == (
        "This takes a proof of your second factor within the last five minutes. Give it and decide again."
    )
    for stronger in ("fresh", "bound"):
        assert denials(replace(ALLOWED, step_up="fresh", decider=replace(DECIDER, step_up=stronger))) == ()


def test_all_rules_that_forbid_are_reported_in_the_order_of_the_design() -> None:
    everything = replace(
        ALLOWED,
        decider=replace(DECIDER, by_token=True, is_active=False, roles=frozenset()),
        requesters={"1": ""},
        through={"1": ""},
        authors={"1": ""},
        rule_makers={"1": "a policy"},
        team="t1",
        deciders=frozenset({"1"}),
        status="denied",
        current_digest="b" * 64,
        step_up="fresh",
    )
    assert [denial.rule for denial in denials(everything)] == [
        "token_not_person",
        "deactivated",
        "own_request",
        "requested_through",
        "own_playbook",
        "own_policy",
        "outside_team",
        "not_in_seat",
        "already_decided",
        "closed",
        "stale_digest",
        "not_stepped_up",
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
    facts = replace(ALLOWED, approvals={"2": Entitlement(TIER2 | NETWORK)}, deciders=frozenset({"2"}))
    assert denials(facts) == ()
    assert is_quorum(facts)
    assert seated(facts, with_decider=True) == {0: "1", 1: "2"}


def test_a_role_given_by_somebody_without_a_hand_in_it_counts_at_once() -> None:
    given = replace(DECIDER, fresh_grants={"tier-2": frozenset({"8"})})
    assert denials(replace(ALLOWED, decider=given, requesters={"7": "Rita"})) == ()


def test_nobody_decides_with_a_right_that_they_gave_themselves() -> None:
    given = replace(DECIDER, fresh_grants={"tier-2": frozenset({"8", "1"})})
    assert [each.rule for each in denials(replace(ALLOWED, decider=given))] == ["own_grant"]


def test_a_right_that_does_not_count_leaves_the_seat_to_others() -> None:
    """They hold both roles, and one of them by the requester's gift: they sit where the other one fits."""
    both = replace(DECIDER, roles=TIER2 | NETWORK, fresh_grants={"tier-2": frozenset({"7"})})
    facts = replace(ALLOWED, requesters={"7": "Rita"}, decider=both)
    assert denials(facts) == ()
    assert seated(facts, with_decider=True) == {1: "1"}


def test_a_seat_for_named_people_is_filled_by_one_of_them_or_their_substitute_and_by_no_role() -> None:
    owner = replace(ALLOWED, seats=(Seat("owner of web-1", frozenset({"5"})),))
    assert [each.rule for each in denials(owner)] == ["not_in_seat"]
    assert denials(replace(owner, decider=replace(DECIDER, id="5", roles=frozenset()))) == ()
    assert denials(replace(owner, decider=replace(DECIDER, stands_in_for={"5": "Ola"}))) == ()


def test_nobody_decides_beside_whom_they_stand_in_for() -> None:
    facts = replace(
        ALLOWED,
        decider=replace(DECIDER, stands_in_for={"2": "Ola"}),
        deciders=frozenset({"2"}),
        approvals={"2": Entitlement(NETWORK)},
    )
    assert [each.rule for each in denials(facts)] == ["already_decided"]


def test_a_denial_takes_no_second_factor() -> None:
    assert denials(replace(FORBIDDEN["not_stepped_up"], verdict="deny")) == ()


def test_a_threshold_says_how_many_denials_end_it() -> None:
    assert is_denied(ALLOWED)
    assert not is_denied(replace(ALLOWED, denials_to_end=2))
    assert is_denied(replace(ALLOWED, denials_to_end=2, denied=frozenset({"2"})))


def test_somebody_alone_may_confirm_what_they_asked_for_and_nothing_else_is_lifted() -> None:
    for rule in RULES:
        facts = replace(FORBIDDEN[rule.__name__], profile="solo")
        assert (denials(facts) == ()) == (rule in NEED_SOMEBODY_ELSE), rule.__name__


PEOPLE = st.frozensets(st.sampled_from(["1", "2", "3"]), max_size=2)
NAMES = PEOPLE.map(lambda people: {person: f"Person {person}" for person in people})
WORDS = st.frozensets(st.sampled_from(["a", "b"]), max_size=2)
HELD = st.frozensets(st.sampled_from(["tier-2", "network-owner", "analyst"]), max_size=3)
ENTITLEMENTS = st.builds(Entitlement, HELD, PEOPLE)
PLAIN_SEATS = st.builds(Seat, st.sampled_from(["tier-2", "network-owner"]), st.none() | PEOPLE)
SEATS = st.builds(replace, PLAIN_SEATS, also=st.lists(PLAIN_SEATS, max_size=1).map(tuple))
DECIDERS = st.builds(
    Decider,
    st.sampled_from(["1", "2", "3"]),
    st.just("Tariq"),
    *[st.booleans()] * 4,
    HELD,
    accounts=PEOPLE,
    stands_in_for=NAMES,
    fresh_grants=st.dictionaries(st.sampled_from(["tier-2", "network-owner"]), PEOPLE),
    known_as=WORDS,
    history=WORDS,
    teams=WORDS,
    step_up=st.sampled_from(["", "fresh", "bound"]),
    step_up_method=st.sampled_from(["", "passkey"]),
)
ANY_FACTS = st.builds(
    Facts,
    DECIDERS,
    st.sampled_from(["approve", "deny"]),
    st.sampled_from(["open", "denied"]),
    st.lists(SEATS, max_size=3).map(tuple),
    NAMES,
    NAMES,
    st.dictionaries(st.sampled_from(["2", "3"]), ENTITLEMENTS),
    PEOPLE,
    *[st.sampled_from(["a" * 64, "b" * 64])] * 2,
    through=NAMES,
    rule_makers=NAMES,
    denied=PEOPLE,
    denials_to_end=st.integers(1, 3),
    named=WORDS,
    incompatible=WORDS,
    team=st.sampled_from(["", "a"]),
    step_up=st.sampled_from(["", "fresh", "bound"]),
    profile=st.sampled_from(["team", "pair", "solo"]),
)


@given(ANY_FACTS)
def test_the_facts_survive_being_written_down(facts: Facts) -> None:
    assert Facts.from_json(json.loads(json.dumps(facts.as_json()))) == facts


@pytest.mark.parametrize("missing", sorted(ALLOWED.as_json()))
def test_facts_that_lack_one_are_no_facts(missing: str) -> None:
    written = ALLOWED.as_json()
    del written[missing]
    with pytest.raises((KeyError, TypeError)):
        Facts.from_json(written)


def _with(facts: Facts, field: str, extra: str) -> Facts:
    """The same with one more person, name, duty … in one of the fields by which people are kept out."""
    before: Any = getattr(facts, field)
    after = {**before, extra: extra} if isinstance(before, dict) else before | {extra}
    return replace(facts, **{field: after})


KEEP_OUT = ["requesters", "through", "authors", "rule_makers", "deciders", "named", "incompatible"]


@given(ANY_FACTS, st.sampled_from(KEEP_OUT), st.sampled_from(["1", "2", "3", "a", "b"]))
def test_more_influence_never_lets_somebody_decide(facts: Facts, field: str, extra: str) -> None:
    if denials(facts):
        assert denials(_with(facts, field, extra))


@given(ANY_FACTS, st.sampled_from(["accounts", "known_as", "history"]), st.sampled_from(["1", "2", "a", "b"]))
def test_one_more_account_name_or_duty_of_the_decider_never_lets_them_decide(
    facts: Facts, field: str, extra: str
) -> None:
    if denials(facts):
        more = replace(facts.decider, **{field: getattr(facts.decider, field) | {extra}})
        assert denials(replace(facts, decider=more))


@given(ANY_FACTS)
def test_a_role_that_fits_no_seat_changes_nothing(facts: Facts) -> None:
    more = replace(facts, decider=replace(facts.decider, roles=facts.decider.roles | {"gardener"}))
    assert denials(more) == denials(facts)
    assert is_quorum(more) == is_quorum(facts)


@given(ANY_FACTS)
def test_another_denial_never_makes_a_quorum(facts: Facts) -> None:
    assert is_quorum(replace(facts, denied=facts.denied | {"9"})) == is_quorum(facts)
    assert is_denied(facts) <= is_denied(replace(facts, denied=facts.denied | {"9"}))


ROLES = st.frozensets(st.sampled_from(["a", "b", "c"]), max_size=3)


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=4), st.dictionaries(st.sampled_from("pqrst"), ROLES)
)
def test_a_matching_seats_as_many_as_any_assignment_could(
    roles: list[str], people: dict[str, frozenset[str]]
) -> None:
    seats = [Seat(role) for role in roles]
    fits = {person: fitting(seats, Entitlement(held)) for person, held in people.items()}
    found = match(fits)
    assert len(set(found.values())) == len(found)
    assert all(index in fits[person] for index, person in found.items())
    assert len(found) == _most(list(fits.values()), frozenset())


def test_whoever_sits_is_not_unseated_by_somebody_who_comes_later() -> None:
    one, both = frozenset({0}), frozenset({0, 1})
    assert match({"p": one, "q": one}) == {0: "p"}
    assert match({"p": both, "q": one, "r": both}) == {0: "q", 1: "p"}
    assert match({"p": both, "q": both, "r": one, "s": one}) in ({0: "p", 1: "q"}, {0: "q", 1: "p"})


def _most(people: list[frozenset[int]], taken: frozenset[int]) -> int:
    """By brute force: the most people that can sit."""
    if not people:
        return 0
    first, *rest = people
    return max([_most(rest, taken), *(1 + _most(rest, taken | {seat}) for seat in first - taken)])
