"""Break-glass: every rule alone keeps it from happening, and a review is never late by being forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.break_glass import (
    GLASS_RULES,
    GlassFacts,
    ReviewFacts,
    glass_denials,
    is_in_time,
    review_denials,
    review_due_at,
)

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the night in which an hour comes twice in Europe
FACTS = GlassFacts(
    holder="ann",
    name="Ann",
    is_active=True,
    is_person=True,
    by_token=False,
    may_break=True,
    step_up="bound",
    step_up_method="passkey",
    second="",
    second_name="",
    status="open",
    shown_digest="a",
    current_digest="a",
    reason="It spreads.",
    minutes=30,
    overdue=0,
    used_lately=0,
)
REVIEW = ReviewFacts(
    reviewer="rex",
    is_active=True,
    is_person=True,
    by_token=False,
    may_review=True,
    accounts=frozenset({"rex", "rex-2"}),
    users=frozenset({"ann", "ben"}),
    influential={"ana": "asked for the run"},
    is_reviewed=False,
)
BREACHES = {
    "token_not_person": {"by_token": True},
    "deactivated": {"is_active": False},
    "no_permission": {"may_break": False},
    "closed": {"status": "denied"},
    "stale_digest": {"current_digest": "b"},
    "no_reason": {"reason": " \n"},
    "too_long": {"minutes": 61},
    "second_holder": {"overdue": 1},
    "too_often": {"used_lately": 3},
    "not_stepped_up": {"step_up": "fresh"},
}


def rules(facts: GlassFacts) -> list[str]:
    return [each.rule for each in glass_denials(facts)]


def test_a_holder_with_a_reason_and_a_proof_may() -> None:
    assert rules(FACTS) == []
    assert rules(replace(FACTS, overdue=2, second="ben", second_name="Ben")) == []
    assert rules(replace(FACTS, used_lately=2, minutes=1)) == []
    assert rules(replace(FACTS, minutes=60)) == []


@pytest.mark.parametrize("rule", BREACHES)
def test_each_rule_alone_forbids_it(rule: str) -> None:
    (denial,) = glass_denials(replace(FACTS, **BREACHES[rule]))
    assert denial.rule == rule
    assert denial.sentence.endswith((".", "!"))


def test_every_rule_has_its_case_and_they_are_told_in_order() -> None:
    assert list(BREACHES) == [rule for rule, _ in GLASS_RULES]
    broken = {name: value for each in BREACHES.values() for name, value in each.items()}
    assert rules(replace(FACTS, **broken)) == list(BREACHES)


@pytest.mark.parametrize(
    "facts",
    [
        {"is_person": False},
        {"minutes": 0},
        {"minutes": -5},
        {"overdue": 1, "second": "ann"},
        {"status": "passed"},
        {"status": "granted"},
        {"step_up": ""},
    ],
)
def test_what_comes_near_is_forbidden_too(facts: dict[str, object]) -> None:
    assert len(rules(replace(FACTS, **facts))) == 1  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(sorted(BREACHES)), max_size=4), st.sampled_from(sorted(BREACHES)))
def test_one_more_breach_never_turns_no_into_yes(some: list[str], more: str) -> None:
    before = replace(FACTS, **{name: value for rule in some for name, value in BREACHES[rule].items()})
    after = replace(before, **BREACHES[more])
    assert set(rules(before)) | {more} <= set(rules(after))


def test_the_facts_are_read_as_they_were_written() -> None:
    assert GlassFacts.from_json(FACTS.as_json()) == FACTS
    assert ReviewFacts.from_json(REVIEW.as_json()) == REVIEW
    with pytest.raises(KeyError):
        GlassFacts.from_json({})


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({}, None),
        ({"by_token": True}, "token_not_person"),
        ({"is_person": False}, "token_not_person"),
        ({"is_active": False}, "deactivated"),
        ({"may_review": False}, "no_permission"),
        ({"accounts": frozenset({"rex", "ann"})}, "reviewer_is_user"),
        ({"accounts": frozenset({"ben"})}, "reviewer_is_user"),
        ({"accounts": frozenset({"rex", "ana"})}, "has_influence"),
        ({"is_reviewed": True}, "already_reviewed"),
    ],
)
def test_nobody_reviews_what_they_have_a_hand_in(facts: dict[str, object], rule: str | None) -> None:
    found = [each.rule for each in review_denials(replace(REVIEW, **facts))]  # type: ignore[arg-type]
    assert found == ([rule] if rule else [])


@given(
    st.none() | st.timedeltas(min_value=timedelta(days=-5), max_value=timedelta(days=5)),
)
def test_a_review_is_due_a_day_after_the_case_and_three_days_after_at_the_latest(
    after: timedelta | None,
) -> None:
    ended = None if after is None else NOW + after
    due = review_due_at(NOW, ended)
    assert NOW + timedelta(hours=24) <= due <= NOW + timedelta(hours=72)
    if ended is not None and NOW <= ended <= NOW + timedelta(hours=48):
        assert due == ended + timedelta(hours=24)


def test_the_time_is_over_at_its_very_end() -> None:
    assert is_in_time(NOW, NOW - timedelta(microseconds=1))
    assert not is_in_time(NOW, NOW)
