"""Decisions over HTTP: who may, who may not and why, and what a repeated call does."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from playbooks.audit import reading
from playbooks.domain.canonical import digest
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Principal
from playbooks.models.decisions import Decision
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.queries import approvals as queries
from tests.api.callers import Api, at_the_gate, bearer, nobody, sender, session, token_of
from tests.cast import ATTACKER, Cast


def decide(api: Api, request: ApprovalRequest, verdict: str = "approve", **more: str) -> Any:
    body = {"verdict": verdict, "digest": request.digest, **more}
    return api.post(f"approvals/{request.pk}/decide/", body)


def refusals_of(request: ApprovalRequest) -> list[str]:
    rows = reading.entries(verb=Verb.DECISION_REFUSED, subject=str(request.pk))
    bodies = [reading.body_of(row.pk) for row in rows]
    return [body.facts["rule"] for body in bodies if body]


def test_two_people_of_two_roles_grant_it(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    first = decide(session(cast.tier2), request)
    assert (first.status_code, first.json()["status"]) == (200, "open")
    second = decide(session(cast.netowner), request)
    assert (second.status_code, second.json()["status"]) == (200, "granted")
    view = session(cast.analyst).get(f"approvals/{request.pk}/").json()
    assert [seat["filled_by"] for seat in view["seats"]] == ["tier2", "netowner"]


def test_a_request_shows_what_its_digest_is_over(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    view = session(cast.tier2).get(f"approvals/{request.pk}/").json()
    assert digest(view["subject"]) == view["digest"] == request.digest
    (item,) = view["items"]
    assert (item["label"], item["target"], item["connection"]) == (
        "Block an address",
        ATTACKER,
        "edge-firewall",
    )
    assert item["undo"].startswith("Can be taken back:")
    assert view["not_covered"] == ["tell"]
    assert view["shown"]["reputation"]["verdict"] == "malicious"
    assert (view["run"], view["step"], view["status"]) == (str(run.pk), "gate", "open")
    assert (view["may_decide"], view["denial"], view["denials"]) == (True, None, [])


@pytest.mark.parametrize(
    ("who", "rule"),
    [
        ("analyst", "own_request"),
        ("author", "own_playbook"),
        ("admin", "not_in_seat"),
        ("compliance", "not_in_seat"),
        ("outsider", "not_in_seat"),
    ],
)
def test_whoever_may_not_is_told_the_rule_and_the_refusal_is_audited(cast: Cast, who: str, rule: str) -> None:
    _, request = at_the_gate(cast)
    answer = decide(session(getattr(cast, who)), request)
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["rule"] == rule == problem["denials"][0]["rule"]
    assert problem["detail"] == problem["denials"][0]["sentence"]
    assert refusals_of(request) == [rule]
    assert not Decision.objects.exists()


def test_a_superuser_without_the_role_is_told_so_in_a_sentence_of_their_own(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    assert "superuser gives no seat" in decide(session(cast.admin), request).json()["detail"]
    Principal.objects.filter(pk=cast.analyst.pk).update(is_superuser=True)
    assert decide(session(cast.analyst), request).json()["rule"] == "own_request"


def test_all_rules_that_forbid_it_are_listed_in_their_order(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    denials = decide(token_of(cast.author, "read"), request).json()["denials"]
    assert [each["rule"] for each in denials] == ["token_not_person", "own_playbook", "not_in_seat"]


def test_no_token_decides(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    answer = decide(token_of(cast.tier2, "read", "runs"), request)
    assert (answer.status_code, answer.json()["rule"]) == (403, "token_not_person")
    assert refusals_of(request) == ["token_not_person"]


def test_a_source_does_not_even_reach_it(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    assert decide(sender(), request).status_code == 403


@pytest.mark.parametrize("rule", ["already_decided", "seat_taken", "closed", "stale_digest"])
def test_what_the_request_is_now_makes_a_conflict(cast: Cast, rule: str) -> None:
    _, request = at_the_gate(cast)
    second = people.create("tier2b", actor=SYSTEM, name="Second", password="x", roles=["tier-2"])
    decide(session(cast.tier2), request)
    if rule == "closed":
        decide(session(cast.netowner), request, "deny", comment="It is our own scanner.")
    if rule == "stale_digest":
        request.digest = "0" * 64
    person = {"already_decided": cast.tier2, "stale_digest": cast.netowner}.get(rule, second)
    answer = decide(session(person), request)
    assert answer.status_code == 409
    assert rule in [each["rule"] for each in answer.json()["denials"]]


def test_a_denial_needs_its_reason(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    answer = decide(session(cast.tier2), request, "deny")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/comment"
    assert decide(session(cast.tier2), request, "deny", comment="Ours.").json()["status"] == "denied"


def test_the_same_key_gives_the_same_answer_and_another_request_under_it_is_refused(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    path, body = f"approvals/{request.pk}/decide/", {"verdict": "approve", "digest": request.digest}
    api = session(cast.tier2)
    first = api.post(path, body, Idempotency_Key="one")
    second = api.post(path, body, Idempotency_Key="one")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert Decision.objects.count() == 1
    other = api.post(path, {**body, "comment": "another"}, Idempotency_Key="one")
    assert (other.status_code, other.json()["rule"]) == (422, "idempotency_key_reused")


def test_a_session_needs_the_csrf_token(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.tier2)
    assert decide(Api(client), request).status_code == 403
    assert not Decision.objects.exists()
    client.get("/accounts/login/")
    client.cookies["csrftoken"] = token = "a" * 32
    with_token = Api(client, {"X-CSRFToken": token})
    assert decide(with_token, request).status_code == 200


def test_an_unknown_request_is_not_found(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    request.pk = request.run_id
    assert decide(session(cast.tier2), request).status_code == 404


def test_the_inbox_holds_what_my_roles_fit(cast: Cast) -> None:
    _, request = at_the_gate(cast)

    def inbox(person: Principal) -> list[Any]:
        results: list[Any] = session(person).get("approvals/", **{"for": "me"}).json()["results"]
        return results

    assert [each["id"] for each in inbox(cast.tier2)] == [str(request.pk)]
    assert inbox(cast.tier2)[0]["may_decide"] is True
    assert inbox(cast.analyst) == inbox(cast.admin) == []
    decide(session(cast.tier2), request)
    (mine,) = inbox(cast.tier2)
    assert (mine["may_decide"], mine["denial"]["rule"]) == (False, "already_decided")
    assert len(session(cast.analyst).get("approvals/").json()["results"]) == 1


@pytest.mark.parametrize("approvals", [0, 1, 2])
@pytest.mark.parametrize("who", ["analyst", "tier2", "netowner", "author", "admin", "outsider"])
def test_what_is_shown_is_what_a_decision_would_be_told(cast: Cast, who: str, approvals: int) -> None:
    _, request = at_the_gate(cast)
    for person in (cast.tier2, cast.netowner)[:approvals]:
        decide(session(person), request)
    viewer = getattr(cast, who)
    (view,) = queries.views(list(queries.requests(cast.analyst)), viewer)
    told = decide(session(viewer), request).json().get("denials", [])
    assert [(each.rule, each.sentence) for each in view.denials] == [
        (each["rule"], each["sentence"]) for each in told
    ]


def test_nobody_without_a_token_learns_anything(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    for api in (nobody(), bearer("csn_wrong")):
        assert decide(api, request).status_code == 401
