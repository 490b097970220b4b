"""The sentence on the wall, against everything that people may do in any order: no step behind a gate ran without a
valid quorum of distinct, entitled people, none of whom asked for it, over exactly the bytes that ran.

What is valid is worked out here from the rows alone and by brute force, not with the code under test. At each
decision the oracle of tests/domain/oracle.py has to say the same as the operation: the rules that forbid it, what
becomes of the request, who sits.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.models import (
    ApprovalRequest,
    Attempt,
    Connection,
    Consumption,
    Delegation,
    Membership,
    Principal,
    Step,
)
from playbooks.models.decisions import Decision, Withdrawal
from playbooks.operations import approvals, connections, delegations, people, runs, stopping, withdrawals
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Missing, Refused
from tests.cast import ATTACKER, Cast, connect, publish
from tests.databases import rolled_back, take_down
from tests.domain import oracle
from tests.domain.oracle import Held, Vote, World
from tests.proving import proven

GUARDED = """\
playbook: guarded
title: Guarded
inputs:
  address: {type: ip}
steps:
  - id: gate
    approve: Block ${ inputs.address }?
    deny: DENIALS
    seats: [{role: tier-2}, {role: network-owner}]
    within: 30m
  - id: left
    needs: [gate]
    do: nftables.block_address
    using: edge-firewall
    with: {address: "${ inputs.address }", hours: 24}
  - id: right
    needs: [gate]
    do: nftables.block_address
    using: edge-firewall
    with: {address: 198.51.100.7, hours: 1}
  - id: pause
    needs: [left]
    wait: {for: 10m}
  - id: last
    do: nftables.block_address
    using: edge-firewall
    with: {address: 198.51.100.8, hours: 2}
