"""One request over a frozen list: items are struck from it, and nothing is ever added."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict
from playbooks.models import ApprovalRequest, Run
from playbooks.models.audit import AuditBody
from playbooks.operations import approvals, requests, rollbacks, strikes
from playbooks.operations.refusals import Hidden, Invalid, Refused
from tests.cast import Cast
from tests.listed import begin_listed

SECOND = "each_one[1].block"


@pytest.fixture
def run(cast: Cast) -> Run:
    return begin_listed(cast)


def drive(run: Run) -> None:
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()


def asked(run: Run) -> ApprovalRequest:
    return run.requests.get(status=RequestStatus.OPEN)


def listed(request: ApprovalRequest) -> list[str]:
    return [item["step"] for item in requests.stored_subject(request)["covered"]]


def strike(run: Run, cast: Cast, *steps: str, person: str = "tier2", digest: str = "") -> ApprovalRequest:
    request = asked(run)
    return strikes.strike(
        request.pk,
        caller=cast.caller(person),
        steps=steps,
        shown_digest=digest or request.digest,
        reason="That one is ours.",
    )


def approve(run: Run, cast: Cast, *people: str) -> None:
    for person in people:
        request = asked(run)
        approvals.decide(
            request.pk, caller=cast.caller(person), verdict=Verdict.APPROVE, shown_digest=request.digest
        )
    drive(run)


def facts_of(verb: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(bytes(AuditBody.objects.get(entry__verb=verb).body))["facts"]
    return facts


def blocked(run: Run) -> dict[str, str]:
    return dict(run.steps.filter(key__endswith=".block", round=0).values_list("key", "status"))


def test_what_is_struck_is_asked_about_no_more_and_is_skipped_when_its_turn_comes(
    run: Run, cast: Cast
) -> None:
    before = asked(run)
    assert listed(before) == [f"each_one[{number}].block" for number in range(3)]
    renewed = strike(run, cast, SECOND)
    before.refresh_from_db()
    assert (before.status, renewed.status) == (RequestStatus.VOIDED, RequestStatus.OPEN)
    assert listed(renewed) == ["each_one[0].block", "each_one[2].block"]
    approve(run, cast, "tier2", "netowner")
    assert run.status == RunStatus.SUCCEEDED
    skipped = run.steps.get(key=SECOND)
    assert (skipped.status, skipped.attempt_count) == (StepStatus.SKIPPED, 0)
    assert skipped.sentence == "Struck by Tier2: That one is ours."
    assert [blocked(run)[each] for each in listed(renewed)] == ["succeeded", "succeeded"]
    assert run.steps.get(key="each_one[1].told").status == StepStatus.SKIPPED
    told = facts_of("request.struck")
    assert (told["steps"], told["digest"]) == ([SECOND], before.digest)


def test_an_approval_of_the_longer_list_does_not_count_for_the_shorter_one(run: Run, cast: Cast) -> None:
    approve(run, cast, "netowner")
    renewed = strike(run, cast, SECOND)
    assert not renewed.decisions.exists()
    approve(run, cast, "tier2")
    assert asked(run).pk == renewed.pk
    assert not run.steps.filter(attempt_count__gt=0).exists()


def test_several_are_struck_one_after_the_other_and_stay_struck(run: Run, cast: Cast) -> None:
    strike(run, cast, SECOND)
    assert listed(strike(run, cast, "each_one[0].block", person="netowner")) == ["each_one[2].block"]
    approve(run, cast, "tier2", "netowner")
    assert blocked(run) == {
        "each_one[0].block": "skipped",
        SECOND: "skipped",
        "each_one[2].block": "succeeded",
    }


def test_what_was_struck_has_nothing_to_be_rolled_back(run: Run, cast: Cast) -> None:
    strike(run, cast, SECOND)
    approve(run, cast, "tier2", "netowner")
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)
    assert run.status == RunStatus.ROLLED_BACK
    undone = run.steps.filter(round=1).values_list("undoes__key", flat=True)
    assert sorted(undone) == ["each_one[0].block", "each_one[2].block"]


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ((), "Choose some, and not all"),
        (tuple(f"each_one[{number}].block" for number in range(3)), "to let nothing run, deny the request"),
        (("each_one[7].block",), "each_one[7].block: not in this request."),
    ],
)
def test_nothing_everything_and_what_is_not_listed_cannot_be_struck(
    run: Run, cast: Cast, steps: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(Invalid) as caught:
        strike(run, cast, *steps)
    assert sentence in str(caught.value)
    run.refresh_from_db()
    assert (run.struck, asked(run).status) == ({}, RequestStatus.OPEN)


@pytest.mark.parametrize(
    ("person", "rule"),
    [
        ("analyst", "own_request"),
        ("author", "own_playbook"),
        ("publisher", "not_in_seat"),
        ("admin", "not_in_seat"),
    ],
)
def test_only_who_may_decide_strikes_and_the_refusal_is_recorded(
    run: Run, cast: Cast, person: str, rule: str
) -> None:
    with pytest.raises((Refused, Hidden)) as caught:
        strike(run, cast, SECOND, person=person)
    assert caught.value.rule == rule
    run.refresh_from_db()
    assert run.struck == {}
    assert facts_of("decision.refused")["rule"] == rule


def test_an_old_page_strikes_nothing(run: Run, cast: Cast) -> None:
    old = asked(run).digest
    strike(run, cast, SECOND)
    with pytest.raises(Refused) as caught:
        strike(run, cast, "each_one[0].block", digest=old)
    assert caught.value.rule == "stale_digest"
    assert listed(asked(run)) == ["each_one[0].block", "each_one[2].block"]
