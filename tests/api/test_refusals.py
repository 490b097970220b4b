"""Every refusal is in the audit log, with its rule."""

from __future__ import annotations

import pytest

from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import Run
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.sessions import _refuse_token
from tests.api.callers import at_the_gate, bearer, session, token_of
from tests.cast import Cast, connect, publish


def test_a_call_without_the_permission_is_recorded(cast: Cast) -> None:
    answer = session(cast.outsider).post("runs/", {"playbook": "block-attacker"})
    assert (answer.status_code, answer.json()["rule"]) == (403, "no_permission")
    (entry,) = reading.entries(verb=Verb.ACTION_REFUSED)
    body = reading.body_of(entry.pk)
    assert body is not None
    assert (body.actor_id, body.facts["rule"], body.facts["call"]) == (
        str(cast.outsider.pk),
        "no_permission",
        "POST /api/v1/runs/",
    )


@pytest.mark.parametrize(("path", "rule"), [("cases/", "out_of_scope"), ("connections/", "session_only")])
def test_what_a_token_may_not_do_is_recorded(cast: Cast, path: str, rule: str) -> None:
    token = token_of(cast.admin, "runs")
    answer = token.get(path) if path == "cases/" else token.post(path, {})
    assert (answer.status_code, answer.json()["rule"]) == (403, rule)
    (entry,) = reading.entries(verb=Verb.ACTION_REFUSED)
    body = reading.body_of(entry.pk)
    assert body is not None
    assert (body.actor_id, body.facts["rule"]) == (str(cast.admin.pk), rule)


def test_a_refused_decision_is_recorded_once(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    session(cast.outsider).post(
        f"approvals/{request.pk}/decide/", {"verdict": "approve", "digest": request.digest, "comment": ""}
    )
    assert reading.entries(verb=Verb.DECISION_REFUSED).count() == 1
    assert reading.entries(verb=Verb.ACTION_REFUSED).count() == 0


def test_bad_tokens_are_recorded_once_a_minute_from_an_address(cast: Cast) -> None:
    _refuse_token.cache_clear()
    for _ in range(3):
        assert bearer("csn_wrong").get("runs/").status_code == 401
    assert reading.entries(verb=Verb.TOKEN_REFUSED).count() in {1, 2}  # a minute may end between two calls


def test_whoever_posts_an_alert_counts_as_asking_for_what_it_triggers(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    people.grant(cast.tier2, "analyst", actor=SYSTEM, granted_by=None)
    people.create_source("suricata", kind="suricata", actor=SYSTEM)
    alert = {
        "source": "suricata",
        "title": "Made up",
        "severity": 90,
        "observables": {"ip": ["203.0.113.9"]},
    }
    answer = session(cast.tier2).post("alerts/", alert)
    (run,) = Run.objects.filter(pk__in=answer.json()["runs"])
    assert run.requested_by == cast.tier2
