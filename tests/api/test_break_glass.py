"""Break-glass over the API: with a proof over exactly this, in a session, and reviewed once by somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from playbooks import executor
from playbooks.models import ApprovalRequest, Run
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.api.callers import Api, session, token_of
from tests.cast import Cast
from tests.executor.conftest import begin, fake, world
from tests.executor.test_receipts import STEPS
from tests.proving import passkey_of, proven_in

__all__ = ["begin", "fake", "world"]

REVIEW = {"finding": "justified", "comment": "I read all of it."}


@pytest.fixture
def wiping(begin: Callable[..., Run], cast: Cast) -> ApprovalRequest:
    people.grant(cast.netowner, "break-glass", actor=SYSTEM, granted_by=None)
    run = begin(STEPS)
    executor.drive(run.pk, worker="test")
    return run.requests.get()


def proof_of(api: Api, cast: Cast, request: ApprovalRequest, **more: str) -> dict[str, Any]:
    passkey = passkey_of(cast.netowner)
    about = {"purpose": "break_glass", "digest": request.digest, **more}
    told = api.post("step-up/", about).json()
    return {"id": told["id"], "assertion": passkey.sign({"publicKey": told["public_key"]})}


def use(api: Api, request: ApprovalRequest, **more: Any) -> Any:
    body = {"digest": request.digest, "reason": "It spreads.", **more}
    return api.post(f"approvals/{request.pk}/break-glass/", body)


def status(request: ApprovalRequest) -> str:
    return ApprovalRequest.objects.get(pk=request.pk).status


def test_without_a_proof_over_exactly_this_it_is_refused(cast: Cast, wiping: ApprovalRequest) -> None:
    api = session(cast.netowner)
    proven_in(api.client, cast.netowner)  # of five minutes, which is not enough
    refused = use(api, wiping)
    assert (refused.status_code, refused.json()["rule"]) == (401, "not_stepped_up")
    proof = proof_of(api, cast, wiping, digest="f" * 64)
    assert use(api, wiping, step_up=proof).status_code == 401
    assert status(wiping) == "open"


def test_a_holder_breaks_it_and_somebody_else_reviews_it_once(cast: Cast, wiping: ApprovalRequest) -> None:
    api = session(cast.netowner)
    made = use(api, wiping, step_up=proof_of(api, cast, wiping))
    assert (made.status_code, made.json()["reason"]) == (200, "It spreads.")
    assert status(wiping) == "passed"
    path = f"reviews/{made.json()['id']}/"
    (row,) = session(cast.compliance).get("reviews/").json()["results"]
    assert (row["is_overdue"], row["review"], row["may_review"]) == (False, None, True)
    own = api.get(path).json()
    assert (own["may_review"], own["denials"][0]["rule"]) == (False, "no_permission")
    people.grant(cast.netowner, "compliance-officer", actor=SYSTEM, granted_by=None)
    refused = api.post(f"{path}review/", REVIEW)
    assert (refused.status_code, refused.json()["rule"]) == (403, "reviewer_is_user")
    compliance = session(cast.compliance)
    assert compliance.post(f"{path}review/", {**REVIEW, "comment": ""}).status_code == 400
    assert compliance.post(f"{path}review/", REVIEW).json()["review"]["finding"] == "justified"
    assert compliance.post(f"{path}review/", REVIEW).status_code == 409


def test_no_token_and_nobody_without_the_role_does_it(cast: Cast, wiping: ApprovalRequest) -> None:
    by_token = use(token_of(cast.netowner, "runs", "cases", "read"), wiping)
    assert (by_token.status_code, by_token.json()["rule"]) == (403, "session_only")
    for person in (cast.analyst, cast.admin, cast.outsider):
        assert use(session(person), wiping).status_code == 403
    assert status(wiping) == "open"
