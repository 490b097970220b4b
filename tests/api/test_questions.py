"""Questions over the API: who is asked, who may answer, and what an answer leads to."""

from __future__ import annotations

import pytest
from django.utils import timezone

from playbooks.domain.statuses import QuestionStatus, RunStatus
from playbooks.models import Question, Run
from playbooks.models.audit import AuditEntry
from playbooks.operations import answers as operations
from playbooks.operations import people, runs
from playbooks.operations.caller import SYSTEM
from tests.api.callers import Api, session, token_of
from tests.cast import ROLES, Cast, connect, publish

ASK = """\
playbook: scoping
title: Scope an incident
steps:
  - id: scope
    ask: Which hosts are affected?
    fields:
      hosts: {type: list, title: Hosts}
      count: {type: integer, default: 1}
      urgent: {type: boolean, default: false}
      note: {type: string, default: ""}
    who: {role: tier-2}
    within: 4h
    late: LATE
  - id: gate
    approve: Block them?
    seats: [{role: tier-2}]
  - id: block
    do: nftables.block_address
    using: edge-firewall
    with: {address: 203.0.113.9, hours: 24}
"""
GOOD = {"hosts": ["a", "b"], "count": 2, "urgent": True}


@pytest.fixture
def run(cast: Cast) -> Run:
    connect(cast)
    publish(cast, ASK.replace("LATE", "fail"))
    return runs.start("scoping", caller=cast.caller("analyst"))


def post(api: Api, run: Run, answers: object, **headers: str) -> tuple[int, dict[str, object]]:
    question = Question.objects.get(run=run)
    reply = api.post(f"questions/{question.pk}/answer/", {"answers": answers}, **headers)
    return reply.status_code, reply.json()


def test_the_asked_see_what_is_asked_of_them_and_others_do_not(run: Run, cast: Cast) -> None:
    mine = session(cast.tier2).get("questions/", **{"for": "me"}).json()["results"]
    assert [(each["text"], each["role"], each["may_answer"]) for each in mine] == [
        ("Which hosts are affected?", "tier-2", True)
    ]
    assert session(cast.analyst).get("questions/", **{"for": "me"}).json()["results"] == []
    (seen,) = session(cast.analyst).get("questions/").json()["results"]
    assert seen["denial"]["rule"] == "not_in_seat"
    assert session(cast.analyst).get("questions/", **{"for": "you"}).status_code == 400


def test_one_question_says_its_fields_its_deadline_and_what_happens_then(run: Run, cast: Cast) -> None:
    question = Question.objects.get(run=run)
    body = session(cast.tier2).get(f"questions/{question.pk}/").json()
    fields = {each.pop("name"): each for each in body["fields"]}
    assert fields["hosts"] == {"title": "Hosts", "type": "list", "default": None}
    assert fields["count"] == {"title": "Count", "type": "integer", "default": 1}
    assert body["late_sentence"] == "If nobody answers in time, the step fails."
    assert session(cast.outsider).get(f"questions/{question.pk}/").status_code == 403


def test_an_answer_becomes_the_outputs_and_the_run_goes_on(run: Run, cast: Cast) -> None:
    status, body = post(session(cast.tier2), run, GOOD)
    assert (status, body["status"]) == (200, "answered")
    step = run.steps.get(key="scope")
    assert step.outputs == {**GOOD, "note": "", "answered_by": "Tier2"}
    assert run.requests.count() == 1
    seen = session(cast.analyst).get(f"questions/{Question.objects.get().pk}/").json()
    assert (seen["answers"]["hosts"], seen["answered_by"]["username"]) == (["a", "b"], "tier2")


def test_whoever_answered_cannot_approve_what_follows(run: Run, cast: Cast) -> None:
    post(session(cast.tier2), run, GOOD)
    request = run.requests.get()
    decision = {"verdict": "approve", "digest": request.digest}
    refused = session(cast.tier2).post(f"approvals/{request.pk}/decide/", decision)
    assert (refused.status_code, refused.json()["rule"]) == (403, "own_request")
    other = people.create("second", actor=SYSTEM, name="Second", password="only-for-tests", roles=["tier-2"])
    assert session(other).post(f"approvals/{request.pk}/decide/", decision).status_code == 200


@pytest.mark.parametrize("who", sorted(set(ROLES) - {"tier2"}))
def test_nobody_without_the_role_answers(run: Run, cast: Cast, who: str) -> None:
    status, body = post(session(getattr(cast, who)), run, GOOD)
    rule = "not_in_seat" if ROLES[who] else "no_permission"
    assert (status, body["rule"]) == (403, rule)
    assert AuditEntry.objects.filter(verb="action.refused").count() == 1


def test_no_token_answers_not_even_of_whoever_is_asked(run: Run, cast: Cast) -> None:
    status, body = post(token_of(cast.tier2, "read", "runs", "cases"), run, GOOD)
    assert (status, body["rule"]) == (403, "token_not_person")


def test_a_second_answer_is_a_conflict_and_the_same_call_again_is_not(run: Run, cast: Cast) -> None:
    api = session(cast.tier2)
    for _ in range(2):
        assert post(api, run, GOOD, Idempotency_Key="k")[0] == 200
    status, body = post(api, run, GOOD)
    assert (status, body["rule"]) == (409, "closed")
    status, body = post(api, run, {"hosts": []}, Idempotency_Key="k")
    assert (status, body["rule"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("answers", "pointers"),
    [
        ({}, ["/answers/hosts"]),
        ({"hosts": "a"}, ["/answers/hosts"]),
        ({"hosts": [], "count": "2", "urgent": "yes"}, ["/answers/count", "/answers/urgent"]),
        ({"hosts": [], "count": True}, ["/answers/count"]),
        ({"hosts": [], "count": 2**60}, ["/answers/count"]),
        ({"hosts": [2**60]}, ["/answers/hosts"]),
        ({"hosts": [], "colour": "red"}, ["/answers/colour"]),
        ([], ["/answers"]),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    run: Run, cast: Cast, answers: object, pointers: list[str]
) -> None:
    status, body = post(session(cast.tier2), run, answers)
    assert (status, [each["pointer"] for each in body["errors"]]) == (400, pointers)  # type: ignore[attr-defined]
    assert Question.objects.get().status == QuestionStatus.OPEN


def overdue() -> None:
    Question.objects.update(due_at=timezone.now())


def test_an_answer_after_the_deadline_is_too_late_even_before_the_sweep(run: Run, cast: Cast) -> None:
    overdue()
    status, body = post(session(cast.tier2), run, GOOD)
    run.refresh_from_db()
    assert (status, body["rule"], run.status) == (409, "closed", RunStatus.FAILED)


def test_a_question_that_holds_stays_open_without_a_deadline_and_is_late(cast: Cast) -> None:
    connect(cast)
    publish(cast, ASK.replace("LATE", "hold"))
    run = runs.start("scoping", caller=cast.caller("analyst"))
    overdue()
    operations.expire(Question.objects.get().pk, now=timezone.now())
    (late,) = session(cast.tier2).get("questions/", **{"for": "me"}).json()["results"]
    assert (late["is_late"], late["due_at"]) == (True, None)
    assert post(session(cast.tier2), run, GOOD)[0] == 200
