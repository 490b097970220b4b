"""When a notice goes out, by one's own rules: never too early, never in quiet hours, urgent ones always."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.notices import (
    CHOSEN,
    URGENT,
    Medium,
    NoticeKind,
    Rules,
    When,
    after_quiet,
    goes_out,
    next_digest,
)

KIND = NoticeKind.REQUEST_OPENED
ZONES = st.sampled_from(["UTC", "Europe/Vienna", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
MOMENTS = st.integers(1_577_836_800, 2_019_686_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
HOURS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30]))
RULES = st.builds(
    Rules,
    chosen=st.dictionaries(
        st.sampled_from(CHOSEN), st.dictionaries(st.sampled_from(Medium), st.sampled_from(When))
    ),
    digest_minutes=st.integers(5, 1440),
    digest_hour=st.none() | st.integers(0, 23),
    quiet_from=HOURS,
    quiet_until=HOURS,
    zone=ZONES,
)


def is_quiet(rules: Rules, at: datetime) -> bool:
    """Told by walking the clock of the zone, not by the rule under test."""
    assert rules.quiet_from is not None
    assert rules.quiet_until is not None
    shown = at.astimezone(ZoneInfo(rules.zone)).time()
    begin, end = rules.quiet_from, rules.quiet_until
    if begin == end:
        return False
    return (shown >= begin) != (shown >= end) if begin < end else not end <= shown < begin


@given(RULES, st.sampled_from(NoticeKind), st.sampled_from(Medium), MOMENTS)
def test_nothing_goes_out_before_it_came_up_or_long_after(
    rules: Rules, kind: NoticeKind, medium: Medium, now: datetime
) -> None:
    at = goes_out(rules, kind, medium, now)
    assert (at is None) == (rules.when(kind, medium) is When.NEVER)
    assert at is None or now <= at <= now + timedelta(hours=51)


@given(RULES, st.sampled_from(NoticeKind), st.sampled_from(Medium), MOMENTS)
def test_quiet_hours_hold_back_all_but_what_cannot_wait(
    rules: Rules, kind: NoticeKind, medium: Medium, now: datetime
) -> None:
    at = goes_out(rules, kind, medium, now)
    if at is None:
        return
    if kind not in URGENT:
        assert not is_quiet(rules, at)
    elif rules.when(kind, medium) is When.AT_ONCE:
        assert at == now


@given(RULES, MOMENTS)
def test_a_digest_comes_at_the_same_moment_for_all_that_came_up_before_it(
    rules: Rules, now: datetime
) -> None:
    at = next_digest(rules, now)
    assert at > now
    assert next_digest(rules, at - timedelta(microseconds=1)) == at


def test_quiet_hours_are_those_of_the_zone_on_both_sides_of_daylight_saving() -> None:
    rules = Rules(quiet_from=time(22), quiet_until=time(7), zone="Europe/Vienna")
    winter = datetime(2026, 1, 10, 23, 0, tzinfo=UTC)
    summer = datetime(2026, 7, 10, 23, 0, tzinfo=UTC)
    assert after_quiet(rules, winter) == datetime(2026, 1, 11, 6, 0, tzinfo=UTC)
    assert after_quiet(rules, summer) == datetime(2026, 7, 11, 5, 0, tzinfo=UTC)
    assert after_quiet(rules, datetime(2026, 7, 10, 12, 0, tzinfo=UTC)) == datetime(
        2026, 7, 10, 12, 0, tzinfo=UTC
    )


def test_an_end_that_the_clocks_skip_or_show_twice_is_found_all_the_same() -> None:
    rules = Rules(quiet_from=time(23), quiet_until=time(2, 30), zone="Europe/Vienna")
    spring = after_quiet(rules, datetime(2026, 3, 29, 0, 30, tzinfo=UTC))
    autumn = after_quiet(rules, datetime(2026, 10, 25, 1, 10, tzinfo=UTC))  # the second 02:10
    assert spring == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert autumn == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (Rules(digest_minutes=4), "digest_minutes"),
        (Rules(digest_hour=24), "digest_hour"),
        (Rules(quiet_from=time(22)), "quiet_until"),
        (Rules(zone="Middle/Earth"), "zone"),
        (Rules(zone="../../etc/passwd"), "zone"),
    ],
)
def test_what_no_rules_can_have_is_named(rules: Rules, field: str) -> None:
    assert [each for each, _ in rules.errors()] == [field]


def test_by_default_all_comes_at_once_but_the_ends_of_runs() -> None:
    rules = Rules()
    digested = {kind for kind in CHOSEN if rules.when(kind, Medium.EMAIL) is When.DIGEST}
    assert (rules.errors(), digested) == ([], {NoticeKind.RUN_ENDED})
