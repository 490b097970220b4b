"""The API, called by what its own description allows: nothing breaks it, and nobody sees what is foreign to them.

An outsider, an analyst and an administrator call every operation; the ids in the addresses are now invented ones, now
those of a restricted case of another team with its alert, its run and its request. `SOAR_FUZZ=200` calls each that
often, by hand; without it nine examples of each operation keep this short.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import schemathesis
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core import NOT_SET

from playbooks import executor
from playbooks.models import Alert
from playbooks.operations import confidences, runs
from tests.api.callers import NORMAL, session
from tests.cast import ATTACKER, Cast, connect, publish
from tests.databases import rolled_back

STORED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
DESCRIPTION = json.loads(STORED.read_text(encoding="utf-8"))
OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(DESCRIPTION).get_all_operations()]
EXAMPLES = int(os.environ.get("SOAR_FUZZ", "3"))
CALLERS = ("outsider", "analyst", "admin")
SECRET = "Payroll clerk under suspicion"


@dataclass(frozen=True, slots=True)
class Foreign:
    """What belongs to a case that only `tier2` may know of: the words in it and the ids of everything about it."""

    ids: tuple[str, ...]

    def assert_not_told(self, answer: HttpResponse, asked: str) -> None:
        told = b"".join(answer) if answer.streaming else answer.content  # type: ignore[attr-defined]
        text = told.decode("utf-8", "replace")
        assert SECRET not in text
        assert not [each for each in self.ids if each in text and each not in asked]


@pytest.fixture
def foreign(cast: Cast) -> Foreign:
    connect(cast)
    publish(cast)
    answer = session(cast.tier2).post("alerts/", {**NORMAL, "title": SECRET, "severity": 90})
    alert = Alert.objects.get(pk=answer.json()["id"])
    assert alert.case is not None
    run = runs.start(
        "block-attacker", caller=cast.caller("tier2"), inputs={"address": ATTACKER}, case=alert.case_id
    )
    executor.drive(run.pk, worker="test")
    confidences.restrict(
        alert.case.pk, caller=cast.caller("tier2"), named=[], reason="A person is concerned."
    )
    rows = (alert, alert.case, run, run.requests.get())
    return Foreign(tuple(str(row.pk) for row in rows))


def cases_of(operation: Any) -> st.SearchStrategy[Case]:
    allowed: st.SearchStrategy[Case] = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not operation.body:
        return allowed
    return allowed | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


def call(client: Client, case: Case, foreign: str) -> tuple[HttpResponse, str]:
    """The answer, and all that was said in the call. A `foreign` id stands in the place of each invented one."""
    parameters = {**(case.path_parameters or {})}
    if foreign and "id" in parameters:
        parameters["id"] = foreign
    path = case.path.format(**{name: quote(str(value), safe="") for name, value in parameters.items()})
    headers = {name: value for name, value in (case.headers or {}).items() if name == "Idempotency-Key"}
    body = body_of(case)
    query = urlencode(case.query or {}, doseq=True)
    answer = client.generic(
        case.method, path, body, case.media_type or "application/json", query_string=query, headers=headers
    )
    return answer, f"{path} {query} {body!r}"  # type: ignore[return-value]


def body_of(case: Case) -> bytes:
    if case.body is NOT_SET or isinstance(case.body, bytes):
        return b"" if case.body is NOT_SET else case.body
    if isinstance(case.body, str) and "json" not in (case.media_type or ""):
        return case.body.encode("utf-8", "surrogatepass")
    return json.dumps(case.body).encode()


@pytest.mark.parametrize("who", CALLERS)
def test_no_call_breaks_it_and_none_tells_what_is_foreign(cast: Cast, foreign: Foreign, who: str) -> None:
    client = session(getattr(cast, who)).client
    for operation in OPERATIONS:
        if who == "admin" and "/audit/" in operation.path:
            continue  # an administrator reads the log, where everything is

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(cases_of(operation), st.sampled_from(["", *foreign.ids]))
        def whatever_is_asked(case: Case, instead: str) -> None:
            with rolled_back():
                answer, asked = call(client, case, instead)
                described = DESCRIPTION["paths"][case.operation.path][case.method.lower()]["responses"]
                assert answer.status_code < 500 or str(answer.status_code) in described, asked
                foreign.assert_not_told(answer, asked)

        whatever_is_asked()
