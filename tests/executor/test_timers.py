"""What the clock does: timers, late gates, and bells that nobody heard."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict
from playbooks.models import ApprovalRequest, Run
from playbooks.operations import approvals, bell
from playbooks.operations.refusals import Refused
from tests.cast import Cast
from tests.executor.world import World

Begin = Callable[..., Run]

GATE = """\
  - id: gate
    approve: Now?
    seats: [{{role: tier-2}}]
    within: 30s
    late: {late}
  - id: act
    do: fake.keyed
    using: fake
    with: {{target: x}}
"""


def after(seconds: int) -> None:
    executor.sweep(now=timezone.now() + timedelta(seconds=seconds))


def request_of(run: Run) -> ApprovalRequest:
    return run.requests.get()


def approve(cast: Cast, request: ApprovalRequest) -> None:
    approvals.decide(
        request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest
    )


def test_a_timer_fires_when_it_is_due_and_not_before(begin: Begin) -> None:
    run = begin("  - id: pause\n    wait: {for: 30s}\n")
    after(29)
    run.refresh_from_db()
    assert run.status == RunStatus.WAITING
    after(31)
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED


def test_a_gate_that_denies_when_it_is_late_fails_the_run(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(GATE.format(late="deny"))
    after(31)
    run.refresh_from_db()
    request = request_of(run)
    assert (run.status, request.status) == (RunStatus.FAILED, RequestStatus.EXPIRED)
    with pytest.raises(Refused) as refusal:
        approve(cast, request)
    assert refusal.value.rule == "closed"
    assert not world.effects


def test_a_gate_that_escalates_stays_open_above_all_others_with_the_same_time_again(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(GATE.format(late="escalate"))
    first = request_of(run).due_at
    after(31)
    request = request_of(run)
    assert (request.status, request.escalated_at is None) == (RequestStatus.OPEN, False)
    assert first is not None
    assert request.due_at is not None
    assert request.due_at > first
    assert run.steps.get(key="gate").due_at == request.due_at
    approve(cast, request)
    executor.drive(run.pk, worker="test")
    assert world.effects == {"x": 1}


def test_a_gate_that_holds_stays_open_without_a_deadline(begin: Begin, world: World) -> None:
    run = begin(GATE.format(late="hold"))
    after(31)
    after(59)
    request = request_of(run)
    assert (request.status, request.due_at, request.escalated_at is None) == (RequestStatus.OPEN, None, False)
    assert run.steps.get(key="gate").status == StepStatus.WAITING
    assert not world.effects


@pytest.mark.parametrize("late", ["deny", "escalate", "hold"])
def test_no_lateness_ever_approves(begin: Begin, world: World, late: str) -> None:
    run = begin(GATE.format(late=late))
    for seconds in (29, 30, 31, 59):
        after(seconds)
        executor.drive(run.pk, worker="test")
    assert not world.effects
    assert run.steps.get(key="act").attempt_count == 0


def test_the_sweep_rings_for_work_of_which_nobody_heard(begin: Begin) -> None:
    run = begin("  - id: act\n    do: fake.keyed\n    using: fake\n    with: {target: x}\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        settings.SOAR_HOME.mkdir(exist_ok=True)
        door.bind(bell.socket_path())
        door.settimeout(5)
        after(2)
        assert door.recv(1000).decode() == f'["playbooks.drive", "{run.pk}"]'


def test_a_request_and_a_question_have_the_time_that_the_calendar_and_the_case_give(begin: Begin) -> None:
    """A run by hand has a case of severity 50. Of two hours of its Wednesday some are a week away at all times."""
    time = """\
    within: 9h
    by_severity: {medium: 3h, high: 1h}
    calendar: {zone: Asia/Kathmandu, days: [wednesday], from: "08:00", to: "10:00"}
"""
    run = begin(
        "  - id: gate\n    approve: Now?\n    seats: [{role: tier-2}]\n"
        f"{time}"
        "  - id: scope\n    needs: []\n    ask: Which?\n    fields: {host: {type: string}}\n    who: {role: tier-2}\n"
        f"{time}"
    )
    request, question = request_of(run), run.questions.get()
    zone = ZoneInfo("Asia/Kathmandu")
    due_at = request.due_at.astimezone(zone)
    assert (due_at.strftime("%A"), question.due_at) == ("Wednesday", request.due_at)
    assert timedelta(days=2) < due_at - timezone.now() < timedelta(days=15)
    assert request.remind_at < request.due_at
    assert request.within_seconds == 3 * 3600


@pytest.mark.usefixtures("any_time")
def test_a_worker_that_ends_a_late_block_leaves_alone_what_ended_with_it(begin: Begin) -> None:
    """The wait within the block was due at the same moment."""
    run = begin(
        "  - id: block\n    each: [a]\n    timeout: 30s\n    steps:\n      - {id: rest, wait: {for: 40s}}\n"
    )
    late = timezone.now() + timedelta(seconds=50)
    with patch("django.utils.timezone.now", lambda: late):
        executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert run.steps.get(key="block[0].rest").status == StepStatus.CANCELLED
