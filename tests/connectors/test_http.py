"""Requests to an HTTP API, judged at the far side."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from playbooks.connectors import contract
from playbooks.connectors.declaration import HIDDEN, Context
from playbooks.domain.outcomes import Failed, Lost, Outcome, Succeeded
from tests.connectors.conftest import KEY, FarSide, make_context

pytestmark = pytest.mark.enable_socket

CANARY = 'canary-0123456789-"quoted"'


def context_for(far_side: FarSide, *, seconds: float = 20.0, **settings: object) -> Context:
    return make_context({"base_url": f"{far_side.url}/api/", **settings}, {"token": "t0p"}, seconds=seconds)


def outputs(outcome: Outcome) -> dict[str, object]:
    assert isinstance(outcome, Succeeded), outcome
    return dict(outcome.outputs)


def test_a_request_goes_beneath_the_base_address_with_headers_token_and_body(far_side: FarSide) -> None:
    far_side.body = b'{"id": 7, "token": "t0p"}'
    context = context_for(far_side, headers=["X-Tenant: blue"])
    inputs = {"path": "/rules/7", "query": {"force": "yes"}, "json": {"state": "active"}}
    assert outputs(contract.perform("http.put", context, inputs)) == {
        "status": 200,
        "body": {"id": 7, "token": HIDDEN},
        "truncated": False,
        "changed": True,
    }
    (request,) = far_side.requests
    assert (request.method, request.path) == ("PUT", "/api/rules/7?force=yes")
    assert request.headers["Authorization"] == "Bearer t0p"
    assert request.headers["X-Tenant"] == "blue"
    assert json.loads(request.body) == {"state": "active"}


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example/", "/../admin", "/a/%2e%2e/b", "/a?b", "/a#b", "/\\evil", "rules", "/a\nb", "/a\n"),
        *("/a/..%2fadmin", "/a/%2E%2E%2Fadmin", "/a/..%5cadmin", "/a/..;/admin", "/a/..;x=1%2fadmin"),
    ],
)
def test_a_path_cannot_leave_the_base_address(far_side: FarSide, path: str) -> None:
    outcome = contract.perform("http.get", context_for(far_side), {"path": path})
    if isinstance(outcome, Succeeded):
        assert far_side.requests[0].path.startswith("/api//")
    else:
        assert isinstance(outcome, Failed)
        assert outcome.permanent
        assert far_side.requests == []


@pytest.mark.parametrize(
    ("action", "status", "changed"),
    [
        ("http.put", 409, False),
        ("http.post", 409, False),
        ("http.post", 201, True),
        ("http.delete", 404, False),
    ],
)
def test_already_so_is_an_answer(far_side: FarSide, action: str, status: int, changed: bool) -> None:
    far_side.status = status
    answer = outputs(contract.perform(action, context_for(far_side), {"path": "/rules/7"}))
    assert (answer["status"], answer["changed"]) == (status, changed)


@pytest.mark.parametrize(
    ("action", "status", "kind", "permanent"),
    [
        ("http.get", 404, Failed, True),
        ("http.get", 500, Failed, False),
        ("http.get", 429, Failed, False),
        ("http.get", 302, Failed, True),
        ("http.get", 502, Failed, False),
        ("http.post", 400, Failed, True),
        ("http.post", 504, Lost, None),
    ],
)
def test_a_failure_says_whether_a_retry_can_help(
    far_side: FarSide, action: str, status: int, kind: type, permanent: bool | None
) -> None:
    far_side.status, far_side.body = status, b"<html>\n<h1>No  such\x00thing t0p</h1>"
    outcome = contract.perform(action, context_for(far_side), {"path": "/rules/7"})
    assert isinstance(outcome, kind)
    assert isinstance(outcome, Failed | Lost)
    assert str(status) in outcome.sentence
    assert "t0p" not in outcome.sentence
    if isinstance(outcome, Failed):
        assert outcome.permanent is permanent


@pytest.mark.parametrize("status", [429, 503])
def test_a_far_side_that_asks_to_wait_is_quoted_and_heard(far_side: FarSide, status: int) -> None:
    far_side.status, far_side.headers = status, {"retry-after": "30"}
    outcome = contract.perform("http.get", context_for(far_side), {"path": "/rules"})
    assert isinstance(outcome, Failed)
    assert "asks to wait 30 seconds" in outcome.sentence
    assert outcome.retry_after == 30.0
    assert not outcome.permanent


def test_a_wait_that_is_asked_for_as_a_date_counts_from_now(far_side: FarSide) -> None:
    far_side.status = 503
    for moment, least, most in ((timedelta(hours=1), 3500, 3600), (-timedelta(hours=1), 0, 0)):
        far_side.headers = {"retry-after": format_datetime(datetime.now(UTC) + moment, usegmt=True)}
        outcome = contract.perform("http.get", context_for(far_side), {"path": "/rules"})
        assert isinstance(outcome, Failed)
        assert outcome.retry_after is not None
        assert least <= outcome.retry_after <= most


@pytest.mark.parametrize("headers", [{}, {"retry-after": "soon"}])
def test_a_far_side_that_names_no_time_is_asked_again_as_the_step_says(
    far_side: FarSide, headers: dict[str, str]
) -> None:
    far_side.status, far_side.headers = 429, headers
    outcome = contract.perform("http.get", context_for(far_side), {"path": "/rules"})
    assert isinstance(outcome, Failed)
    assert outcome.retry_after is None
    assert not outcome.permanent


def test_an_answer_that_does_not_come_is_lost_for_a_change_and_failed_for_a_read(far_side: FarSide) -> None:
    far_side.hang = True
    change = contract.perform("http.post", context_for(far_side, seconds=0.3), {"path": "/rules", "json": {}})
    read = contract.perform("http.get", context_for(far_side, seconds=0.3), {"path": "/rules"})
    assert isinstance(change, Lost)
    assert isinstance(read, Failed)
    assert not read.permanent


def test_a_body_that_is_no_json_is_text_within_bounds(far_side: FarSide) -> None:
    far_side.body = b"\x00" * 600_000
    answer = outputs(contract.perform("http.post", context_for(far_side), {"path": "/x"}))
    assert answer["truncated"] is True
    assert len(str(answer["body"])) == 64 * 1024


@pytest.mark.parametrize("line", ["no colon", "Host: evil", "authorization: mine", "X: a\rb"])
def test_a_header_that_is_malformed_or_not_ours_is_refused(far_side: FarSide, line: str) -> None:
    outcome = contract.perform("http.get", context_for(far_side, headers=[line]), {"path": "/"})
    assert isinstance(outcome, Failed)
    assert far_side.requests == []


def test_the_preview_shows_the_request_without_the_token(far_side: FarSide) -> None:
    shown = contract.preview("http.post", context_for(far_side), {"path": "/rules", "json": {"a": 1}})
    assert shown == {
        "method": "POST",
        "url": f"{far_side.url}/api/rules",
        "headers": {"Idempotency-Key": KEY, "Authorization": f"Bearer {HIDDEN}"},
        "query": {},
        "json": {"a": 1},
    }


@pytest.mark.parametrize(
    "body", [f"{'x' * 175} {CANARY}", json.dumps({"error": CANARY}), f"{'x' * (64 * 1024 - 9)} {CANARY}"]
)
@pytest.mark.parametrize("status", [200, 403])
def test_no_part_of_a_secret_is_left_where_a_body_is_cut_or_escaped(
    far_side: FarSide, body: str, status: int
) -> None:
    far_side.status, far_side.body = status, body.encode()
    context = make_context({"base_url": far_side.url}, {"token": CANARY})
    assert "canary" not in repr(contract.perform("http.get", context, {"path": "/x"}))
