"""What breaks is told as a problem too: without a trace, without the message, and with when to come back."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, OperationalError
from rest_framework.exceptions import Throttled
from rest_framework.test import APIRequestFactory

from playbooks.api.problems import handle
from playbooks.operations.refusals import LostRace
from playbooks.queries import runs
from tests.api.callers import session
from tests.cast import Cast

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (OperationalError(f"database is locked by {SECRET}"), 503, "2"),
        (IntegrityError(SECRET), 409, None),
        (LostRace(SECRET), 409, None),
        (RequestDataTooBig(SECRET), 413, None),
        (Throttled(wait=7), 429, "7"),
        (ZeroDivisionError(SECRET), 500, None),
    ],
)
def test_each_failure_has_its_status_and_keeps_the_message_to_itself(
    error: Exception, status: int, retry_after: str | None
) -> None:
    answer = handle(error, {"request": APIRequestFactory().get("/api/v1/runs/")})
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    assert answer.content_type == "application/problem+json"
    assert answer.data["status"] == status
    assert SECRET not in str(answer.data)


def test_a_defect_shows_no_trace_and_logs_its_place(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_person: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(runs, "runs", broken)
    api = session(cast.analyst)
    api.client.raise_request_exception = False
    with caplog.at_level(logging.ERROR, logger="playbooks"):
        answer = api.get("runs/")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert b"Traceback" not in answer.content
    assert SECRET.encode() not in answer.content
    said = " ".join(
        record.getMessage() for record in caplog.records if record.name == "playbooks.api.problems"
    )
    assert "RuntimeError at" in said
    assert "test_problems.py" in said
    assert SECRET not in said


def test_a_parameter_with_nul_is_refused_before_the_database_sees_it(cast: Cast) -> None:
    assert session(cast.analyst).get("runs/", status="\0").status_code == 400
