"""The duty rules through the operations: who may not decide, and that "no" never becomes "yes" by less."""

from __future__ import annotations

import pytest

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.models import ApprovalRequest, Attempt, Principal, PrincipalKind, Token
from playbooks.operations import approvals, people, playbooks, runs
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Refused
from tests.cast import ATTACKER, BLOCK, Cast, connect, publish, start


@pytest.fixture
def request_at_gate(cast: Cast) -> ApprovalRequest:
    connect(cast)
    publish(cast)
    run = start(cast)
    executor.drive(run.pk, worker="test")
    return run.requests.get()


def rules(request: ApprovalRequest, caller: Caller, verdict: Verdict = Verdict.APPROVE) -> list[str]:
    """The rules that forbid the decision; none when it is made."""
    try:
        approvals.decide(
            request.pk, caller=caller, verdict=verdict, shown_digest=request.digest, comment="Because."
        )
    except Refused as refusal:
        return [denial.rule for denial in refusal.denials]
    return []


def token_of(person: Principal) -> Token:
    people.issue_token(person, actor=SYSTEM, scopes=["runs"])
    return person.tokens.get()


def test_a_token_decides_nothing_even_of_somebody_entitled(
    cast: Cast, request_at_gate: ApprovalRequest
) -> None:
    caller = Caller(cast.tier2, token=token_of(cast.tier2))
    for verdict in (Verdict.APPROVE, Verdict.DENY):
        assert rules(request_at_gate, caller, verdict) == ["token_not_person"]


@pytest.mark.parametrize(("owner", "also"), [("compliance", []), ("analyst", ["same_person_other_account"])])
def test_a_service_account_decides_nothing_even_with_the_role(
    cast: Cast, request_at_gate: ApprovalRequest, owner: str, also: list[str]
) -> None:
    robot = people.create(
        "robot",
        actor=SYSTEM,
        name="Robot",
        password="only-for-tests",
        roles=["tier-2"],
        kind=PrincipalKind.SERVICE,
        owner=getattr(cast, owner),
    )
    assert rules(request_at_gate, Caller(robot)) == ["token_not_person", *also]


@pytest.mark.parametrize("roles", [[], ["administrator"], ["analyst", "publisher", "compliance-officer"]])
def test_a_superuser_has_no_seat_by_being_one(
    cast: Cast, request_at_gate: ApprovalRequest, roles: list[str]
) -> None:
    for role in roles:
        people.grant(cast.admin, role, actor=SYSTEM, granted_by=None)
    assert rules(request_at_gate, Caller(cast.admin)) == ["not_in_seat"]


