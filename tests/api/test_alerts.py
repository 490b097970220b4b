"""Alerts over HTTP: accepted means durable, a resend is the same alert, sources keep to themselves."""

from __future__ import annotations

import hashlib
import json
import zlib
from datetime import timedelta

import pytest
from django.utils import timezone

from playbooks.models import Alert, Case, Source, Token
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.api.callers import EVENT, NORMAL, bearer, sender, session, source_of, token_of
from tests.cast import Cast, connect, publish


def test_an_alert_of_a_source_is_answered_with_its_case_and_its_runs(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    answer = sender().post("ingest/suricata/", EVENT)
    assert answer.status_code == 202
    alert = Alert.objects.get()
    assert answer.json() == {
        "id": str(alert.pk),
        "duplicate_of": None,
        "case": str(alert.case_id),
        "runs": [str(alert.runs.get().pk)],
    }


def test_a_resend_makes_no_second_alert(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    api = sender()
    first, second = api.post("ingest/suricata/", EVENT).json(), api.post("ingest/suricata/", EVENT).json()
    assert second == {**first, "duplicate_of": first["id"]}
    assert (Alert.objects.count(), Case.objects.count()) == (1, 1)


def test_the_posted_bytes_are_kept_exactly(cast: Cast) -> None:
    odd = b'  {"severity" :\t40, "title": "caf\\u00e9 \xc3\xa9"  ,"external_id":"1"} \n'
    answer = session(cast.analyst).post("alerts/", odd)
    alert = Alert.objects.get()
    assert zlib.decompress(alert.raw.compressed) == odd
    view = session(cast.analyst).get(f"alerts/{answer.json()['id']}/").json()
    assert (view["raw"].encode(), view["raw_sha256"]) == (odd, hashlib.sha256(odd).hexdigest())


def test_each_alert_of_an_array_keeps_its_own_bytes(cast: Cast) -> None:
    one, two = b'{"title": "a", "severity" : 1}', '{"title":"é ], [","severity":2}'.encode()
    answer = session(cast.analyst).post("alerts/", b" [ " + one + b" ,\n" + two + b"]\n")
    ids = [each["id"] for each in answer.json()["results"]]
    kept = [zlib.decompress(Alert.objects.get(pk=pk).raw.compressed) for pk in ids]
    assert kept == [one, two]


def test_an_empty_list_is_no_error(cast: Cast) -> None:
    assert session(cast.analyst).post("alerts/", []).json() == {"results": []}


def test_an_alert_in_normal_form_names_its_source(cast: Cast) -> None:
    api = token_of(cast.analyst, "ingest")
    assert api.post("alerts/", {**NORMAL, "source": "siem"}).status_code == 202
    assert api.post("alerts/", NORMAL).status_code == 202
    assert {(each.slug, each.kind) for each in Source.objects.all()} == {
        ("siem", "normal"),
        ("api", "normal"),
    }


@pytest.mark.parametrize("path", ["ingest/suricata/", "alerts/", "runs/", "approvals/", "cases/", "health/"])
def test_a_source_may_post_to_its_own_address_only(cast: Cast, path: str) -> None:
    source_of("suricata", "suricata")
    other = sender("falco", "normal")
    assert other.post(path, EVENT).status_code in {403, 405}
    assert not Alert.objects.exists()


def test_a_source_reads_nothing(cast: Cast) -> None:
    api = sender()
    assert {api.get(path).status_code for path in ("alerts/", "approvals/", "audit/entries/", "tokens/")} == {
        403
    }
    assert api.get("health/").json().keys() == {"ok", "checks"}
    assert api.get("health/").json()["checks"] == []


def test_a_token_that_is_over_opens_nothing(cast: Cast) -> None:
    source = source_of("suricata", "suricata")
    text = people.issue_source_token(source, actor=SYSTEM)
    for over in ({"expires_at": timezone.now() - timedelta(seconds=1)}, {"revoked_at": timezone.now()}):
        Token.objects.update(expires_at=None, revoked_at=None)
        assert bearer(text).post("ingest/suricata/", EVENT).status_code == 202
        Token.objects.update(**over)
        assert bearer(text).post("ingest/suricata/", EVENT).status_code == 401


def test_the_token_of_a_deactivated_person_opens_nothing(cast: Cast) -> None:
    api = token_of(cast.analyst, "read")
    assert api.get("alerts/").status_code == 200
    people.deactivate(cast.analyst, actor=SYSTEM)
    assert api.get("alerts/").status_code == 401


def test_an_unknown_source_is_not_found(cast: Cast) -> None:
    assert session(cast.analyst).post("ingest/nowhere/", EVENT).status_code == 404


def test_alerts_are_listed_filtered_and_paged(cast: Cast) -> None:
    api = session(cast.analyst)
    posted = [{"title": f"Alert {n}", "severity": n * 10, "external_id": str(n)} for n in range(5)]
    assert api.post("alerts/", posted).status_code == 202
    first = api.get("alerts/", page_size=2, ordering="-severity").json()
    assert [each["severity"] for each in first["results"]] == [40, 30]
    assert first.keys() == {"results", "next", "previous"}
    second = json.loads(api.client.get(first["next"]).content)
    assert [each["severity"] for each in second["results"]] == [20, 10]
    assert len(api.get("alerts/", severity_from=30).json()["results"]) == 2
    assert len(api.get("alerts/", received_from="2020-01-01", text="alert 3").json()["results"]) == 1
    assert api.get("alerts/", received_from="yesterday").status_code == 400
