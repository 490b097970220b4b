"""What policies say of an action. The invariant: one more policy never asks for less, but for a permit."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.policies.changes import governance_of
from playbooks.domain.policies.document import check, document_of
from playbooks.domain.policies.facts import Facts, is_production
from playbooks.domain.policies.judging import Rule, condition_values, judge
from playbooks.domain.policies.seats_asked import Wanted, joined, missing
from tests.domain.policies_made import CATALOGUE, FACTS, MONDAY_NOON, ROLES, facts, require, rule

HEAD = "policy: a\ntitle: A\nwhen: 'true'\n"
GOOD = """\
policy: change-in-production
title: One approver for every change in production
when: action.effect == "change" && connection.production
require:
  seats:
    - {role: tier-2, met_by: [network-owner]}
"""

wanted = st.builds(
    Wanted, st.sampled_from(ROLES), st.lists(st.sampled_from(ROLES), max_size=2, unique=True).map(tuple)
)
seats_wanted = st.lists(wanted, max_size=3)
gate_seats = st.lists(st.sampled_from(ROLES), max_size=3)

conditions = st.sampled_from(
    [
        "true",
        "false",
        'action.effect == "change"',
        "connection.production",
        "severity >= 60",
        "alert.no_such_field == 1",
        'phase == "undo"',
        "count.hour >= 3",
    ]
)
effects: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.lists(st.sampled_from(ROLES), min_size=1, max_size=3).map(lambda roles: {"require": require(*roles)}),
    st.just({"forbid": "There is a freeze."}),
    st.just({"step_up": True}),
    st.just({"notify": {"to": [{"role": "tier-2"}]}}),
    st.just({"limit": {"targets": 3, "within": "hour", **require("tier-2", "asset-owner")}}),
)


@st.composite
def rules(draw: st.DrawFn, most: int = 5) -> list[Rule]:
    count = draw(st.integers(0, most))
    return [rule(draw(conditions), slug=f"p{number}", **draw(effects)) for number in range(count)]


some_facts: st.SearchStrategy[Facts] = st.builds(
    facts,
    effect=st.sampled_from(["message", "change", "destroy"]),
    is_production=st.booleans(),
    severity=st.integers(0, 100),
    phase=st.sampled_from(["do", "undo"]),
    count=st.integers(0, 5).map(lambda hour: {"hour": hour, "day": hour, "week": hour}),
)


@given(gate_seats, st.lists(seats_wanted, max_size=4), seats_wanted)
def test_one_more_policy_only_ever_adds_seats(
    own: list[str], asked: list[list[Wanted]], more: list[Wanted]
) -> None:
    before, after = Counter(joined(own, asked)), Counter(joined(own, [*asked, more]))
    assert before <= after


@given(gate_seats, st.lists(seats_wanted, max_size=4), st.randoms())
def test_the_order_of_policies_makes_no_difference(
    own: list[str], asked: list[list[Wanted]], random: Any
) -> None:
    shuffled = [*asked]
    random.shuffle(shuffled)
    assert joined(own, asked) == joined(own, shuffled)


@given(gate_seats, st.lists(seats_wanted, max_size=4))
def test_what_is_joined_meets_every_policy_and_keeps_the_seats_of_the_gate(
    own: list[str], asked: list[list[Wanted]]
) -> None:
    seats = joined(own, asked)
    assert seats[: len(own)] == tuple(own)
    assert all(missing(each, seats) == () for each in asked)


@given(gate_seats, st.lists(seats_wanted, max_size=4))
def test_joining_again_changes_nothing(own: list[str], asked: list[list[Wanted]]) -> None:
    assert joined(own, [*asked, *asked]) == joined(own, asked)
    assert Counter(joined(joined(own, asked), asked)) == Counter(joined(own, asked))


@given(some_facts, rules(), st.randoms())
def test_a_verdict_does_not_depend_on_the_order_in_which_rules_are_given(
    seen: Facts, given_rules: list[Rule], random: Any
) -> None:
    shuffled = [*given_rules]
    random.shuffle(shuffled)
    assert judge(seen, given_rules) == judge(seen, shuffled)


@given(some_facts, rules(), rules(most=1))
def test_one_more_rule_never_loosens_a_verdict(seen: Facts, some: list[Rule], more: list[Rule]) -> None:
    named = [Rule(f"q-{each.slug}", each.number, each.digest, each.policy) for each in more]
    before, after = judge(seen, some), judge(seen, [*some, *named])
    assert bool(before.forbidden) <= bool(after.forbidden)
    assert any(each.step_up for each in before.matched) <= any(each.step_up for each in after.matched)
    old = Counter(joined((), [each.seats for each in before.matched]))
    assert old <= Counter(joined((), [each.seats for each in after.matched]))


def test_two_policies_that_want_the_same_seat_want_it_once() -> None:
    assert joined([], [[Wanted("tier-2")], [Wanted("tier-2")]]) == ("tier-2",)
    assert joined([], [[Wanted("tier-2")], [Wanted("tier-2"), Wanted("tier-2")]]) == ("tier-2", "tier-2")


def test_a_seat_of_the_gate_meets_one_seat_of_each_policy() -> None:
    two = [Wanted("tier-2"), Wanted("asset-owner", ("network-owner",))]
    assert joined(["tier-2", "network-owner"], [two]) == ("tier-2", "network-owner")
    assert joined(["network-owner"], [two]) == ("network-owner", "tier-2")
    assert joined(["tier-2", "tier-2"], [two]) == ("tier-2", "tier-2", "asset-owner")


def test_the_seat_that_one_policy_adds_does_not_stand_in_for_that_of_another() -> None:
    """Else a further policy could let somebody approve who could not before."""
    either = [Wanted("tier-2", ("network-owner",))]
    assert joined([], [either, [Wanted("network-owner")]]) == ("network-owner", "tier-2")


def test_a_policy_matches_by_its_condition_and_says_what_it_asks() -> None:
    (matched,) = judge(FACTS, [rule('action.key == "edge.block"', require=require("tier-2"))]).matched
    assert matched.seats == (Wanted("tier-2"),)
    assert judge(FACTS, [rule('action.key == "mail.purge"', require=require("tier-2"))]).matched == ()


def test_the_owner_of_the_target_is_the_owner_of_the_connection_that_changes_it() -> None:
    people = {"seats": [{"owner_of": "target", "met_by": ["tier-2"]}, {"on_call": "network"}]}
    limit = {"targets": 1, "within": "day", "seats": [{"owner_of": "target"}]}
    owned = rule(require=people)
    (matched,) = judge(FACTS, [owned]).matched
    assert matched.seats == (Wanted("owner_of:edge-firewall", ("tier-2",)), Wanted("on_call:network"))
    (beyond,) = judge(facts(count={"hour": 0, "day": 1, "week": 1}), [rule(limit=limit)]).matched
    assert beyond.seats == (Wanted("owner_of:edge-firewall"),)
    (nobody,) = judge(facts(connection=""), [owned]).matched
    assert nobody.seats[0].role == "owner_of:target"
    assert joined(["owner_of:edge-firewall"], [matched.seats]) == (
        "owner_of:edge-firewall",
        "on_call:network",
    )


TELL = {"to": [{"role": "tier-2"}, {"owner_of": "target"}, {"on_call": "network"}], "say": "Watch it."}


def test_a_policy_that_only_tells_asks_and_forbids_nothing() -> None:
    verdict = judge(FACTS, [rule(notify=TELL), rule(slug="other", require=require("tier-2"))])
    assert (verdict.forbidden, [each.slug for each in verdict.asking]) == ("", ["other"])
    (told,) = verdict.telling
    assert told.tells == ("tier-2", "owner_of:edge-firewall", "on_call:network")
    assert (told.says, told.asks) == ("Watch it.", False)


@pytest.mark.parametrize(("effects", "forbids"), [({}, False), ({"require": require("tier-2")}, True)])
def test_what_only_tells_tells_to_be_sure_where_its_condition_cannot_be_evaluated(
    effects: dict[str, Any], forbids: bool
) -> None:
    verdict = judge(FACTS, [rule('alert.rule.name == "x"', notify=TELL, **effects)])
    assert (bool(verdict.forbidden), bool(verdict.telling)) == (forbids, not forbids)
    assert verdict.matched[0].is_error
    assert all("told to be sure: " in each.says for each in verdict.telling)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (None, TELL, [("strengthened", "owner_of:target"), ("strengthened", "tier-2")]),
        (TELL, None, [("weakened", "owner_of:target"), ("weakened", "tier-2")]),
        (TELL, {**TELL, "say": "Look."}, [("changed", "Look.")]),
    ],
)
def test_whom_a_change_tells_no_more_is_named(old: Any, new: Any, found: list[tuple[str, str]]) -> None:
    before, after = (
        rule(forbid="x", **({"notify": each} if each else {})).policy.model_copy() for each in (old, new)
    )
    told = governance_of(before, after)
    said = [(each.severity.value, each.sentence) for each in told]
    assert len(said) == (1 if old and new else 3)
    assert all(any(severity == s and words in text for s, text in said) for severity, words in found)


def test_a_condition_that_cannot_be_evaluated_forbids_and_names_the_policy() -> None:
    verdict = judge(FACTS, [rule('alert.rule.name == "x"', slug="late-shift", require=require("tier-2"))])
    assert "Late-shift" in verdict.forbidden
    assert "alert.rule has no value" in verdict.forbidden
    assert verdict.matched[0].is_error


def test_a_condition_that_is_neither_true_nor_false_forbids() -> None:
    assert "not true or false" in judge(FACTS, [rule("severity", forbid="No.")]).forbidden


def test_an_undo_is_only_asked_about_where_the_policy_names_the_phase() -> None:
    undo = facts(phase="undo")
    assert judge(undo, [rule("true", require=require("tier-2"))]).matched == ()
    assert judge(undo, [rule('phase == "undo"', require=require("tier-2"))]).matched
    assert not judge(FACTS, [rule('phase == "undo"', require=require("tier-2"))]).matched


@pytest.mark.parametrize(("others", "asked"), [(2, ()), (3, (Wanted("tier-2"),)), (4, (Wanted("tier-2"),))])
def test_a_limit_asks_once_so_many_other_targets_were_changed(others: int, asked: tuple[Wanted, ...]) -> None:
    limit = rule("true", limit={"targets": 3, "within": "day", **require("tier-2")})
    verdict = judge(facts(count={"hour": 0, "day": others, "week": 9}), [limit])
    assert tuple(seat for each in verdict.matched for seat in each.seats) == asked


def test_a_limit_asks_beyond_what_is_required_anyway() -> None:
    both = rule(
        "true",
        require=require("tier-2"),
        limit={"targets": 1, "within": "hour", **require("tier-2", "tier-2", "asset-owner")},
    )
    (matched,) = judge(facts(count={"hour": 1, "day": 1, "week": 1}), [both]).matched
    assert Counter(each.role for each in matched.seats) == {"tier-2": 2, "asset-owner": 1}


@pytest.mark.parametrize(
    ("at", "zone", "expected"),
    [
        (MONDAY_NOON, "UTC", True),
        (datetime(2026, 11, 28, 12, tzinfo=UTC), "UTC", False),  # a Saturday
        (datetime(2026, 11, 23, 16, 59, tzinfo=UTC), "UTC", True),
        (datetime(2026, 11, 23, 17, 0, tzinfo=UTC), "UTC", False),
        (datetime(2026, 11, 23, 16, 30, tzinfo=UTC), "Europe/Berlin", False),
        (datetime(2026, 7, 20, 7, 30, tzinfo=UTC), "Europe/Berlin", True),  # summer time
        (datetime(2026, 11, 23, 7, 30, tzinfo=UTC), "Europe/Berlin", False),
    ],
)
def test_business_hours_are_told_in_the_zone_of_the_policy(at: datetime, zone: str, expected: bool) -> None:
    freeze = rule("time.business_hours", calendar={"zone": zone}, forbid="Not in business hours.")
    assert bool(judge(facts(at=at), [freeze]).forbidden) is expected


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_calendar_has_an_answer_for_every_moment(at: datetime) -> None:
    calendar = rule(calendar={"zone": "Australia/Lord_Howe"}, forbid="x").policy.calendar
    assert set(calendar.at(at)) == {"weekday", "hour", "minute", "date", "business_hours"}


def test_a_permit_is_bound_to_its_actions_and_leaves_a_freeze_as_it_is() -> None:
    routine = {"until": "2027-01-01T00:00:00Z", "actions": ["edge.block"], "times": 5, "targets": 2}
    freeze = rule(slug="freeze", forbid="There is a freeze.")
    verdict = judge(FACTS, [freeze, rule(slug="routine", permit=routine)])
    assert [each.slug for each in verdict.permits] == ["routine"]
    assert verdict.forbidden
    assert judge(facts(action="edge.other"), [rule(slug="routine", permit=routine)]).permits == ()


def test_a_permit_that_was_retired_permits_nothing_while_other_effects_linger() -> None:
    routine = {"until": "2027-01-01T00:00:00Z", "actions": ["edge.block"], "times": 5, "targets": 2}
    gone = Rule("p", 1, "0" * 64, rule(permit=routine).policy, lingers=True)
    kept = Rule("q", 1, "0" * 64, rule(require=require("tier-2")).policy, lingers=True)
    verdict = judge(FACTS, [gone, kept])
    assert [each.slug for each in verdict.matched] == ["q"]


def test_a_permit_that_cannot_be_evaluated_permits_nothing_and_forbids_nothing() -> None:
    routine = {"until": "2027-01-01T00:00:00Z", "actions": ["edge.block"], "times": 5, "targets": 2}
    assert judge(FACTS, [rule("alert.rule.name == 'x'", permit=routine)]).matched == ()


@pytest.mark.parametrize(
    ("environment", "age", "expected"),
    [
        ("", 10, True),
        ("production", 10, True),
        ("staging", 10, True),
        ("test", 10, False),
        (" Test ", 10, False),
        ("test", 0.9, True),  # days
    ],
)
def test_what_was_not_marked_as_a_test_for_a_day_is_production(
    environment: str, age: float, expected: bool
) -> None:
    assert is_production(environment, MONDAY_NOON - timedelta(days=age), MONDAY_NOON) is expected


def test_explaining_tells_the_values_of_the_condition() -> None:
    explained = condition_values(FACTS, rule('action.effect == "change" && count.day > 2', forbid="x"))
    assert explained == {"action.effect": "change", "count.day": 0}


def permit(action: str, until: str = "2027-01-01T00:00:00Z") -> str:
    return f"permit: {{until: '{until}', actions: [{action}], times: 1, targets: 1}}\n"


def provisional(action: str) -> str:
    caps = f"minutes: 30, targets: 2, actions: [{action}], seats: [{{role: tier-2}}]"
    return f"provisional: {{{caps}}}\n"


def test_a_provisional_is_a_policy_and_its_document_leads_back_to_it() -> None:
    found = check(HEAD + provisional("edge.hold"), roles=ROLES, rotas=(), catalogue=CATALOGUE)
    assert found.problems == ()
    assert found.policy is not None
    assert type(found.policy).model_validate(document_of(found.policy)) == found.policy


LEAVE = {"minutes": 30, "targets": 2, "actions": ["edge.block"], "seats": [{"owner_of": "target"}]}


def test_a_provisional_asks_nobody_beforehand_and_its_seats_afterwards() -> None:
    (matched,) = judge(FACTS, [rule(provisional=LEAVE)]).provisionals
    assert (matched.asks, matched.afterwards) == (False, (Wanted("owner_of:edge-firewall"),))
    assert matched.beforehand.seats == matched.afterwards


@pytest.mark.parametrize(
    "seen", [facts(action="edge.other"), facts(phase="undo"), facts(alert={}, parameters={"hours": 1})]
)
def test_a_provisional_is_for_its_actions_and_for_what_it_can_tell(seen: Facts) -> None:
    when = 'parameters.address != "" && (phase == "undo" || true)'
    assert judge(seen, [rule(when, provisional=LEAVE)]).matched == ()


def test_a_provisional_ends_at_once_and_what_weakens_is_named() -> None:
    given_up = rule(provisional=LEAVE)
    lingering = Rule(given_up.slug, 1, given_up.digest, given_up.policy, lingers=True)
    assert judge(FACTS, [lingering]).matched == ()
    (found,) = governance_of(None, given_up.policy)
    assert (found.severity.value, "taken back after 30 minutes" in found.sentence) == ("weakened", True)
    gone = governance_of(given_up.policy, rule(forbid="x").policy)
    assert ("strengthened", "provisional") in [(each.severity.value, each.key) for each in gone]


def checked(text: str) -> tuple[tuple[int, int, str], ...]:
    found = check(text, roles=ROLES, rotas=["network"], catalogue=CATALOGUE)
    return tuple((each.line, each.column, each.message) for each in found.problems)


def test_a_sound_text_has_no_problems_and_its_document_leads_back_to_it() -> None:
    policy = check(GOOD, roles=ROLES, rotas=["network"], catalogue=CATALOGUE).policy
    assert policy is not None
    assert type(policy).model_validate(document_of(policy)) == policy


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("title:", "titel:", 2, "did you mean 'title'"),
        ("role: tier-2", "role: tier-3", 6, "there is no role 'tier-3', did you mean 'tier-2'?"),
        ("[network-owner]", "[network-owners]", 6, "did you mean 'network-owner'"),
        ("met_by", "met-by", 6, "unknown key 'met-by', did you mean 'met_by'?"),
        ("action.effect", "action.efect", 3, "'action' has no 'efect', did you mean 'effect'?"),
        ("action.effect", "acton.effect", 3, ", did you mean 'action'?"),
        ("when: action", "when: steps.x && action", 3, "unknown name 'steps"),
        ("&&", "&& (", 3, "is no CEL expression"),
        ("role: tier-2", "on_call: netwrok", 6, "there is no rota 'netwrok', did you mean 'network'?"),
        ("{role: tier-2,", "{owner_of: target, on_call: network,", 6, "a seat has exactly one of"),
        ("role: tier-2", "owner_of: alert", 6, "'target'"),
        ("require:", "requires:", 4, "did you mean 'require'"),
        ("policy: change-in-production", "policy: Change", 1, "is no name"),
    ],
)
def test_a_problem_is_told_at_its_place_with_what_was_meant(
    old: str, new: str, line: int, words: str
) -> None:
    problems = checked(GOOD.replace(old, new, 1))
    assert any(at == line and words in message for at, _, message in problems), problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a policy is a mapping"),
        (HEAD, "a policy asks for something"),
        (HEAD + "require: {seats: []}\n", "is empty"),
        (
            HEAD + "forbid: No.\ncalendar: {zone: Europe/Berln}\n",
            "'Europe/Berlin'",
        ),
        (
            HEAD + "forbid: No.\ncalendar: {from: '18:00', to: '08:00'}\n",
            "end after",
        ),
        (
            HEAD + permit("edge.block", "2027-01-01"),
            "is no moment",
        ),
        (
            HEAD + permit("edge.blok", "2027-01-01T00:00:00Z"),
            "did you mean 'edge.block'",
        ),
        (
            HEAD + permit("mail.purge", "2027-01-01T00:00:00Z"),
            "nothing that destroys can be permitted",
        ),
        (
            HEAD + "permit: {actions: [edge.block], times: 1, targets: 1}\n",
            "the key 'until' is missing",
        ),
        (
            HEAD + "forbid: No.\n" + permit("edge.block"),
            "does nothing else",
        ),
        (HEAD + provisional("edge.block"), "no change that can be undone"),
        (HEAD + provisional("mail.purge"), "nothing that destroys"),
        (HEAD + provisional("edge.hld"), "did you mean 'edge.hold'"),
        (HEAD + provisional("edge.hold").replace("tier-2", "tier-3"), "there is no role 'tier-3'"),
        (HEAD + provisional("edge.hold").replace("minutes: 30, ", ""), "the key 'minutes' is missing"),
        (
            HEAD + provisional("edge.hold").replace("minutes: 30", "minutes: 0"),
            "'minutes' has to be at least 1",
        ),
        (HEAD + "forbid: No.\n" + provisional("edge.hold"), "does nothing else"),
        (HEAD + "notify: {to: []}\n", "is empty"),
        (HEAD + "notify: {to: [{role: tier-3}]}\n", "there is no role 'tier-3'"),
        (HEAD + "notify: {to: [{on_call: netwrok}]}\n", "there is no rota 'netwrok'"),
        (HEAD + "notify: {to: [{rule: tier-2}]}\n", "did you mean 'role'"),
        (HEAD + "notify: {to: [{role: tier-2, met_by: [tier-2]}]}\n", "unknown key 'met_by'"),
        (HEAD + "forbid: No.\nforbid: Yes.\n", "given twice"),
    ],
)
def test_a_text_that_cannot_be_a_policy_is_refused(text: str, words: str) -> None:
    assert any(words in message for _, _, message in checked(text)), checked(text)


@given(st.text())
def test_the_check_has_an_answer_for_every_text(text: str) -> None:
    check(text, roles=ROLES, rotas=["network"], catalogue=CATALOGUE)
