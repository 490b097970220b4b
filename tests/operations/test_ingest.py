"""Alerts come in once, whole, in a case, with the runs that they trigger and the reasons of those that they do not."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import replace

import pytest
from django.utils import timezone

from playbooks.domain.alerts import ALERT_FIELDS, NormalAlert, normal
from playbooks.models import Alert, AlertRaw, Case, Run
from playbooks.operations import alerts, people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Refused
from playbooks.operations.runs import alert_scope
from tests.cast import ATTACKER, Cast, connect, publish

BODY: dict[str, object] = {
    "source": "scanner",
    "external_id": "a-1",
    "title": "Odd login",
    "severity": 80,
    "observables": {"ip": [ATTACKER]},
}
LISTENER = """\
playbook: {name}
title: Listener
triggers: [{triggers}]
inputs: {{{inputs}}}
steps:
  - id: note
    set: {{seen: true}}
"""


def alert_of(**changes: object) -> NormalAlert:
    alert = normal({**BODY, **changes}, timezone.now())
    assert isinstance(alert, NormalAlert), alert
    return alert


def ingest(alert: NormalAlert | None = None, source: str = "scanner") -> alerts.Accepted:
    alert = alert or alert_of()
    row = people.create_source(source, kind="countersign", actor=SYSTEM)
    return alerts.ingest(alert, source=row, raw=json.dumps(BODY).encode(), actor=SYSTEM)


def listen(cast: Cast, *triggers: str, name: str = "listener", inputs: str = "") -> None:
    written = ", ".join(f"{{alert: {json.dumps(trigger)}}}" for trigger in triggers)
    publish(cast, LISTENER.format(name=name, triggers=written, inputs=inputs))


def considered(accepted: alerts.Accepted) -> dict[str, tuple[bool, str]]:
    rows = Alert.objects.get(pk=accepted.alert).considered
    return {row["playbook"]: (row["run"] is not None, row["reason"]) for row in rows}


def test_the_posted_bytes_are_kept_as_they_were(db: None) -> None:
    accepted = ingest()
    raw = AlertRaw.objects.get(alert=accepted.alert)
    posted = json.dumps(BODY).encode()
    assert zlib.decompress(bytes(raw.compressed)) == posted
    assert raw.sha256 == hashlib.sha256(posted).hexdigest()


def test_a_resend_counts_and_answers_the_same(cast: Cast) -> None:
    listen(cast, "alert.severity >= 70")
    first, second, third = ingest(), ingest(), ingest()
    assert (first.is_new, second.is_new, third.is_new) == (True, False, False)
    assert (first.alert, first.case, first.runs) == (third.alert, third.case, third.runs)
    assert Alert.objects.get().count == 3
    assert (Case.objects.count(), Run.objects.count()) == (1, 1)


def test_a_resend_after_a_newer_version_starts_nothing(cast: Cast) -> None:
    listen(cast, "alert.severity >= 70")
    first = ingest()
    listen(cast, "alert.severity >= 10")
    assert ingest().runs == first.runs
    assert Run.objects.count() == 1


def test_the_same_id_from_another_source_is_another_alert(db: None) -> None:
    assert ingest().alert != ingest(source="other").alert


def test_an_identity_that_no_column_holds_still_tells_alerts_apart(db: None) -> None:
    long = "x" * 499
    first, second = ingest(alert_of(external_id=long + "a")), ingest(alert_of(external_id=long + "b"))
    assert first.alert != second.alert
    assert ingest(alert_of(external_id=long + "a")).alert == first.alert
    assert all(len(identity) <= 200 for identity in Alert.objects.values_list("identity", flat=True))


def test_an_id_and_a_fingerprint_of_the_same_text_are_two_alerts(db: None) -> None:
    by_id = ingest(alert_of(external_id="same"))
    by_fingerprint = ingest(replace(alert_of(external_id=""), fingerprint="same"))
    assert by_id.alert != by_fingerprint.alert


def test_everything_that_an_expression_may_read_of_an_alert_is_there(db: None) -> None:
    row = Alert.objects.get(pk=ingest().alert)
    scope = alert_scope(row)
    assert set(scope) == set(ALERT_FIELDS)
    assert scope["external_id"] == "a-1"
    assert json.loads(json.dumps(scope)) == scope


def test_each_playbook_that_an_alert_triggers_gets_its_own_run(cast: Cast) -> None:
    listen(cast, "alert.severity >= 70", name="first")
    listen(cast, "alert.title.contains('login')", name="second")
    listen(cast, "alert.severity >= 90", name="third")
    accepted = ingest()
    assert len(accepted.runs) == 2
    assert set(Run.objects.values_list("case", flat=True)) == {accepted.case}
    reasons = considered(accepted)
    assert (reasons["first"][0], reasons["second"][0]) == (True, True)
    assert reasons["third"] == (False, "No trigger applies: alert.severity >= 90")


def test_a_trigger_that_cannot_be_evaluated_says_so_and_stops_nobody_else(cast: Cast) -> None:
    listen(cast, "alert.observables.domain[0] == 'x.example'", name="broken")
    listen(cast, "alert.severity >= 70", name="sound")
    reasons = considered(ingest())
    assert reasons["sound"][0]
    assert not reasons["broken"][0]
    assert "could not be evaluated" in reasons["broken"][1]


def test_a_trigger_that_cannot_be_evaluated_does_not_hide_the_next_one(cast: Cast) -> None:
    listen(cast, "alert.observables.domain[0] == 'x.example'", "alert.severity >= 70")
    accepted = ingest()
    assert len(accepted.runs) == 1
    assert considered(accepted)["listener"] == (True, "alert.severity >= 70")


def test_a_trigger_may_ask_for_the_time(cast: Cast) -> None:
    listen(cast, 'timestamp(now) > timestamp("2020-01-01T00:00:00Z")')
    assert len(ingest().runs) == 1


def test_inputs_that_the_alert_cannot_fill_start_no_run_and_lose_no_alert(cast: Cast) -> None:
    listen(cast, "true", inputs='host: {type: host, default: "${ alert.observables.host[0] }"}')
    accepted = ingest()
    assert accepted.runs == ()
    assert "inputs could not be filled" in considered(accepted)["listener"][1]
    assert Alert.objects.filter(pk=accepted.alert).exists()


def test_only_the_published_version_listens(cast: Cast) -> None:
    listen(cast, "alert.severity >= 70")
    listen(cast, "alert.severity >= 90")
    assert ingest().runs == ()


def test_what_an_alert_says_is_text_wherever_it_goes(cast: Cast) -> None:
    """An alert cannot smuggle an expression into a step."""
    connect(cast)
    publish(
        cast,
        "playbook: say\ntitle: Say\ntriggers: [{alert: 'true'}]\n"
        'inputs: {text: {type: string, default: "${ alert.title }"}}\n'
        'steps:\n  - id: note\n    set: {said: "${ inputs.text }"}\n',
    )
    title = "${ 1 + 1 } $${ x } <script>"
    accepted = ingest(alert_of(title=title))
    run = Run.objects.get(pk=accepted.runs[0])
    assert run.inputs == {"text": title}
    assert run.steps.get().outputs == {"said": title}


def test_an_alert_is_triaged_once(cast: Cast) -> None:
    accepted = ingest()
    alerts.triage(accepted.alert, caller=cast.caller("analyst"))
    with pytest.raises(Refused) as refusal:
        alerts.triage(accepted.alert, caller=cast.caller("analyst"))
    assert refusal.value.rule == "alert_not_new"
    with pytest.raises(Refused) as refusal:
        alerts.triage(accepted.alert, caller=cast.caller("outsider"))
    assert refusal.value.rule == "no_permission"
