"""Evidence (cases 53 to 58) and many at once (cases 60 and 61): what is recorded can neither be lost nor bent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.urls import reverse

from playbooks.api import urls as api_urls
from playbooks.audit import verification
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.domain.statuses import StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Run
from playbooks.models.audit import AuditBody, AuditEntry
from playbooks.web import urls as web_urls
from tests.abuse.conftest import Gate
from tests.abuse.doors import OPERATION, decide, drive, facts_of, refused, sent
from tests.api.callers import session
from tests.cast import Cast
from tests.databases import walls_down
from tests.executor.test_receipts import STEPS
from tests.executor.world import World
from tests.proving import prove_decision

HOSTILE = "=cmd|' /C calc'!A0\r\n\x1b[31mred\u202efdp.exe"


# 53 a decision's entry deleted before the run


def test_case_53_an_entry_that_a_database_administrator_deletes_is_missed(gate: Gate, tmp_path: Path) -> None:
    signer = load_signer(tmp_path)
    decide(OPERATION, gate.cast.tier2, gate.request)
    sequence_once(signer)
    assert not list(verification.problems(signer.key))
    entry = AuditEntry.objects.filter(verb=Verb.DECISION_MADE).latest("pk")
    with walls_down(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM playbooks_auditbody WHERE entry_id = %s", [entry.pk])
    assert list(verification.problems(signer.key))


# 54 sequencer down (destroying actions wait)


def test_case_54_nothing_is_destroyed_while_nothing_is_signed(
    begin: Callable[..., Run], world: World, cast: Cast
) -> None:
    run = drive(begin(STEPS))
    request = run.requests.get()
    prove_decision(cast.caller("tier2"), request)
    assert decide(OPERATION, cast.tier2, request).status == 200
    drive(run)
    wipe = run.steps.get(key="wipe")
    assert (wipe.status, wipe.wait_reason) == (StepStatus.WAITING, WaitReason.RECEIPT)
    assert not world.effects


# 55 the entry cannot be written (nothing happens)


def test_case_55_a_decision_that_cannot_be_recorded_is_none(gate: Gate) -> None:
    vote = {"verdict": "approve", "digest": gate.request.digest, "comment": "\ud800"}
    assert session(gate.cast.tier2).post(f"approvals/{gate.request.pk}/decide/", vote).status_code == 400
    assert gate.request.decisions.count() == 0
    assert not AuditEntry.objects.filter(verb=Verb.DECISION_MADE).exists()


# 58 CR/LF, formulas, ANSI, bidi and confusable names in comments


def test_case_58_a_comment_is_kept_as_written_and_shown_harmlessly(gate: Gate) -> None:
    vote = {"verdict": "approve", "digest": gate.request.digest, "comment": HOSTILE}
    assert session(gate.cast.tier2).post(f"approvals/{gate.request.pk}/decide/", vote).status_code == 200
    assert facts_of(Verb.DECISION_MADE)["comment"] == HOSTILE
    page = (
        session(gate.cast.netowner).client.get(reverse("approval", args=[gate.request.pk])).content.decode()
    )
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_case_58_a_refused_decision_keeps_its_comment_on_one_line_of_the_log(gate: Gate) -> None:
    decide(OPERATION, gate.cast.analyst, gate.request)
    body = AuditBody.objects.latest("entry_id").body
    assert b"\n" not in bytes(body)
    assert json.loads(bytes(body))["verb"] == Verb.DECISION_REFUSED


# 60 bulk decisions with one forbidden item


def test_case_60_no_address_decides_several_requests_at_once() -> None:
    """There is one decision a call, on one digest; a list is one request over exactly its items."""
    addresses = [str(each.pattern) for each in (*api_urls.urlpatterns, *web_urls.urlpatterns)]
    decisions = [each for each in addresses if "decide" in each]
    assert decisions == ["approvals/<uuid:pk>/decide/", "approvals/<uuid:pk>/decide"]


# 61 "approve all future runs"


@pytest.mark.parametrize("field", ["always", "remember", "future", "until"])
def test_case_61_an_approval_is_of_one_digest_and_of_nothing_that_comes_later(gate: Gate, field: str) -> None:
    vote = {"verdict": "approve", "digest": gate.request.digest, field: True}
    assert session(gate.cast.tier2).post(f"approvals/{gate.request.pk}/decide/", vote).status_code == 400
    refused(OPERATION, gate.cast.analyst, gate.request, "own_request")
    assert sent(gate.run) == []
