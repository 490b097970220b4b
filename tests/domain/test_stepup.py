"""Step-up: a proof is young, about exactly what it was given for, and good for once where it has to be."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain import stepup
from playbooks.domain.stepup import (
    FRESH,
    SKEW,
    UNBOUND,
    Method,
    Need,
    Proof,
    Purpose,
    SignIn,
    challenge,
    is_fresh,
    is_met,
    need_of,
    need_of_decision,
)

NOW = datetime(2026, 3, 29, 0, 59, 59, 999999, tzinfo=UTC)  # the night in which clocks in Europe jump
MOMENT = timedelta(microseconds=1)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
NONCES = st.binary(min_size=32, max_size=32)
VERDICTS = st.sampled_from(["approve", "deny", "break_glass", ""])
PROOF = Proof(Method.PASSKEY, Purpose.DECISION, "a" * 64, "approve", NOW, is_used=False)
OWN = need_of_decision("a" * 64, "approve", "bound")


def test_a_challenge_is_the_digest_of_nonce_digest_and_verdict() -> None:
    expected = hashlib.sha256(b"n" * 32 + bytes.fromhex("ab" * 32) + b"approve").digest()
    assert challenge(b"n" * 32, "ab" * 32, "approve") == expected


@given(st.tuples(NONCES, DIGESTS, VERDICTS), st.tuples(NONCES, DIGESTS, VERDICTS))
def test_two_challenges_are_equal_only_when_all_is(
    one: tuple[bytes, str, str], other: tuple[bytes, str, str]
) -> None:
    assert (challenge(*one) == challenge(*other)) == (one == other)


@pytest.mark.parametrize(("nonce", "digest"), [(b"", "a" * 64), (b"n" * 31, "a" * 64), (b"n" * 32, "")])
def test_a_challenge_of_other_lengths_could_read_in_two_ways(nonce: bytes, digest: str) -> None:
    with pytest.raises(ValueError, match="32 bytes each"):
        challenge(nonce, digest, "approve")


@pytest.mark.parametrize(
    ("age", "is_young"),
    [
        (timedelta(0), True),
        (FRESH - MOMENT, True),
        (FRESH, False),
        (FRESH + MOMENT, False),
        (-SKEW, True),
        (-SKEW - MOMENT, False),
    ],
)
def test_a_proof_lasts_five_minutes_to_the_microsecond(age: timedelta, is_young: bool) -> None:
    assert is_fresh(NOW, NOW + age) is is_young


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=2)), st.integers(-12, 14))
def test_no_time_zone_makes_a_proof_older_or_younger(age: timedelta, hours: int) -> None:
    from datetime import timezone

    elsewhere = (NOW + age).astimezone(timezone(timedelta(hours=hours)))
    assert is_fresh(NOW, elsewhere) == (age < FRESH)


def test_what_destroys_needs_a_proof_of_its_own() -> None:
    assert is_met(OWN, PROOF, NOW)
    for other in (
        replace(PROOF, digest="b" * 64),
        replace(PROOF, verdict="deny"),
        replace(PROOF, purpose=Purpose.GRANT),
        replace(PROOF, is_used=True),
        replace(PROOF, at=NOW - FRESH),
    ):
        assert not is_met(OWN, other, NOW)


def test_anything_else_takes_whatever_was_proven_lately() -> None:
    for need in (Need(Purpose.GRANT), Need(Purpose.TOKEN), Need(Purpose.DECISION, "c" * 64, "deny")):
        assert is_met(need, replace(PROOF, is_used=True), NOW)
        assert not is_met(need, replace(PROOF, at=NOW - FRESH), NOW)


def test_breaking_the_glass_always_needs_a_proof_of_its_own() -> None:
    for purpose in (Purpose.BREAK_GLASS, Purpose.SECOND):
        assert need_of(purpose, "a" * 64).is_own
    assert not need_of_decision("a" * 64, "approve", "fresh").is_own
    assert need_of(Purpose.GRANT).digest == UNBOUND


@given(st.lists(st.integers(0, 20)), st.none() | st.integers(0, 20))
def test_a_code_is_accepted_for_a_later_time_step_than_any_before(
    fitting: list[int], last: int | None
) -> None:
    counter = stepup.accepted_counter(fitting, last)
    later = [each for each in fitting if last is None or each > last]
    assert counter == (min(later) if later else None)


def test_five_failures_in_a_row_lock() -> None:
    assert stepup.locked_until(4, NOW) is None
    assert stepup.locked_until(5, NOW) == NOW + timedelta(minutes=15)


TOLD = SignIn("corp", "u-1", "n", NOW)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (TOLD, None),
        (replace(TOLD, signed_in_at=NOW - SKEW), None),
        (replace(TOLD, signed_in_at=NOW - SKEW - MOMENT), "without a new sign-in"),
        (replace(TOLD, signed_in_at=None), "auth_time"),
        (replace(TOLD, nonce="m"), "another sign-in"),
        (replace(TOLD, account="u-2"), "somebody else"),
    ],
)
def test_a_provider_is_believed_a_fresh_sign_in_of_the_same_person_for_this_alone(
    told: SignIn, sentence: str | None
) -> None:
    said = stepup.denies_sign_in(told, nonce="n", issued_at=NOW, accounts=["u-1"])
    assert said is None if sentence is None else sentence in str(said)


def test_whoever_has_no_way_is_told_which_to_set_up() -> None:
    denial = stepup.missing(OWN, [])
    assert denial.rule == "not_stepped_up"
    assert "set up a passkey or an authenticator app" in denial.sentence
    ways = stepup.missing(OWN, [Method.PASSKEY, Method.CODE]).sentence
    assert "your passkey or your password and a code" in ways