def test_a_superuser_who_asked_for_it_may_not_approve_it_either(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    people.grant(cast.admin, "tier-2", actor=SYSTEM, granted_by=None)
    run = runs.start("block-attacker", caller=cast.caller("admin"), inputs={"address": ATTACKER})
    executor.drive(run.pk, worker="test")
    assert rules(run.requests.get(), Caller(cast.admin)) == ["own_request"]


def test_whoever_asked_by_a_token_asked(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    people.grant(cast.tier2, "analyst", actor=SYSTEM, granted_by=None)
    caller = Caller(cast.tier2, token=token_of(cast.tier2))
    run = runs.start("block-attacker", caller=caller, inputs={"address": ATTACKER})
    executor.drive(run.pk, worker="test")
    assert rules(run.requests.get(), Caller(cast.tier2)) == ["own_request"]


def test_an_author_of_an_earlier_draft_that_nobody_reviewed_is_an_author(cast: Cast) -> None:
    connect(cast)
    people.grant(cast.tier2, "author", actor=SYSTEM, granted_by=None)
    playbooks.draft(BLOCK, caller=cast.caller("tier2"))
    publish(cast, BLOCK.replace("24 hours", "one day"))
    run = start(cast)
    executor.drive(run.pk, worker="test")
    assert rules(run.requests.get(), Caller(cast.tier2)) == ["own_playbook"]
    assert rules(run.requests.get(), Caller(cast.author)) == ["own_playbook", "not_in_seat"]


def test_a_deactivated_person_is_refused_whatever_the_session_remembers(
    cast: Cast, request_at_gate: ApprovalRequest
) -> None:
    remembered = Caller(Principal.objects.get(pk=cast.tier2.pk))
    people.deactivate(cast.tier2, actor=SYSTEM)
    assert remembered.principal.is_active
    assert rules(request_at_gate, remembered)[0] == "deactivated"


def test_a_role_that_was_taken_is_gone_at_once(cast: Cast, request_at_gate: ApprovalRequest) -> None:
    people.revoke(cast.tier2, "tier-2", actor=SYSTEM)
    assert rules(request_at_gate, Caller(cast.tier2)) == ["not_in_seat"]


def test_one_person_with_both_roles_fills_one_seat(cast: Cast, request_at_gate: ApprovalRequest) -> None:
    people.grant(cast.tier2, "network-owner", actor=SYSTEM, granted_by=None)
    assert rules(request_at_gate, Caller(cast.tier2)) == []
    request_at_gate.refresh_from_db()
    assert request_at_gate.status == RequestStatus.OPEN
    assert rules(request_at_gate, Caller(cast.netowner)) == []
    request_at_gate.refresh_from_db()
    assert request_at_gate.status == RequestStatus.GRANTED
    seats = dict(request_at_gate.seats.values_list("role", "filled_by"))
    assert seats == {"tier-2": cast.tier2.pk, "network-owner": cast.netowner.pk}


def test_a_second_person_of_the_same_role_finds_the_seat_taken(
    cast: Cast, request_at_gate: ApprovalRequest
) -> None:
    people.grant(cast.outsider, "tier-2", actor=SYSTEM, granted_by=None)
    assert rules(request_at_gate, Caller(cast.tier2)) == []
    assert rules(request_at_gate, Caller(cast.outsider)) == ["seat_taken"]


def test_whoever_came_first_moves_over_when_only_that_seats_both(
    cast: Cast, request_at_gate: ApprovalRequest
) -> None:
    people.grant(cast.netowner, "tier-2", actor=SYSTEM, granted_by=None)
    people.grant(cast.outsider, "tier-2", actor=SYSTEM, granted_by=None)
    assert rules(request_at_gate, Caller(cast.netowner)) == []
    assert rules(request_at_gate, Caller(cast.outsider)) == []
    request_at_gate.refresh_from_db()
    assert request_at_gate.status == RequestStatus.GRANTED


@pytest.mark.parametrize("change", ["unrelated role", "removed member", "denial"])
@pytest.mark.parametrize("who", ["analyst", "author", "admin", "outsider", "compliance", "publisher"])
def test_no_never_becomes_yes_by_less(
    cast: Cast, request_at_gate: ApprovalRequest, who: str, change: str
) -> None:
    before = rules(request_at_gate, cast.caller(who))
    assert before
    if change == "unrelated role":
        people.grant(getattr(cast, who), "asset-owner", actor=SYSTEM, granted_by=None)
    elif change == "removed member":
        people.deactivate(cast.tier2, actor=SYSTEM)
    else:
        assert rules(request_at_gate, cast.caller("netowner"), Verdict.DENY) == []
    assert set(before) <= set(rules(request_at_gate, cast.caller(who)))


def test_a_role_by_the_requesters_gift_fills_no_seat_for_those_who_come_later(
    cast: Cast, request_at_gate: ApprovalRequest
) -> None:
    """By the gift the network owner would move over, and make room for a second network owner."""
    people.grant(cast.netowner, "tier-2", actor=SYSTEM, granted_by=cast.analyst)
    people.grant(cast.outsider, "network-owner", actor=SYSTEM, granted_by=None)
    assert rules(request_at_gate, Caller(cast.netowner)) == []
    assert rules(request_at_gate, Caller(cast.outsider)) == ["seat_taken"]


def test_a_role_that_the_requester_gives_back_no_longer_carries_the_approval_to_the_run(
    cast: Cast, request_at_gate: ApprovalRequest
) -> None:
    for person in (cast.tier2, cast.netowner):
        assert rules(request_at_gate, Caller(person)) == []
    people.revoke(cast.tier2, "tier-2", actor=SYSTEM)
    people.grant(cast.tier2, "tier-2", actor=SYSTEM, granted_by=cast.analyst)
    executor.drive(request_at_gate.run_id, worker="test")
    request_at_gate.refresh_from_db()
    assert request_at_gate.status == RequestStatus.VOIDED
    assert not Attempt.objects.filter(step__run=request_at_gate.run_id, step__key="block").exists()
