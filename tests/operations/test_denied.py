"""What was denied is asked once more: with new evidence, of other people, who see the denial."""

from __future__ import annotations

import pytest

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, RunStatus, Verdict
from playbooks.models import ApprovalRequest, Run
from playbooks.models.audit import AuditEntry
from playbooks.operations import denied, people, reruns
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid, Refused
from playbooks.queries import approvals as queries
from tests.cast import Cast
from tests.operations.test_withdrawals import at_the_gate, decide, replayed

EVIDENCE = "The owner says that nobody scans from there."


@pytest.fixture
def asked(cast: Cast) -> tuple[Run, ApprovalRequest]:
    """A run whose request tier2 denied."""
    run, request = at_the_gate(cast)
    request = decide(cast, "tier2", request, Verdict.DENY)
    return run, request


def ask_again(cast: Cast, request: ApprovalRequest, name: str = "analyst") -> tuple[Run, ApprovalRequest]:
    run = denied.ask_again(request.pk, caller=cast.caller(name), evidence=EVIDENCE)
    executor.drive(run.pk, worker="test")
    return run, run.requests.get()


def test_it_is_asked_again_of_others_who_see_the_denial(
    cast: Cast, asked: tuple[Run, ApprovalRequest]
) -> None:
    run, request = ask_again(cast, asked[1])
    assert (run.repeats, request.previous) == asked
    with pytest.raises(Refused) as refusal:
        decide(cast, "tier2", request)
    assert refusal.value.rule == "already_decided"
    view = queries.request_view(request.pk, cast.netowner)
    assert view is not None
    assert view.previous is not None
    assert (view.previous.evidence, view.previous.asked_by) == (EVIDENCE, "Analyst")
    assert [(each.person, each.comment) for each in view.previous.decisions] == [
        ("Tier2", "It is our scanner.")
    ]
    people.grant(cast.outsider, "tier-2", actor=SYSTEM, granted_by=None)
    decide(cast, "netowner", request)
    assert decide(cast, "outsider", request).status == RequestStatus.GRANTED
    executor.drive(run.pk, worker="test")
    assert replayed(run).approved_actions == 1


def test_whoever_asks_again_counts_as_having_asked(cast: Cast, asked: tuple[Run, ApprovalRequest]) -> None:
    people.grant(cast.netowner, "analyst", actor=SYSTEM, granted_by=None)
    _, request = ask_again(cast, asked[1], "netowner")
    for name in ("analyst", "netowner"):
        with pytest.raises(Refused) as refusal:
            decide(cast, name, request)
        assert refusal.value.rule == "own_request"


def test_it_is_asked_once_more_and_never_a_third_time(cast: Cast, asked: tuple[Run, ApprovalRequest]) -> None:
    run, second = ask_again(cast, asked[1])
    with pytest.raises(Refused) as refusal:
        ask_again(cast, asked[1])
    assert refusal.value.rule == "denied_before"
    second = decide(cast, "netowner", second, Verdict.DENY)
    with pytest.raises(Refused) as refusal:
        ask_again(cast, second)
    assert refusal.value.rule == "denied_twice"
    assert Run.objects.filter(repeats=run).count() == 0


def test_a_run_that_was_denied_is_not_run_again_without_evidence(
    cast: Cast, asked: tuple[Run, ApprovalRequest]
) -> None:
    with pytest.raises(Refused) as refusal:
        reruns.rerun(asked[0].pk, caller=cast.caller("analyst"))
    assert refusal.value.rule == "denied_before"
    with pytest.raises(Invalid):
        denied.ask_again(asked[1].pk, caller=cast.caller("analyst"), evidence=" \n")
    assert Run.objects.count() == 1


def test_only_what_was_denied_is_asked_again_and_only_by_who_may_start_runs(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    for name, rule in (("analyst", "not_denied"), ("netowner", "no_permission"), ("admin", "no_permission")):
        with pytest.raises(Refused) as refusal:
            ask_again(cast, request, name)
        assert refusal.value.rule == rule
    assert not AuditEntry.objects.filter(verb="request.asked_again").exists()


def test_the_run_that_was_denied_stays_as_it_ended(cast: Cast, asked: tuple[Run, ApprovalRequest]) -> None:
    ask_again(cast, asked[1])
    asked[0].refresh_from_db()
    asked[1].refresh_from_db()
    assert (asked[0].status, asked[1].status) == (RunStatus.FAILED, RequestStatus.DENIED)
    assert asked[1].asked_again_by == cast.analyst
    replayed(asked[0])
