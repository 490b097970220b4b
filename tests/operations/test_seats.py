"""Seats that are no roles: the owner of what is changed, whoever is on call; and to whom a late request goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from playbooks import executor
from playbooks.access.history import COOLING
from playbooks.domain.statuses import RequestStatus, RunStatus
from playbooks.models import ApprovalRequest, Connection, Principal, Run, Shift
from playbooks.models.audit import AuditEntry
from playbooks.operations import approvals, connections, delegations, people, rotas
from playbooks.operations.caller import SYSTEM
from playbooks.operations.delegations import Period
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rotas import Planned
from playbooks.queries import approvals as queries
from tests.cast import BLOCK, Cast, connect, publish, start
from tests.operations.test_withdrawals import decide, replayed
from tests.proving import proven

OWNED = BLOCK.replace("{role: network-owner}", "{owner_of: target}")
ON_CALL = BLOCK.replace("{role: network-owner}", "{on_call: network}")
GOES_ON = BLOCK.replace("late: escalate", "late: escalate\n    to: [{role: publisher}, {on_call: network}]")
DAY = timedelta(days=1)


def at_the_gate(cast: Cast, text: str) -> tuple[Run, ApprovalRequest]:
    connect(cast)
    publish(cast, text)
    run = start(cast)
    executor.drive(run.pk, worker="test")
    return run, run.requests.get()


def owned_by(cast: Cast, name: str) -> None:
    connections.give_to("edge-firewall", caller=proven(cast.caller("admin")), owner=name)


def shift(cast: Cast, name: str, *, published: timedelta = COOLING, lasts: timedelta = DAY) -> Shift:
    """On call from an hour ago on; published so long ago."""
    now = timezone.now()
    planned = Planned(name, now - timedelta(hours=1), now + lasts)
    rotas.publish("network", caller=proven(cast.caller("admin")), shifts=[planned])
    row = Shift.objects.latest("published_at", "pk")
    Shift.objects.filter(pk=row.pk).update(published_at=now - published)
    return row


def rules(cast: Cast, name: str, request: ApprovalRequest) -> list[str]:
    try:
        decide(cast, name, request)
    except Refused as refusal:
        return [each.rule for each in refusal.denials]
    return []


def inbox(person: Principal) -> list[ApprovalRequest]:
    return list(queries.inbox(person))


def test_the_owner_of_what_is_changed_takes_the_seat_of_the_owner(cast: Cast) -> None:
    run, request = at_the_gate(cast, OWNED)
    assert [seat.role for seat in request.seats.order_by("position")] == ["tier-2", "owner_of:edge-firewall"]
    assert rules(cast, "netowner", request) == ["not_in_seat"]
    owned_by(cast, "netowner")
    assert inbox(cast.netowner) == [request]
    assert rules(cast, "netowner", request) == []
    assert decide(cast, "tier2", request).status == RequestStatus.GRANTED
    executor.drive(run.pk, worker="test")
    assert replayed(run).approved_actions == 1


def test_the_refusal_says_whom_it_needs(cast: Cast) -> None:
    _, request = at_the_gate(cast, OWNED)
    with pytest.raises(
        Refused, match="This needs the role tier-2 or the owner of edge-firewall, and you are"
    ):
        decide(cast, "compliance", request)


def test_an_owner_who_loses_it_between_approval_and_run_voids_the_approval(cast: Cast) -> None:
    run, request = at_the_gate(cast, OWNED)
    owned_by(cast, "netowner")
    decide(cast, "netowner", request)
    decide(cast, "tier2", request)
    owned_by(cast, "compliance")
    executor.drive(run.pk, worker="test")
    request.refresh_from_db()
    run.refresh_from_db()
    assert (request.status, run.status) == (RequestStatus.VOIDED, RunStatus.WAITING)


def test_nobody_makes_themselves_the_owner(cast: Cast) -> None:
    connect(cast)
    for name, owner, rule in (
        ("admin", "admin", "grantor_is_beneficiary"),
        ("tier2", "netowner", "no_permission"),
    ):
        with pytest.raises(Refused) as refusal:
            connections.give_to("edge-firewall", caller=cast.caller(name), owner=owner)
        assert refusal.value.rule == rule
    for wrong in (("edge-firewall", "nobody"), ("nothing", "netowner")):
        with pytest.raises(Missing):
            connections.give_to(wrong[0], caller=cast.caller("admin"), owner=wrong[1])
    assert Connection.objects.get(name="edge-firewall").owner is None
    assert not AuditEntry.objects.filter(verb="connection.owned").exists()


def test_the_substitute_of_the_owner_takes_the_seat_while_they_stand_in(cast: Cast) -> None:
    _, request = at_the_gate(cast, OWNED)
    owned_by(cast, "netowner")
    period = Period(timezone.now(), timezone.now() + DAY)
    row = delegations.name(
        "compliance", caller=proven(cast.caller("netowner")), period=period, reason="Away."
    )
    assert inbox(cast.compliance) == [request]
    assert rules(cast, "compliance", request) == []
    assert rules(cast, "netowner", request) == ["seat_taken"]
    delegations.end(row.pk, caller=cast.caller("netowner"))
    assert decide(cast, "tier2", request).status == RequestStatus.GRANTED


def test_whoever_stood_in_until_a_moment_ago_takes_no_seat_of_the_owner(cast: Cast) -> None:
    _, request = at_the_gate(cast, OWNED)
    owned_by(cast, "netowner")
    period = Period(timezone.now(), timezone.now() + DAY)
    row = delegations.name(
        "compliance", caller=proven(cast.caller("netowner")), period=period, reason="Away."
    )
    delegations.end(row.pk, caller=cast.caller("netowner"))
    assert rules(cast, "compliance", request) == ["not_in_seat"]


def test_whoever_is_on_call_takes_the_seat_and_nobody_else_does(cast: Cast) -> None:
    run, request = at_the_gate(cast, ON_CALL)
    assert rules(cast, "compliance", request) == ["not_in_seat"]
    shift(cast, "compliance")
    assert inbox(cast.compliance) == [request]
    assert rules(cast, "compliance", request) == []
    assert decide(cast, "tier2", request).status == RequestStatus.GRANTED
    executor.drive(run.pk, worker="test")
    assert replayed(run).approved_actions == 1


def test_a_shift_that_was_published_lately_does_not_count(cast: Cast) -> None:
    _, request = at_the_gate(cast, ON_CALL)
    shift(cast, "compliance", published=COOLING - timedelta(minutes=1))
    assert inbox(cast.compliance) == []
    assert rules(cast, "compliance", request) == ["not_in_seat"]


def test_whoever_was_on_call_when_they_approved_keeps_the_seat_after_the_shift(cast: Cast) -> None:
    run, request = at_the_gate(cast, ON_CALL)
    shift(cast, "compliance", lasts=timedelta(seconds=30))
    decide(cast, "compliance", request)
    with time_machine.travel(timezone.now() + timedelta(seconds=40)):
        assert decide(cast, "tier2", request).status == RequestStatus.GRANTED
    executor.drive(run.pk, worker="test")
    assert run.steps.get(key="block").status == "succeeded"


def test_a_shift_that_was_withdrawn_counts_no_more_also_for_who_approved(cast: Cast) -> None:
    _, request = at_the_gate(cast, ON_CALL)
    row = shift(cast, "compliance")
    decide(cast, "compliance", request)
    rotas.withdraw(row.pk, caller=cast.caller("admin"))
    assert decide(cast, "tier2", request).status == RequestStatus.OPEN
    with pytest.raises(Refused) as refusal:
        rotas.withdraw(row.pk, caller=cast.caller("admin"))
    assert refusal.value.rule == "shift_over"


def test_only_who_manages_people_publishes_and_only_what_can_be(cast: Cast) -> None:
    now = timezone.now()
    good = Planned("tier2", now, now + DAY)
    with pytest.raises(Refused):
        rotas.publish("network", caller=cast.caller("tier2"), shifts=[good])
    for wrong in ([], [Planned("tier2", now, now)], [Planned("tier2", now, now + 40 * DAY)]):
        with pytest.raises(Invalid):
            rotas.publish("network", caller=cast.caller("admin"), shifts=wrong)
    with pytest.raises(Missing):
        rotas.publish("network", caller=cast.caller("admin"), shifts=[Planned("nobody", now, now + DAY)])
    assert not Shift.objects.exists()


def overdue(request: ApprovalRequest) -> None:
    ApprovalRequest.objects.filter(pk=request.pk).update(due_at=timezone.now() - timedelta(microseconds=1))


def test_a_late_request_goes_on_to_others_who_may_take_any_seat_and_nobody_loses_theirs(cast: Cast) -> None:
    run, request = at_the_gate(cast, GOES_ON)
    people.grant(cast.outsider, "publisher", actor=SYSTEM, granted_by=None)
    assert rules(cast, "outsider", request) == ["not_in_seat"]
    overdue(request)
    executor.sweep()
    executor.sweep()
    assert AuditEntry.objects.filter(verb="request.escalated").count() == 1
    assert inbox(cast.outsider) == inbox(cast.tier2) == [request]
    assert rules(cast, "outsider", request) == []
    assert decide(cast, "netowner", request).status == RequestStatus.GRANTED
    executor.drive(run.pk, worker="test")
    assert replayed(run).approved_actions == 1


def test_those_to_whom_it_goes_on_are_held_to_every_duty_rule(cast: Cast) -> None:
    _, request = at_the_gate(cast, GOES_ON)
    for name in ("analyst", "author"):
        people.grant(getattr(cast, name), "publisher", actor=SYSTEM, granted_by=None)
    overdue(request)
    executor.sweep()
    assert rules(cast, "analyst", request) == ["own_request"]
    assert rules(cast, "author", request) == ["own_playbook"]


def test_two_of_those_to_whom_it_goes_on_are_two_people_and_one_is_one(cast: Cast) -> None:
    _, request = at_the_gate(cast, GOES_ON)
    for name in ("outsider", "compliance"):
        people.grant(getattr(cast, name), "publisher", actor=SYSTEM, granted_by=None)
    overdue(request)
    executor.sweep()
    assert rules(cast, "outsider", request) == []
    assert rules(cast, "outsider", request) == ["already_decided"]
    assert decide(cast, "compliance", request).status == RequestStatus.GRANTED


def test_a_reminder_is_given_once_before_the_deadline(cast: Cast) -> None:
    _, request = at_the_gate(cast, BLOCK)
    assert request.due_at is not None
    assert request.remind_at == request.due_at - timedelta(minutes=30) / 4
    executor.sweep()
    ApprovalRequest.objects.filter(pk=request.pk).update(remind_at=timezone.now())
    for _ in range(3):
        executor.sweep()
    approvals.remind(request.pk, now=timezone.now())
    request.refresh_from_db()
    assert (request.remind_at, request.status) == (None, RequestStatus.OPEN)
    assert AuditEntry.objects.filter(verb="request.reminded").count() == 1


def test_a_request_that_was_decided_is_not_reminded_of(cast: Cast) -> None:
    _, request = at_the_gate(cast, BLOCK)
    for name in ("tier2", "netowner"):
        decide(cast, name, request)
    ApprovalRequest.objects.filter(pk=request.pk).update(remind_at=timezone.now())
    executor.sweep()
    approvals.remind(request.pk, now=timezone.now())
    assert not AuditEntry.objects.filter(verb="request.reminded").exists()
