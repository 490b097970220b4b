"""Changing the rules (cases 20 to 29, of which the directory of each rule's own tests has more)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.urls import get_resolver
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, RunStatus
from playbooks.models import ApprovalRequest, Run
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.abuse.conftest import Gate
from tests.abuse.doors import FORM, OPERATION, Door, decide, drive, refused, sent, standing
from tests.api.callers import BASE, session

# 20 deleting or weakening the rule on the request, `required=0` in the body


@pytest.mark.parametrize("extra", ["required", "seats", "request", "person", "status", "roles"])
def test_case_20_a_body_that_says_more_than_a_verdict_decides_nothing(gate: Gate, extra: str) -> None:
    before = standing(gate.run)
    vote = {"verdict": "approve", "digest": gate.request.digest, extra: 0}
    assert session(gate.cast.tier2).post(f"approvals/{gate.request.pk}/decide/", vote).status_code == 400
    assert standing(gate.run) == before


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("person", ["admin", "analyst", "tier2"])
def test_case_20_no_address_changes_or_deletes_a_request(gate: Gate, person: str, method: str) -> None:
    before = standing(gate.run)
    browser = session(getattr(gate.cast, person)).client
    answer = getattr(browser, method)(
        f"{BASE}approvals/{gate.request.pk}/", '{"seats": []}', content_type="application/json"
    )
    assert answer.status_code == 405
    assert standing(gate.run) == before


def test_case_20_a_request_that_lost_its_seats_in_the_database_is_asked_again(gate: Gate) -> None:
    """The seats are part of what the digest is over, and of what the claim compares."""
    decide(OPERATION, gate.cast.tier2, gate.request)
    gate.request.seats.filter(role="network-owner").delete()
    decide(OPERATION, gate.cast.netowner, gate.request)
    drive(gate.run)
    assert sent(gate.run) == []


# 24 an administrator's save counting as approval


def test_case_24_there_is_no_admin_site(gate: Gate) -> None:
    assert not apps.is_installed("django.contrib.admin")
    addresses = [str(each.pattern) for each in get_resolver().url_patterns]
    assert not [each for each in addresses if each.startswith("admin")]


# 26 one person, two roles, one seat


def test_case_26_one_person_with_both_roles_fills_one_seat(gate: Gate, door: Door) -> None:
    people.grant(gate.cast.tier2, "network-owner", actor=SYSTEM, granted_by=None)
    assert decide(door, gate.cast.tier2, gate.request).status < 400
    refused(door, gate.cast.tier2, gate.request, "already_decided")
    gate.request.refresh_from_db()
    assert gate.request.status == RequestStatus.OPEN


# 28 deactivating all approvers to trigger a fallback (there is none)


def test_case_28_without_anybody_who_could_approve_it_is_never_approved(gate: Gate) -> None:
    for person in (gate.cast.tier2, gate.cast.netowner):
        people.deactivate(person, actor=SYSTEM)
    for days in range(1, 4):
        ApprovalRequest.objects.filter(pk=gate.request.pk).update(due_at=timezone.now() - timedelta(hours=1))
        executor.sweep(now=timezone.now() + timedelta(seconds=days))
        drive(gate.run)
    gate.run.refresh_from_db()
    assert gate.run.status in {RunStatus.WAITING, RunStatus.FAILED}
    assert sent(gate.run) == []


# 29 an approver disabled or stripped between approval and run


@pytest.mark.parametrize("how", ["deactivate", "revoke"])
def test_case_29_an_approver_who_is_no_longer_one_at_the_run_does_not_count(gate: Gate, how: str) -> None:
    decide(OPERATION, gate.cast.tier2, gate.request)
    decide(FORM, gate.cast.netowner, gate.request)
    if how == "deactivate":
        people.deactivate(gate.cast.tier2, actor=SYSTEM)
    else:
        people.revoke(gate.cast.tier2, "tier-2", actor=SYSTEM)
    drive(gate.run)
    gate.request.refresh_from_db()
    assert gate.request.status == RequestStatus.VOIDED
    assert gate.newest().status == RequestStatus.OPEN
    assert sent(gate.run) == []
    assert Run.objects.get(pk=gate.run.pk).status == RunStatus.WAITING
