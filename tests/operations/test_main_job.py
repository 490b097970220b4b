"""The main job, operation by operation: an alert, two approvals, the action, and the way back."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.domain.alerts import ALERT_FIELDS, NormalAlert, suricata
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict
from playbooks.models import Alert, ApprovalRequest, Run
from playbooks.operations import alerts, approvals, people, rollbacks, runs
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid, Refused
from tests.cast import ATTACKER, Cast, connect, publish, start

EVENT = {
    "timestamp": "2026-11-23T09:00:00.000000+0000",
    "flow_id": 1814022233,
    "event_type": "alert",
    "src_ip": ATTACKER,
    "src_port": 51514,
    "dest_ip": "192.0.2.10",
    "dest_port": 443,
    "proto": "TCP",
    "alert": {
        "action": "allowed",
        "gid": 1,
        "signature_id": 9000101,
        "rev": 3,
        "signature": "EXPLOIT Deserialisation payload in HTTP header",
        "category": "Attempted Administrator Privilege Gain",
        "severity": 1,
    },
}


def ingest(event: dict[str, object] = EVENT) -> alerts.Accepted:
    source = people.create_source("suricata", kind="suricata", actor=SYSTEM)
    alert = suricata(event, timezone.now())
    assert isinstance(alert, NormalAlert)
    return alerts.ingest(alert, source=source, raw=json.dumps(event).encode(), actor=SYSTEM)


def at_the_gate(cast: Cast) -> tuple[Run, ApprovalRequest]:
    """A run that an alert triggered, waiting for its two approvals."""
    connect(cast)
    publish(cast)
    (pk,) = ingest().runs
    executor.drive(pk, worker="test")
    run = Run.objects.get(pk=pk)
    return run, run.requests.get()


def decide(
    cast: Cast, name: str, request: ApprovalRequest, verdict: Verdict = Verdict.APPROVE
) -> ApprovalRequest:
    comment = "" if verdict is Verdict.APPROVE else "It is our own scanner."
    return approvals.decide(
        request.pk, caller=cast.caller(name), verdict=verdict, shown_digest=request.digest, comment=comment
    )


def statuses(run: Run, round_: int = 0) -> dict[str, str]:
    return dict(run.steps.filter(round=round_).values_list("key", "status"))


def test_an_alert_triggers_a_run_that_waits_at_its_gate(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    assert run.status == RunStatus.WAITING
    assert statuses(run) == {
        "reputation": "succeeded",
        "owner": "succeeded",
        "gate": "waiting",
        "block": "pending",
        "tell": "pending",
    }
    assert request.question == f"Block {ATTACKER} at the edge for 24 hours?"
    assert request.shown["reputation"]["verdict"] == "malicious"
    (block,) = json.loads(request.subject)["covered"]
    assert block["parameters"] == {"address": ATTACKER, "hours": 24}
    assert json.loads(request.subject)["not_covered"] == ["tell"]


def test_expressions_see_every_field_of_an_alert_as_plain_values(cast: Cast) -> None:
    connect(cast)
    scope = runs.alert_scope(Alert.objects.get(pk=ingest().alert))
    assert set(scope) == set(ALERT_FIELDS)
    assert json.loads(json.dumps(scope)) == scope


def test_a_resend_makes_no_second_alert_and_no_second_run(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    first, second = ingest(), ingest()
    assert (second.alert, second.runs, second.is_new) == (first.alert, first.runs, False)
    assert Alert.objects.get().count == 2


def test_two_people_of_two_roles_open_the_gate_and_the_action_runs(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    assert decide(cast, "tier2", request).status == RequestStatus.OPEN
    executor.drive(run.pk, worker="test")
    assert statuses(run)["block"] == StepStatus.PENDING
    assert decide(cast, "netowner", request).status == RequestStatus.GRANTED
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED
    assert run.outputs == {"blocked": ATTACKER}
    assert set(statuses(run).values()) == {"succeeded"}
    request.refresh_from_db()
    assert request.status == RequestStatus.CONSUMED
    tell = run.steps.get(key="tell").attempts.get()
    assert tell.parameters["text"] == f"{ATTACKER} is blocked, approved by Tier2, Netowner"


@pytest.mark.parametrize(
    ("who", "rule"), [("author", "own_playbook"), ("admin", "not_in_seat"), ("outsider", "not_in_seat")]
)
def test_nobody_else_opens_the_gate(cast: Cast, who: str, rule: str) -> None:
    _, request = at_the_gate(cast)
    with pytest.raises(Refused) as refusal:
        decide(cast, who, request)
    assert refusal.value.rule == rule
    request.refresh_from_db()
    assert (request.status, request.decisions.count()) == (RequestStatus.OPEN, 0)


def test_whoever_pressed_run_cannot_approve_even_with_the_role(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    people.grant(cast.analyst, "tier-2", actor=SYSTEM, granted_by=None)
    run = start(cast)
    executor.drive(run.pk, worker="test")
    with pytest.raises(Refused) as refusal:
        decide(cast, "analyst", run.requests.get())
    assert [denial.rule for denial in refusal.value.denials] == ["own_request"]


def test_a_denial_needs_its_reason_and_fails_the_run(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    with pytest.raises(Invalid):
        approvals.decide(
            request.pk, caller=cast.caller("tier2"), verdict=Verdict.DENY, shown_digest=request.digest
        )
    decide(cast, "tier2", request, Verdict.DENY)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert "It is our own scanner." in run.sentence
    assert statuses(run)["block"] == StepStatus.SKIPPED


def test_a_rollback_takes_back_what_the_run_changed_and_a_second_one_does_nothing(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    decide(cast, "tier2", request)
    decide(cast, "netowner", request)
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    plan = rollbacks.plan_of(run)
    assert [(each.key, each.call.action) for each in plan.undoings] == [("block", "nftables.unblock_address")]
    assert [step for step, _ in plan.irreversible] == ["tell"]
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=plan.digest)
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    assert run.status == RunStatus.ROLLED_BACK
    assert statuses(run, 1) == {"block": "succeeded"}
    assert rollbacks.plan_of(run).undoings == ()
    again = rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest="")
    assert (again.status, again.rollbacks) == (RunStatus.ROLLED_BACK, 1)
