"""Step-up by the API: the session begins a challenge, and its answer comes with the decision. A token does neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from playbooks import executor
from playbooks.models import ApprovalRequest, Run, StepUp
from tests.api.callers import Api, session, token_of
from tests.cast import Cast
from tests.executor.conftest import begin, fake, world
from tests.executor.test_receipts import STEPS
from tests.proving import PASSWORD, Passkey, code_at, give_code, passkey_of

__all__ = ["begin", "fake", "world"]


@pytest.fixture
def wiping(begin: Callable[..., Run]) -> ApprovalRequest:
    run = begin(STEPS)
    executor.drive(run.pk, worker="test")
    return run.requests.get()


def challenge(api: Api, request: ApprovalRequest, verdict: str = "approve", **more: Any) -> dict[str, Any]:
    about = {"purpose": "decision", "digest": request.digest, "verdict": verdict, **more}
    answer = api.post("step-up/", about)
    assert answer.status_code == 201, answer.content
    told: dict[str, Any] = answer.json()
    return told


def decide(api: Api, request: ApprovalRequest, **more: Any) -> Any:
    body = {"verdict": "approve", "digest": request.digest, **more}
    return api.post(f"approvals/{request.pk}/decide/", body)


def answered(told: dict[str, Any], key: Passkey) -> dict[str, Any]:
    return {"id": told["id"], "assertion": key.sign({"publicKey": told["public_key"]})}


def test_a_decision_that_destroys_carries_the_answer_to_its_challenge(
    cast: Cast, wiping: ApprovalRequest
) -> None:
    api, key = session(cast.tier2), passkey_of(cast.tier2)
    refused = decide(api, wiping)
    assert (refused.status_code, refused.json()["rule"]) == (401, "not_stepped_up")
    told = challenge(api, wiping)
    assert told["methods"] == ["passkey"]
    assert told["public_key"]["userVerification"] == "required"
    body = {"step_up": answered(told, key)}
    assert decide(api, wiping, **body).json()["status"] == "granted"
    assert decide(api, wiping, **body).status_code == 409


def test_the_same_call_twice_is_one_decision(cast: Cast, wiping: ApprovalRequest) -> None:
    api, key = session(cast.tier2), passkey_of(cast.tier2)
    body = {"verdict": "approve", "digest": wiping.digest, "step_up": answered(challenge(api, wiping), key)}
    for _ in range(2):
        answer = api.post(f"approvals/{wiping.pk}/decide/", body, Idempotency_Key="once")
        assert (answer.status_code, answer.json()["status"]) == (200, "granted")
    assert StepUp.objects.filter(used_at__isnull=False).count() == 1


@pytest.mark.parametrize("about", [{"digest": "b" * 64}, {"verdict": "deny"}, {"purpose": "grant"}])
def test_an_answer_to_another_challenge_does_not_serve(
    cast: Cast, wiping: ApprovalRequest, about: dict[str, str]
) -> None:
    api, key = session(cast.tier2), passkey_of(cast.tier2)
    told = challenge(api, wiping, **about)
    refused = decide(api, wiping, step_up=answered(told, key))
    assert (refused.status_code, refused.json()["rule"]) == (401, "not_stepped_up")
    assert ApprovalRequest.objects.get(pk=wiping.pk).status == "open"


def test_somebody_elses_challenge_and_key_do_not_serve(cast: Cast, wiping: ApprovalRequest) -> None:
    mine, theirs = passkey_of(cast.tier2), passkey_of(cast.netowner)
    told = challenge(session(cast.netowner), wiping)
    api = session(cast.tier2)
    assert decide(api, wiping, step_up=answered(told, theirs)).status_code == 404
    own = challenge(api, wiping)
    assert decide(api, wiping, step_up=answered(own, theirs)).status_code == 401
    assert decide(api, wiping, step_up=answered(own, mine)).status_code == 200


def test_a_password_and_a_code_serve_as_well(cast: Cast, wiping: ApprovalRequest) -> None:
    give_code(cast.tier2)
    api = session(cast.tier2)
    told = challenge(api, wiping)
    assert (told["methods"], told["public_key"]) == (["code"], {})
    proof = {"id": told["id"], "password": PASSWORD, "code": code_at()}
    assert decide(api, wiping, step_up=proof).status_code == 200


def test_a_proof_can_be_given_before(cast: Cast, wiping: ApprovalRequest) -> None:
    api, key = session(cast.tier2), passkey_of(cast.tier2)
    told = answered(challenge(api, wiping), key)
    proven = api.post(f"step-up/{told['id']}/prove/", {"assertion": told["assertion"]})
    assert (proven.status_code, proven.json()["method"]) == (200, "passkey")
    assert decide(api, wiping).status_code == 200


@pytest.mark.parametrize("body", [{}, {"assertion": {}, "code": "1"}, {"assertion": []}, {"code": "1" * 13}])
def test_a_proof_is_one_of_both(cast: Cast, body: dict[str, Any]) -> None:
    assert session(cast.tier2).post(f"step-up/{cast.tier2.pk}/prove/", body).status_code == 400


def test_whoever_has_no_way_is_told_which_to_set_up(cast: Cast, wiping: ApprovalRequest) -> None:
    about = {"purpose": "decision", "digest": wiping.digest, "verdict": "approve"}
    answer = session(cast.tier2).post("step-up/", about)
    assert (answer.status_code, answer.json()["rule"]) == (401, "not_stepped_up")
    assert "set up a passkey or an authenticator app" in answer.json()["detail"]


def test_no_token_proves_anything(cast: Cast, wiping: ApprovalRequest) -> None:
    key = passkey_of(cast.tier2)
    told = challenge(session(cast.tier2), wiping)
    token = token_of(cast.tier2, "runs", "cases", "author", "read")
    assert token.post("step-up/", {"purpose": "decision"}).json()["rule"] == "session_only"
    refused = decide(token, wiping, step_up=answered(told, key))
    assert (refused.status_code, refused.json()["rule"]) == (403, "token_not_person")
    assert not StepUp.objects.filter(proven_at__isnull=False).exists()