"""
SEATS = ["tier-2", "network-owner"]
# The analyst asked for the run and the author wrote it: both hold a role that fits, and neither may decide.
TIER_2 = ["tier2", "analyst", "outsider", "admin"]
OWNERS = ["netowner", "author", "outsider", "admin"]
WHO = st.sampled_from(sorted({*TIER_2, *OWNERS}))
FITTING = st.sampled_from([("tier2", "tier-2"), ("netowner", "network-owner"), ("outsider", "tier-2")])
ROLES = st.sampled_from(["tier-2", "network-owner", "asset-owner"])


def entitled(person: UUID) -> set[str]:
    """The roles that somebody active holds."""
    held = Membership.objects.filter(principal=person, principal__is_active=True)
    return set(held.values_list("group__name", flat=True))


def world_of(request: ApprovalRequest) -> World:
    """The world of the oracle, read from the rows."""
    run = request.run
    active = Principal.objects.filter(is_active=True).values_list("pk", flat=True)
    hands = {str(run.requested_by_id), str(run.version.author_id)}
    held = Membership.objects.values_list("principal", "group__name")
    named = Delegation.objects.values_list("substitute", "person", "ends_at", "person__is_active")
    pairs = {
        (str(who), str(whom)): ends_at > timezone.now() and is_active
        for who, whom, ends_at, is_active in named
    }
    is_stale = request.status == RequestStatus.OPEN and has_changed(request)
    return World(
        seats=tuple(SEATS),
        active=frozenset(str(person) for person in active),
        held=frozenset(Held(str(each), role, giver_of(each, role, hands)) for each, role in held),
        asked_by=frozenset({str(run.requested_by_id)}),
        written_by=frozenset({str(run.version.author_id)}),
        substitutes=frozenset(pair for pair, is_now in pairs.items() if is_now),
        were_substitutes=frozenset(pair for pair, is_now in pairs.items() if not is_now),
        runs="something else" if is_stale else request.digest,
        shown=request.digest,
        status=request.status,
        votes=votes_of(request),
        denials_to_end=request.denials_to_end,
    )


def giver_of(person: UUID, role: str, hands: set[str]) -> str:
    """Whoever of those with a hand in it, or the person themselves, gave the role, or gave it to who gave it on."""
    found: set[UUID] = {person}
    givers: set[UUID] = set()
    while found - givers:
        gifts = Membership.history.filter(principal__in=found, group__name=role, granted_by__isnull=False)
        givers, found = found, found | set(gifts.values_list("granted_by", flat=True))
    own = Membership.history.filter(principal__in=found, group__name=role, granted_by=person).exists()
    upstream = {str(each) for each in found - {person}} & hands
    return str(person) if own else min(upstream, default="")


def votes_of(request: ApprovalRequest) -> tuple[Vote, ...]:
    decisions = Decision.objects.filter(request=request).order_by("decided_at", "pk")
    taken_back = set(Withdrawal.objects.filter(decision__in=decisions).values_list("decision", flat=True))
    return tuple(Vote(str(each.person_id), each.verdict, each.pk in taken_back) for each in decisions)


def has_changed(request: ApprovalRequest) -> bool:
    """Whether a connection was changed by which something is still to run."""
    return any(
        item["connection"]["revision"] != Connection.objects.get(pk=item["connection"]["id"]).revision
        for item in json.loads(request.subject)["covered"]
        if not Attempt.objects.filter(step__run=request.run, step__key=item["step"]).exists()
    )


def assert_seated(request: ApprovalRequest, world: World) -> None:
    """Who has a seat by the rows sits as the oracle would have it."""
    filled = request.seats.filter(filled_by__isnull=False).values_list("position", "filled_by")
    assert {position: str(person) for position, person in filled} in oracle.seatings(
        world, oracle.sitting(world)
    )


def is_quorum(people: list[set[str]], seats: list[str]) -> bool:
    """Whether different people can sit on all seats, tried in every order."""
    return any(
        all(seat in roles for seat, roles in zip(seats, order, strict=True))
        for order in permutations(people, len(seats))
    )


def assert_was_covered(attempt: Attempt) -> None:
    """Some granted request shows the very bytes that were sent, and people who may have filled its seats."""
    step = attempt.step
    consumed = Consumption.objects.filter(step=step).select_related("request").order_by("-request__opened_at")
    assert consumed, f"{step.key} ran without an approval."
    request = consumed[0].request
    about = json.loads(request.subject)
    assert hashlib.sha256(request.subject.encode()).hexdigest() == request.digest
    (item,) = [each for each in about["covered"] if each["step"] == step.key]
    assert json.dumps(item["parameters"], sort_keys=True) == json.dumps(attempt.parameters, sort_keys=True)
    assert item["action"] == step.action
    assert item["connection"]["id"] == str(attempt.connection_id)
    assert item["connection"]["revision"] == attempt.connection_revision
    assert item["simulated"] == attempt.is_simulated
    assert (about["run"], about["version"]) == (str(step.run_id), step.run.version.digest)
    standing = Decision.objects.filter(request=request, withdrawal=None)
    assert standing.filter(verdict="deny").count() < request.denials_to_end
    decisions = list(standing.filter(verdict="approve"))
    assert {each.digest for each in decisions} == {request.digest}
    assert len({each.person_id for each in decisions}) == len(decisions)
    assert step.run.requested_by_id not in {each.person_id for each in decisions}
    assert step.run.version.author_id not in {each.person_id for each in decisions}
    assert about["seats"] == SEATS
    assert is_quorum([entitled(each.person_id) for each in decisions], SEATS)


class Approvals(RuleBasedStateMachine):
    """One run behind a gate of two seats, and six people who may do anything."""

    cast: Cast

    def __init__(self) -> None:
        super().__init__()
        self.rollback = rolled_back()
        self.rollback.__enter__()
        self.seen: set[UUID] = set()
        self.skew = timedelta()
        caller = self.cast.caller("analyst")
        self.run = runs.start("guarded", caller=caller, inputs={"address": ATTACKER})

    def teardown(self) -> None:
        self.rollback.__exit__(None, None, None)

    def newest(self) -> ApprovalRequest:
        return self.run.requests.latest("opened_at", "pk")

    @rule(
        who=WHO, verdict=st.sampled_from([Verdict.APPROVE] * 5 + [Verdict.DENY]), is_stale=st.integers(0, 5)
    )
    def decide(self, who: str, verdict: Verdict, is_stale: int) -> None:
        request = self.newest()
        shown = "0" * 64 if is_stale == 0 else request.digest
        world, person = world_of(request), str(getattr(self.cast, who).pk)
        forbidden = oracle.refusals(world, person, verdict.value, seen=shown)
        try:
            approvals.decide(
                request.pk,
                caller=self.cast.caller(who),
                verdict=verdict,
                shown_digest=shown,
                comment="No." if verdict is Verdict.DENY else "",
            )
        except Refused as refusal:
            assert [denial.rule for denial in refusal.denials] == forbidden
            status = "voided" if world.runs != world.shown else world.status
            assert facts_of(request) == (status, len(world.votes))
        else:
            assert forbidden == []
            after = oracle.decide(world, person, verdict.value)
            assert facts_of(request) == (after.status, len(after.votes))
            if verdict is Verdict.APPROVE:
                assert_seated(request, after)

    @rule(who=WHO, data=st.data())
    def decide_on_an_old_request(self, who: str, data: st.DataObject) -> None:
        closed = list(self.run.requests.exclude(status=RequestStatus.OPEN).order_by("opened_at"))
        if closed:
            old = data.draw(st.sampled_from(closed))
            person = str(getattr(self.cast, who).pk)
            with pytest.raises(Refused) as refused:
                approvals.decide(
                    old.pk, caller=self.cast.caller(who), verdict=Verdict.APPROVE, shown_digest=old.digest
                )
            forbidden = oracle.refusals(world_of(old), person, "approve", seen=old.digest)
            assert [denial.rule for denial in refused.value.denials] == forbidden

    @rule()
    def reconfigure(self) -> None:
        connections.configure(
            "edge-firewall",
            caller=self.cast.caller("admin"),
            connector="nftables",
            settings={},
            secrets={},
            environment="production",
            is_simulated=True,
        )

    @rule(who=WHO, role=ROLES, giver=st.sampled_from(["", "admin", "analyst", "author"]))
    def grant(self, who: str, role: str, giver: str) -> None:
        by = getattr(self.cast, giver) if giver else None
        people.grant(getattr(self.cast, who), role, actor=SYSTEM, granted_by=by)

    @rule(who=WHO)
    def take_back(self, who: str) -> None:
        request = self.newest()
        after = oracle.take_back(world_of(request), str(getattr(self.cast, who).pk))
        try:
            withdrawals.withdraw_decision(request.pk, caller=self.cast.caller(who), reason="I misread it.")
        except Refused as refusal:
            assert refusal.rule in {"nothing_to_withdraw", "closed"}
        else:
            assert_seated(request, after)
        assert votes_of(request) == after.votes

    @rule(who=st.sampled_from(["analyst", "tier2"]), substitute=st.sampled_from(["netowner", "outsider"]))
    def name_a_substitute_or_no_more(self, who: str, substitute: str) -> None:
        caller, now = self.cast.caller(who), timezone.now()
        person = getattr(self.cast, substitute)
        try:
            for row in Delegation.objects.filter(person=caller.principal, substitute=person, ends_at__gt=now):
                delegations.end(row.pk, caller=caller)
                return
            week = delegations.Period(now, now + timedelta(days=7))
            delegations.name(substitute, caller=proven(caller), period=week, reason="Away.")
        except Refused:
            return

    @rule(membership=FITTING)
    def revoke(self, membership: tuple[str, str]) -> None:
        who, role = membership
        try:
            people.revoke(getattr(self.cast, who), role, actor=SYSTEM)
        except Missing:
            return

    @rule(who=st.sampled_from(["tier2", "netowner", "outsider", "author"]), sure=st.integers(0, 2))
    def deactivate(self, who: str, sure: int) -> None:
        if sure == 0:
            people.deactivate(getattr(self.cast, who), actor=SYSTEM)

    @precondition(lambda self: not self.seen)
    @rule(sure=st.integers(0, 3))
    def cancel(self, sure: int) -> None:
        try:
            if sure == 0:
                stopping.cancel(self.run.pk, caller=Caller(self.cast.tier2))
        except Refused as refusal:
            assert refusal.rule in {"run_not_cancellable", "no_permission"}

    @rule(minutes=st.sampled_from([0, 11, 40]))
    def wait(self, minutes: int) -> None:
        self.skew += timedelta(minutes=minutes)
        executor.sweep(now=timezone.now() + self.skew)

    @rule(first=st.sampled_from(TIER_2), second=st.sampled_from(OWNERS))
    def approve_by_two(self, first: str, second: str) -> None:
        for who in (first, second):
            self.decide(who, Verdict.APPROVE, 1)

    @rule(membership=FITTING)
    def lose_a_role_after_the_approval(self, membership: tuple[str, str]) -> None:
        self.approve_by_two("tier2", "netowner")
        self.revoke(membership)
        self.drive()

    @rule()
    def drive(self) -> None:
        executor.drive(self.run.pk, worker="test")
        for attempt in Attempt.objects.filter(step__run=self.run).exclude(pk__in=self.seen):
            assert_was_covered(attempt)
            self.seen.add(attempt.pk)

    @invariant()
    def nothing_ran_beside_a_drive(self) -> None:
        assert set(Attempt.objects.values_list("pk", flat=True)) == self.seen

    @invariant()
    def a_gate_has_one_request_in_force_and_a_denial_opens_none(self) -> None:
        gate = Step.objects.get(run=self.run, key="gate")
        in_force = self.run.requests.filter(status__in=["open", "granted", "consumed"])
        assert in_force.count() <= 1
        for request in self.run.requests.filter(status__in=["granted", "consumed"]):
            denials = Decision.objects.filter(request=request, verdict="deny", withdrawal=None)
            assert denials.count() < request.denials_to_end
            assert gate.status == "succeeded"

    @invariant()
    def everything_that_waits_says_for_what_and_can_be_decided(self) -> None:
        waiting = Step.objects.filter(run=self.run, wait_reason="approval")
        if waiting.exists():
            assert self.run.requests.filter(status=RequestStatus.OPEN).count() == 1


def facts_of(request: ApprovalRequest) -> tuple[str, int]:
    row = ApprovalRequest.objects.get(pk=request.pk)
    return row.status, row.decisions.count()


@pytest.mark.parametrize("denials_to_end", [1, 2])
def test_no_step_ran_without_a_valid_quorum_over_exactly_the_bytes_that_ran(
    cast: Cast, denials_to_end: int
) -> None:
    connect(cast)
    publish(cast, GUARDED.replace("DENIALS", str(denials_to_end)))
    people.grant(cast.analyst, "tier-2", actor=SYSTEM, granted_by=None)
    people.grant(cast.author, "network-owner", actor=SYSTEM, granted_by=None)
    take_down("clock")  # the sweep of this test comes hours later
    Approvals.cast = cast
    run_state_machine_as_test(
        Approvals,
        settings=settings(
            max_examples=5 if connection.vendor == "postgresql" else 15,
            stateful_step_count=16,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
