"""Taking back a decision while the quorum is not reached, and a request while it is open; how many denials deny."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from playbooks import executor
from playbooks.domain.entries import parse_body
from playbooks.domain.replay import ContradictionError, Replay
from playbooks.domain.statuses import RequestStatus, RunStatus, Verdict
from playbooks.models import ApprovalRequest, Run
from playbooks.models.audit import AuditBody, AuditEntry
from playbooks.models.decisions import Withdrawal
from playbooks.operations import approvals, people, withdrawals
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Invalid, Refused
from tests.cast import BLOCK, Cast, connect, publish, start

Decide = Callable[..., ApprovalRequest]
PAIRS = BLOCK.replace("    within: 30m", "    deny: 2\n    within: 30m")


def at_the_gate(cast: Cast, text: str = BLOCK) -> tuple[Run, ApprovalRequest]:
    connect(cast)
    publish(cast, text)
    run = start(cast)
    executor.drive(run.pk, worker="test")
    return run, run.requests.get()


def decide(
    cast: Cast, name: str, request: ApprovalRequest, verdict: Verdict = Verdict.APPROVE
) -> ApprovalRequest:
    caller = cast.caller(name)
    return approvals.decide(
        request.pk, caller=caller, verdict=verdict, shown_digest=request.digest, comment="It is our scanner."
    )


def take_back(cast: Cast, name: str, request: ApprovalRequest) -> ApprovalRequest:
    return withdrawals.withdraw_decision(request.pk, caller=cast.caller(name), reason="I misread it.")


def replayed(run: Run) -> Replay:
    replay = Replay()
    rows = AuditBody.objects.filter(entry__stream__kind="run", entry__stream__key=str(run.pk))
    for row in rows.order_by("entry__stream_seq"):
        replay.feed(parse_body(bytes(row.body)))
    replay.finish()
    return replay


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refusal:
        call()
    assert refusal.value.is_recorded
    return refusal.value.rule


def test_a_decision_that_is_withdrawn_frees_its_seat_and_stays_to_be_read(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    take_back(cast, "tier2", request)
    assert not request.seats.filter(filled_by__isnull=False).exists()
    assert [each.stands for each in request.decisions.all()] == [False]
    assert decide(cast, "netowner", request).status == RequestStatus.OPEN
    people.grant(cast.outsider, "tier-2", actor=SYSTEM, granted_by=None)
    assert decide(cast, "outsider", request).status == RequestStatus.GRANTED
    executor.drive(run.pk, worker="test")
    assert replayed(run).approved_actions == 1
    assert run.steps.get(key="gate").outputs == {"approvers": ["Netowner", "Outsider"]}


def test_a_withdrawal_is_final(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    take_back(cast, "tier2", request)
    for verdict in (Verdict.APPROVE, Verdict.DENY):
        assert refused(lambda verdict=verdict: decide(cast, "tier2", request, verdict)) == "already_decided"
    assert refused(lambda: take_back(cast, "tier2", request)) == "nothing_to_withdraw"


def test_nothing_is_taken_back_once_the_quorum_is_reached(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    for name in ("tier2", "netowner"):
        decide(cast, name, request)
    assert refused(lambda: take_back(cast, "tier2", request)) == "closed"
    executor.drive(run.pk, worker="test")
    assert replayed(run).decisions == 2


def test_only_who_has_decided_takes_back_and_only_in_person(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    for name in ("netowner", "analyst", "admin"):
        assert refused(lambda name=name: take_back(cast, name, request)) == "nothing_to_withdraw"
    people.issue_token(cast.tier2, actor=SYSTEM, scopes=["runs"])
    caller = Caller(cast.tier2, token=cast.tier2.tokens.get())
    call = lambda: withdrawals.withdraw_decision(request.pk, caller=caller, reason="x")  # noqa: E731
    assert refused(call) == "token_not_person"
    with pytest.raises(Invalid):
        withdrawals.withdraw_decision(request.pk, caller=cast.caller("tier2"), reason=" ")
    assert request.decisions.get().stands
    rules = [
        json.loads(bytes(each.body))["facts"]["rule"]
        for each in AuditBody.objects.filter(entry__verb="action.refused").order_by("entry")
    ]
    assert rules == ["nothing_to_withdraw"] * 3 + ["token_not_person"]


@pytest.mark.parametrize(
    "statement", ["UPDATE playbooks_withdrawal SET reason = 'x'", "DELETE FROM playbooks_withdrawal"]
)
def test_the_database_refuses_to_change_a_withdrawal(cast: Cast, statement: str) -> None:
    _, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    take_back(cast, "tier2", request)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert Withdrawal.objects.get().reason == "I misread it."


def test_whoever_asked_takes_the_request_back_and_the_run_fails_at_its_gate(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    for name in ("tier2", "author", "admin"):
        call = lambda name=name: withdrawals.withdraw_request(  # noqa: E731
            request.pk, caller=cast.caller(name), reason="x"
        )
        assert refused(call) == "not_requester"
    withdrawals.withdraw_request(request.pk, caller=cast.caller("analyst"), reason="It was a test.")
    run.refresh_from_db()
    gate = run.steps.get(key="gate")
    assert (run.status, gate.sentence) == (RunStatus.FAILED, "Taken back by Analyst: It was a test.")
    assert refused(lambda: decide(cast, "netowner", request)) == "closed"
    assert AuditEntry.objects.filter(verb="request.withdrawn", actor_label="Analyst").count() == 1
    replayed(run)


def test_one_denial_of_two_leaves_it_open_and_the_second_ends_it(cast: Cast) -> None:
    run, request = at_the_gate(cast, PAIRS)
    assert request.denials_to_end == 2
    assert decide(cast, "tier2", request, Verdict.DENY).status == RequestStatus.OPEN
    assert decide(cast, "netowner", request, Verdict.DENY).status == RequestStatus.DENIED
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    replayed(run)


def test_a_denial_below_the_threshold_keeps_no_quorum_from_being_reached(cast: Cast) -> None:
    run, request = at_the_gate(cast, PAIRS)
    decide(cast, "tier2", request, Verdict.DENY)
    decide(cast, "netowner", request)
    people.grant(cast.outsider, "tier-2", actor=SYSTEM, granted_by=None)
    assert decide(cast, "outsider", request).status == RequestStatus.GRANTED
    executor.drive(run.pk, worker="test")
    assert replayed(run).approved_actions == 1


def test_a_denial_that_was_withdrawn_counts_no_more(cast: Cast) -> None:
    _, request = at_the_gate(cast, PAIRS)
    decide(cast, "tier2", request, Verdict.DENY)
    take_back(cast, "tier2", request)
    assert decide(cast, "netowner", request, Verdict.DENY).status == RequestStatus.OPEN


def test_a_replay_refuses_a_withdrawal_after_the_quorum_and_a_denial_by_too_few(cast: Cast) -> None:
    run, request = at_the_gate(cast, PAIRS)
    decide(cast, "tier2", request, Verdict.DENY)
    rows = AuditBody.objects.filter(entry__stream__kind="run", entry__stream__key=str(run.pk))
    bodies = [parse_body(bytes(row.body)) for row in rows.order_by("entry__stream_seq")]
    (decision,) = [each for each in bodies if each.verb == "decision.made"]
    for verb, words in (
        ("request.denied", "fewer people than it takes"),
        ("request.granted", "without its quorum"),
    ):
        forged = type(decision)(
            **{name: getattr(decision, name) for name in decision.__slots__}
            | {"verb": verb, "facts": {**decision.facts, "approvers": []}}
        )
        replay = Replay()
        for body in bodies:
            replay.feed(body)
        with pytest.raises(ContradictionError, match=words):
            replay.feed(forged)
