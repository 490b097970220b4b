"""Delegations: a person names a substitute for a while; it gives no right, makes no chain, and ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.utils import timezone

from playbooks import executor
from playbooks.access.delegations import in_force, substitutes_for
from playbooks.access.history import COOLING
from playbooks.models import ApprovalRequest, Delegation, PrincipalKind, Token
from playbooks.models.audit import AuditEntry
from playbooks.operations import delegations, people
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.delegations import LONGEST, Period
from playbooks.operations.refusals import Invalid, Missing, Refused
from tests.cast import Cast
from tests.operations.test_withdrawals import at_the_gate, decide, replayed
from tests.proving import proven

DAY = timedelta(days=1)


def name(
    cast: Cast, person: str, substitute: str, *, begins: timedelta = timedelta(), lasts: timedelta = DAY
) -> Delegation:
    begins_at = timezone.now() + begins
    return delegations.name(
        substitute,
        caller=proven(cast.caller(person)),
        period=Period(begins_at, begins_at + lasts),
        reason="On leave.",
    )


def stands_in(cast: Cast, substitute: str, now: datetime | None = None) -> set[str]:
    """Whom the substitute stands in for, by username."""
    person = getattr(cast, substitute)
    found = substitutes_for([person.pk], now or timezone.now())[person.pk]
    return {each for each in cast.__slots__ if str(getattr(cast, each).pk) in found}


def test_a_substitute_stands_in_from_the_beginning_until_the_end_of_the_period(cast: Cast) -> None:
    row = name(cast, "tier2", "netowner", begins=timedelta(hours=1))
    tick = timedelta(microseconds=1)
    assert stands_in(cast, "netowner", row.begins_at - tick) == set()
    assert stands_in(cast, "netowner", row.begins_at) == {"tier2"}
    assert in_force(row.ends_at - tick).get() == row
    assert not in_force(row.ends_at).exists()
    assert stands_in(cast, "tier2", row.begins_at) == set()


def test_whoever_stood_in_counts_as_standing_in_for_a_day_more(cast: Cast) -> None:
    """So that nobody ends a delegation in order to decide what it forbids."""
    row = name(cast, "tier2", "netowner", lasts=timedelta(hours=1))
    delegations.end(row.pk, caller=cast.caller("netowner"))
    row.refresh_from_db()
    assert stands_in(cast, "netowner") == {"tier2"}
    assert stands_in(cast, "netowner", row.ends_at + COOLING) == set()


def test_one_that_is_called_off_before_it_begins_never_was(cast: Cast) -> None:
    row = name(cast, "tier2", "netowner", begins=DAY)
    delegations.end(row.pk, caller=cast.caller("tier2"))
    assert stands_in(cast, "netowner", row.begins_at + timedelta(hours=1)) == set()


@pytest.mark.parametrize("person", ["tier2", "netowner"])
def test_either_of_the_two_ends_it_and_nobody_else_does(cast: Cast, person: str) -> None:
    row = name(cast, "tier2", "netowner")
    for other in ("analyst", "admin", "outsider"):
        with pytest.raises(Refused) as refusal:
            delegations.end(row.pk, caller=cast.caller(other))
        assert refusal.value.rule == "delegation_of_others"
    assert delegations.end(row.pk, caller=cast.caller(person)).ended_by == getattr(cast, person)
    with pytest.raises(Refused) as refusal:
        delegations.end(row.pk, caller=cast.caller(person))
    assert refusal.value.rule == "delegation_over"


def test_case_17_a_chain_is_refused_at_either_end(cast: Cast) -> None:
    name(cast, "tier2", "netowner")
    for person, substitute in (("netowner", "analyst"), ("author", "tier2")):
        with pytest.raises(Refused) as refusal:
            name(cast, person, substitute)
        assert refusal.value.rule == "chained_delegation"
    assert Delegation.objects.count() == 1


def test_two_who_stand_in_one_after_the_other_make_no_chain(cast: Cast) -> None:
    name(cast, "tier2", "netowner")
    name(cast, "netowner", "tier2", begins=2 * DAY)
    name(cast, "tier2", "analyst")
    assert Delegation.objects.count() == 3


def test_the_same_substitute_is_not_named_twice_for_the_same_time(cast: Cast) -> None:
    name(cast, "tier2", "netowner")
    with pytest.raises(Refused) as refusal:
        name(cast, "tier2", "netowner", begins=DAY / 2)
    assert refusal.value.rule == "delegated_already"


def test_case_15_a_service_account_a_deactivated_person_and_oneself_stand_in_for_nobody(cast: Cast) -> None:
    people.create(
        "robot",
        actor=SYSTEM,
        name="Robot",
        password="only-for-tests",
        roles=["tier-2"],
        kind=PrincipalKind.SERVICE,
        owner=cast.admin,
    )
    people.deactivate(cast.netowner, actor=SYSTEM)
    for substitute in ("robot", "netowner", "tier2"):
        with pytest.raises(Refused) as refusal:
            name(cast, "tier2", substitute)
        assert refusal.value.rule == "substitute_not_a_person"


def test_no_token_and_no_service_account_names_anybody(cast: Cast) -> None:
    people.issue_token(cast.tier2, actor=SYSTEM, scopes=["read", "runs"])
    robot = people.create(
        "robot",
        actor=SYSTEM,
        name="Robot",
        password="only-for-tests",
        roles=["tier-2"],
        kind=PrincipalKind.SERVICE,
        owner=cast.admin,
    )
    period = Period(timezone.now(), timezone.now() + DAY)
    for caller in (Caller(cast.tier2, token=Token.objects.get()), Caller(robot)):
        with pytest.raises(Refused) as refusal:
            delegations.name("netowner", caller=caller, period=period, reason="Away.")
        assert refusal.value.rule == "token_not_person"


def test_the_outsider_names_nobody(cast: Cast) -> None:
    with pytest.raises(Refused) as refusal:
        name(cast, "outsider", "tier2")
    assert refusal.value.rule == "no_permission"


@pytest.mark.parametrize(
    ("begins", "lasts", "pointer"),
    [
        (-timedelta(hours=1), DAY, "/begins_at"),
        (timedelta(), timedelta(), "/ends_at"),
        (timedelta(), -DAY, "/ends_at"),
        (timedelta(), LONGEST + DAY, "/ends_at"),
    ],
)
def test_a_period_that_cannot_be_is_invalid(
    cast: Cast, begins: timedelta, lasts: timedelta, pointer: str
) -> None:
    with pytest.raises(Invalid) as invalid:
        name(cast, "tier2", "netowner", begins=begins, lasts=lasts)
    assert [at for at, _ in invalid.value.errors] == [pointer]


def test_a_form_that_was_filled_in_slowly_begins_now(cast: Cast) -> None:
    with time_machine.travel(timezone.now(), tick=False):
        row = name(cast, "tier2", "netowner", begins=-timedelta(minutes=1))
        assert row.begins_at == timezone.now()


def test_an_unknown_name_and_an_unknown_delegation_are_missing(cast: Cast) -> None:
    with pytest.raises(Missing):
        name(cast, "tier2", "nobody")
    with pytest.raises(Missing):
        delegations.end(uuid4(), caller=cast.caller("tier2"))


def test_naming_and_ending_are_in_the_log_of_the_person(cast: Cast) -> None:
    row = name(cast, "tier2", "netowner")
    delegations.end(row.pk, caller=cast.caller("netowner"))
    entries = AuditEntry.objects.filter(subject_id=str(row.pk)).order_by("pk")
    assert [(each.verb, each.actor_label, each.stream.key) for each in entries] == [
        ("delegation.named", "Tier2", str(cast.tier2.pk)),
        ("delegation.ended", "Netowner", str(cast.tier2.pk)),
    ]


def rules(cast: Cast, name: str, request: ApprovalRequest) -> list[str]:
    """The rules that forbid the person to approve; none when it is done."""
    try:
        decide(cast, name, request)
    except Refused as refusal:
        return [each.rule for each in refusal.denials]
    return []


def test_case_15_whoever_stands_in_for_the_requester_decides_nothing_of_theirs(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    name(cast, "analyst", "tier2")
    assert rules(cast, "tier2", request) == ["delegate_of_requester"]
    delegations.end(Delegation.objects.get().pk, caller=cast.caller("tier2"))
    assert rules(cast, "tier2", request) == ["delegate_of_requester"]
    assert not request.decisions.exists()


def test_case_15_a_delegation_to_the_requester_gives_the_requester_nothing(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    name(cast, "tier2", "analyst")
    assert rules(cast, "analyst", request) == ["own_request", "not_in_seat"]


def test_a_substitute_without_the_role_decides_nothing(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    name(cast, "tier2", "compliance")
    assert rules(cast, "compliance", request) == ["not_in_seat"]


def test_case_16_nobody_decides_for_themselves_and_as_a_substitute(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    people.grant(cast.netowner, "tier-2", actor=SYSTEM, granted_by=None)
    name(cast, "tier2", "netowner")
    assert rules(cast, "netowner", request) == []
    assert rules(cast, "netowner", request) == ["already_decided"]
    request.refresh_from_db()
    assert (request.status, request.decisions.count()) == ("open", 1)


def test_case_16_a_substitute_adds_nothing_to_what_the_person_decided(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    name(cast, "tier2", "netowner")
    assert rules(cast, "tier2", request) == []
    assert rules(cast, "netowner", request) == ["already_decided"]


def test_a_substitute_with_the_role_decides_in_their_own_name(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    people.grant(cast.outsider, "tier-2", actor=SYSTEM, granted_by=None)
    name(cast, "tier2", "outsider")
    assert rules(cast, "outsider", request) == []
    assert request.decisions.get().person == cast.outsider
    assert request.decisions.get().facts["decider"]["stands_in_for"] == {str(cast.tier2.pk): "Tier2"}
    decide(cast, "netowner", request)
    executor.drive(run.pk, worker="test")
    assert replayed(run).approved_actions == 1


def test_an_approver_who_comes_to_stand_in_for_the_requester_before_it_runs_has_not_approved(
    cast: Cast,
) -> None:
    run, request = at_the_gate(cast)
    for person in ("tier2", "netowner"):
        decide(cast, person, request)
    name(cast, "analyst", "tier2")
    executor.drive(run.pk, worker="test")
    request.refresh_from_db()
    run.refresh_from_db()
    assert (request.status, run.status) == ("voided", "waiting")
