"""Step-up through the operations: nothing that was proven once, elsewhere, or by somebody else is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone

from playbooks.domain.stepup import Method, Need, Purpose, need_of, need_of_decision
from playbooks.models import FactorUse, PrincipalKind, StepUp
from playbooks.operations import people, stepup
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Missing, Refused
from tests.cast import Cast
from tests.operations.test_decisions import bodies
from tests.proving import ORIGIN, PASSWORD, code_at, give_code, passkey_of, prove

DIGEST, OTHER = "a" * 64, "b" * 64
OWN = need_of_decision(DIGEST, "approve", "bound")
FRESH = need_of(Purpose.GRANT)


def consumed(need: Need, caller: Caller) -> bool:
    """Whether something that needs this is let through."""
    try:
        with transaction.atomic():
            stepup.require(need, caller=caller)
    except Refused as refusal:
        assert refusal.rule == "not_stepped_up"
        return False
    return True


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    assert refused.value.rule == "not_stepped_up"
    assert refused.value.is_recorded
    return str(refused.value)


def test_a_passkey_proves_what_its_challenge_was_made_of_and_that_once(cast: Cast) -> None:
    tier2 = cast.caller("tier2")
    prove(tier2, OWN)
    for other in (replace(OWN, digest=OTHER), replace(OWN, verdict="deny")):
        assert not consumed(other, tier2)
    assert consumed(OWN, tier2)
    assert not consumed(OWN, tier2)
    (proven,) = bodies("stepup.proven")
    assert (proven["method"], proven["digest"], proven["verdict"]) == ("passkey", DIGEST, "approve")


def test_of_two_who_found_the_same_proof_at_once_one_uses_it(cast: Cast) -> None:
    """Two windows of one session: both have looked before either has used it."""
    tier2, now = cast.caller("tier2"), timezone.now()
    prove(tier2, OWN)
    one, other = (stepup.proof_for(OWN, caller=tier2, now=now + timedelta(seconds=1)) for _ in range(2))
    assert one is not None
    assert one == other
    with transaction.atomic():
        stepup.use(one, OWN, now=now)
    with pytest.raises(Refused, match="used for something else"), transaction.atomic():
        stepup.use(other, OWN, now=now)


def test_a_proof_of_the_last_five_minutes_is_enough_for_what_does_not_destroy(cast: Cast) -> None:
    admin = cast.caller("admin")
    assert not consumed(FRESH, admin)
    prove(admin, FRESH)
    assert consumed(FRESH, admin)
    assert consumed(need_of(Purpose.TOKEN), admin)
    with time_machine.travel(timezone.now() + timedelta(minutes=5, seconds=1)):
        assert not consumed(FRESH, admin)


def test_a_proof_belongs_to_one_session_of_one_person(cast: Cast) -> None:
    prove(cast.caller("tier2"), OWN)
    assert not consumed(OWN, cast.caller("netowner"))
    assert not consumed(OWN, Caller(cast.tier2, session="another session"))
    assert consumed(OWN, cast.caller("tier2"))


def test_case_38_an_assertion_is_not_taken_twice(cast: Cast) -> None:
    tier2, key = cast.caller("tier2"), passkey_of(cast.tier2)
    row = stepup.begin(OWN, caller=tier2)
    signed = key.sign(stepup.options(row, origin=ORIGIN))

    def again(row: StepUp) -> None:
        stepup.prove_by_passkey(row.pk, caller=tier2, origin=ORIGIN, assertion=signed)

    again(row)
    assert "answered before" in refusal(lambda: again(row))
    assert "no answer of a passkey" in refusal(lambda: again(stepup.begin(OWN, caller=tier2)))
    assert StepUp.objects.filter(proven_at__isnull=False).count() == 1


@pytest.mark.parametrize("other", [replace(OWN, digest=OTHER), replace(OWN, verdict="deny")])
def test_case_38_an_assertion_for_another_digest_or_verdict_is_not_taken(cast: Cast, other: Need) -> None:
    tier2, key = cast.caller("tier2"), passkey_of(cast.tier2)
    signed = key.sign(stepup.options(stepup.begin(other, caller=tier2), origin=ORIGIN))
    row = stepup.begin(OWN, caller=tier2)
    refusal(lambda: stepup.prove_by_passkey(row.pk, caller=tier2, origin=ORIGIN, assertion=signed))
    assert not consumed(OWN, tier2)
    assert not consumed(other, tier2)


def test_another_persons_key_proves_nothing(cast: Cast) -> None:
    tier2, theirs = cast.caller("tier2"), passkey_of(cast.netowner)
    passkey_of(cast.tier2)
    row = stepup.begin(OWN, caller=tier2)
    signed = theirs.sign(stepup.options(row, origin=ORIGIN))
    refusal(lambda: stepup.prove_by_passkey(row.pk, caller=tier2, origin=ORIGIN, assertion=signed))
    with pytest.raises(Missing):
        stepup.prove_by_passkey(row.pk, caller=cast.caller("netowner"), origin=ORIGIN, assertion=signed)
    assert not StepUp.objects.filter(proven_at__isnull=False).exists()


def test_a_key_that_was_touched_by_nobody_knows_whom_or_on_another_page_proves_nothing(cast: Cast) -> None:
    tier2, key = cast.caller("tier2"), passkey_of(cast.tier2)
    row = stepup.begin(OWN, caller=tier2)
    options = stepup.options(row, origin=ORIGIN)
    for forged in (
        key.sign(options, is_verified=False),
        key.sign(options, origin="http://testserver.example"),
        {**key.sign(options), "rawId": "AAAA", "id": "AAAA"},
        {},
        {"id": 1, "rawId": None, "response": []},
    ):
        signed = dict(forged)
        refusal(lambda: stepup.prove_by_passkey(row.pk, caller=tier2, origin=ORIGIN, assertion=signed))  # noqa: B023


@pytest.mark.parametrize("late", [timedelta(minutes=5), timedelta(minutes=5, microseconds=1)])
def test_an_answer_after_five_minutes_is_too_late(cast: Cast, any_time: None, late: timedelta) -> None:
    tier2, key = cast.caller("tier2"), passkey_of(cast.tier2)
    row = stepup.begin(OWN, caller=tier2)
    signed = key.sign(stepup.options(row, origin=ORIGIN))
    with time_machine.travel(row.issued_at + late, tick=False):
        said = refusal(lambda: stepup.prove_by_passkey(row.pk, caller=tier2, origin=ORIGIN, assertion=signed))
    assert "too old" in said


def by_code(caller: Caller, code: str, password: str = PASSWORD, need: Need = OWN) -> StepUp:
    row = stepup.begin(need, caller=caller)
    return stepup.prove_by_code(row.pk, caller=caller, password=password, code=code)


def test_case_38_a_code_proves_together_with_the_password_and_is_good_for_once(cast: Cast) -> None:
    tier2 = cast.caller("tier2")
    give_code(cast.tier2)
    code = code_at()
    refusal(lambda: by_code(tier2, code, password="another"))
    refusal(lambda: by_code(tier2, code, password=""))
    by_code(tier2, f" {code[:3]} {code[3:]} ")
    assert consumed(OWN, tier2)
    assert "was used before" in refusal(lambda: by_code(tier2, code))
    assert "was used before" in refusal(lambda: by_code(tier2, code, need=FRESH))


def test_an_older_code_is_not_taken_after_a_newer_one(cast: Cast) -> None:
    tier2 = cast.caller("tier2")
    give_code(cast.tier2)
    older, newer = code_at(timezone.now() - timedelta(seconds=30)), code_at()
    by_code(tier2, newer)
    refusal(lambda: by_code(tier2, older))


def test_case_38_a_code_that_somebody_signed_in_with_is_used_up(cast: Cast) -> None:
    give_code(cast.tier2)
    Authenticator.objects.get(user=cast.tier2).record_usage()
    refusal(lambda: by_code(cast.caller("tier2"), code_at()))


@pytest.mark.parametrize("code", ["", "12345", "١٢٣٤٥٦", "0" * 1000])
def test_what_is_no_code_proves_nothing(cast: Cast, code: str) -> None:
    give_code(cast.tier2)
    refusal(lambda: by_code(cast.caller("tier2"), code))


def test_too_many_failures_lock_whatever_follows_for_a_while(cast: Cast, any_time: None) -> None:
    tier2 = cast.caller("tier2")
    give_code(cast.tier2)
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        for _ in range(5):
            refusal(lambda: by_code(tier2, "000000", password="guess"))
        assert "Too many proofs failed" in refusal(lambda: by_code(tier2, code_at()))
        assert "Too many" not in refusal(lambda: by_code(cast.caller("netowner"), "000000"))
    with time_machine.travel(now + timedelta(minutes=15), tick=False):
        by_code(tier2, code_at())
    assert FactorUse.objects.get(person=cast.tier2).failures == 0
    assert len(bodies("stepup.refused")) == 7
    assert "locked_until" in bodies("stepup.refused")[4]


def test_neither_a_token_nor_a_service_account_nor_a_command_proves_anything(cast: Cast) -> None:
    people.issue_token(cast.tier2, actor=SYSTEM, scopes=["runs"])
    robot = people.create(
        "robot",
        actor=SYSTEM,
        name="Robot",
        password=None,
        kind=PrincipalKind.SERVICE,
        owner=cast.author,
    )
    prove(cast.caller("tier2"), FRESH)
    session = cast.caller("tier2").session
    for caller in (
        Caller(cast.tier2, cast.tier2.tokens.get(), None, session),
        Caller(robot, session="s"),
        Caller(cast.tier2),
    ):
        for act in (stepup.begin, stepup.require):
            with pytest.raises(Refused) as refused, transaction.atomic():
                act(FRESH, caller=caller)
            assert refused.value.rule == "token_not_person"


def test_case_39_whoever_has_no_way_to_prove_it_is_told_which_to_set_up(cast: Cast) -> None:
    """Somebody who signs in through an identity provider that says nothing of when: nothing passes silently."""
    cast.tier2.set_unusable_password()
    cast.tier2.save()
    give_code(cast.tier2)  # which proves nothing without the password
    with pytest.raises(Refused) as refused, transaction.atomic():
        stepup.require(OWN, caller=cast.caller("tier2"))
    assert "set up a passkey or an authenticator app" in str(refused.value)
    assert "is no proof" in str(refused.value)


def test_a_challenge_that_nobody_answered_goes_with_the_next(cast: Cast) -> None:
    tier2 = cast.caller("tier2")
    old = stepup.begin(OWN, caller=tier2)
    kept = prove(tier2, OWN)
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        new = stepup.begin(OWN, caller=tier2)
    assert set(StepUp.objects.values_list("pk", flat=True)) == {kept.pk, new.pk}
    assert old.pk != new.pk


def test_no_secret_is_kept_in_the_clear(cast: Cast) -> None:
    give_code(cast.tier2)
    code = code_at()
    by_code(cast.caller("tier2"), code)
    kept = str(list(StepUp.objects.values())) + str(list(FactorUse.objects.values()))
    said = str(bodies("stepup.proven"))
    for secret in (PASSWORD, f"'{code}'", code_at()):
        assert secret not in kept + said
    assert StepUp.objects.get().method == Method.CODE
