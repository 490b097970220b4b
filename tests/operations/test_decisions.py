"""Decisions: recorded once and for good, refused with every rule that forbids them, and never too late."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connection, transaction
from django.db.utils import DatabaseError
from django.utils import timezone

from playbooks import executor
from playbooks.domain.entries import parse_body
from playbooks.domain.replay import Replay
from playbooks.domain.statuses import RequestStatus, RunStatus, Verdict
from playbooks.models import ApprovalRequest, Run
from playbooks.models.audit import AuditBody, AuditEntry
from playbooks.models.decisions import Decision
from playbooks.operations import approvals, connections, stopping
from playbooks.operations.refusals import Invalid, Missing, Refused
from tests.cast import BLOCK, Cast, connect, publish, start


def at_the_gate(cast: Cast, late: str = "escalate") -> tuple[Run, ApprovalRequest]:
    connect(cast)
    publish(cast, BLOCK.replace("late: escalate", f"late: {late}"))
    run = start(cast)
    executor.drive(run.pk, worker="test")
    return run, run.requests.get()


def decide(
    cast: Cast, name: str, request: ApprovalRequest, verdict: Verdict = Verdict.APPROVE, key: str = ""
) -> ApprovalRequest:
    return approvals.decide(
        request.pk,
        caller=cast.caller(name),
        verdict=verdict,
        shown_digest=request.digest,
        comment="It is our own scanner." if verdict is Verdict.DENY else "",
        idempotency_key=key,
    )


def bodies(verb: str) -> list[dict[str, object]]:
    rows = AuditBody.objects.filter(entry__verb=verb).order_by("entry")
    return [json.loads(bytes(row.body))["facts"] for row in rows]


@pytest.mark.parametrize(
    "statement", ["UPDATE playbooks_decision SET verdict = 'deny'", "DELETE FROM playbooks_decision"]
)
def test_the_database_refuses_to_change_a_decision(cast: Cast, statement: str) -> None:
    _, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert request.decisions.get().verdict == "approve"


def test_the_manager_refuses_to_change_a_decision(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    with pytest.raises(TypeError, match="append-only"):
        Decision.objects.filter(request=request).update(verdict="deny")
    with pytest.raises(TypeError, match="append-only"):
        Decision.objects.filter(request=request).delete()


def test_a_decision_is_recorded_with_what_it_was_decided_on(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    decision = request.decisions.get()
    assert (decision.digest, decision.person_name) == (request.digest, "Tier2")
    assert decision.facts["decider"]["roles"] == ["tier-2"]
    (made,) = bodies("decision.made")
    assert (made["seat"], made["digest"], made["duty_facts"]) == ("tier-2", request.digest, decision.facts)


def test_a_refusal_is_recorded_with_every_rule_that_forbade_it(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    with pytest.raises(Refused) as refusal:
        approvals.decide(
            request.pk, caller=cast.caller("analyst"), verdict=Verdict.APPROVE, shown_digest="0" * 64
        )
    rules = [denial.rule for denial in refusal.value.denials]
    assert rules == ["own_request", "not_in_seat", "stale_digest"]
    (refused,) = bodies("decision.refused")
    assert [each["rule"] for each in refused["denials"]] == rules  # type: ignore[attr-defined]
    assert not request.decisions.exists()


def test_nobody_decides_twice(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    for verdict in (Verdict.APPROVE, Verdict.DENY):
        with pytest.raises(Refused) as refusal:
            decide(cast, "tier2", request, verdict)
        assert refusal.value.rule == "already_decided"


def test_case_46_decisions_taken_under_clocks_that_differ_still_replay(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    with time_machine.travel(timezone.now() + timedelta(seconds=5)):
        decide(cast, "tier2", request)
    decide(cast, "netowner", request)
    executor.drive(run.pk, worker="test")
    replay = Replay()
    rows = AuditBody.objects.filter(entry__stream__kind="run", entry__stream__key=str(run.pk))
    for row in rows.order_by("entry__stream_seq"):
        replay.feed(parse_body(bytes(row.body)))
    replay.finish()
    assert (replay.decisions, replay.approved_actions) == (2, 1)


def test_a_denial_ends_it_whoever_approved_before(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    decide(cast, "netowner", request, Verdict.DENY)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    with pytest.raises(Refused) as refusal:
        decide(cast, "tier2", request)
    assert {"already_decided", "closed"} <= {denial.rule for denial in refusal.value.denials}


@pytest.mark.parametrize("comment", ["", "  ", "\n\t"])
def test_a_denial_without_a_reason_is_invalid(cast: Cast, comment: str) -> None:
    _, request = at_the_gate(cast)
    with pytest.raises(Invalid):
        approvals.decide(
            request.pk,
            caller=cast.caller("tier2"),
            verdict=Verdict.DENY,
            shown_digest=request.digest,
            comment=comment,
        )


def test_an_unknown_request_is_missing(cast: Cast) -> None:
    with pytest.raises(Missing):
        approvals.decide(uuid4(), caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest="")


def test_the_same_key_gives_the_same_answer_and_another_request_under_it_is_refused(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    decide(cast, "tier2", request, key="k")
    decide(cast, "tier2", request, key="k")
    assert request.decisions.count() == 1
    with pytest.raises(Refused) as refusal:
        decide(cast, "tier2", request, Verdict.DENY, key="k")
    assert refusal.value.rule == "idempotency_key_reused"
    assert decide(cast, "netowner", request, key="k").status == RequestStatus.GRANTED


def overdue(request: ApprovalRequest) -> None:
    ApprovalRequest.objects.filter(pk=request.pk).update(due_at=timezone.now() - timedelta(microseconds=1))


def test_case_46_an_approval_after_the_deadline_is_too_late_even_before_the_sweep(cast: Cast) -> None:
    run, request = at_the_gate(cast, late="deny")
    decide(cast, "tier2", request)
    overdue(request)
    with pytest.raises(Refused) as refusal:
        decide(cast, "netowner", request)
    assert refusal.value.rule == "closed"
    run.refresh_from_db()
    request.refresh_from_db()
    assert (request.status, run.status) == (RequestStatus.EXPIRED, RunStatus.FAILED)


@pytest.mark.parametrize("late", ["escalate", "hold"])
def test_case_46_a_late_request_that_is_not_denied_stays_open_and_is_never_approved_by_time(
    cast: Cast, late: str
) -> None:
    run, request = at_the_gate(cast, late)
    overdue(request)
    executor.sweep()
    request.refresh_from_db()
    assert (request.status, request.decisions.count()) == (RequestStatus.OPEN, 0)
    assert request.escalated_at is not None
    assert (request.due_at is None) == (late == "hold")
    assert run.steps.get(key="gate").due_at == request.due_at
    decide(cast, "tier2", request)
    assert decide(cast, "netowner", request).status == RequestStatus.GRANTED


def test_what_changed_while_people_decided_voids_the_request_and_names_the_field(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    connections.configure(
        "edge-firewall",
        caller=cast.caller("admin"),
        connector="nftables",
        settings={},
        secrets={},
        is_simulated=True,
    )
    with pytest.raises(Refused):
        decide(cast, "netowner", request)
    (voided,) = bodies("request.voided")
    assert voided["changed"] == "covered.0.connection.revision"


def test_a_withdrawn_request_takes_no_decision(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    stopping.cancel(run.pk, caller=cast.caller("analyst"))
    for verdict in (Verdict.APPROVE, Verdict.DENY):
        with pytest.raises(Refused) as refusal:
            decide(cast, "tier2", request, verdict)
        assert refusal.value.rule == "closed"


def test_a_decision_that_cannot_be_logged_is_not_made(cast: Cast) -> None:
    """Half of a surrogate pair is no Unicode, so the entry cannot be written."""
    _, request = at_the_gate(cast)
    entries = AuditEntry.objects.count()
    with pytest.raises(ValueError):  # noqa: PT011 - which one depends on the database
        approvals.decide(
            request.pk,
            caller=cast.caller("tier2"),
            verdict=Verdict.APPROVE,
            shown_digest=request.digest,
            comment="\ud800",
        )
    assert (request.decisions.count(), AuditEntry.objects.count()) == (0, entries)
