"""Alerts come into the normal form, or are refused with a pointer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.alerts import NormalAlert, Rejected, normal, suricata
from playbooks.domain.strict_json import read_json
from tests.servers import CORPORA

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "timestamp": "2026-01-31T10:29:59.000001+0100",
    "flow_id": 7,
    "event_type": "alert",
    "src_ip": "203.0.113.9",
    "dest_ip": "2001:0db8:0000:0000:0000:0000:0000:0005",
    "alert": {
        "signature_id": 2034647,
        "signature": "ET EXPLOIT Apache log4j RCE Attempt",
        "category": "Attempted Administrator Privilege Gain",
        "severity": 1,
        "metadata": {"mitre_technique_id": ["T1190"], "created_at": ["2021_12_10"]},
    },
    "http": {"hostname": "Shop.example.org", "url": "/a?b=${x}", "http_port": 8080},
    "tls": {"sni": "cdn.example.net"},
    "dns": {"query": [{"rrname": "evil.example"}], "answers": [{"rdata": "198.51.100.3"}]},
    "files": [{"filename": "/x", "md5": "D41D8CD98F00B204E9800998ECF8427E"}],
}


def accepted(result: NormalAlert | Rejected) -> NormalAlert:
    assert isinstance(result, NormalAlert), result
    return result


def pointers(result: NormalAlert | Rejected) -> list[str]:
    assert isinstance(result, Rejected), result
    return [fault.pointer for fault in result.faults]


def test_a_suricata_alert_becomes_the_normal_form() -> None:
    alert = accepted(suricata(EVENT, NOW))
    assert alert.title == "ET EXPLOIT Apache log4j RCE Attempt"
    assert (alert.severity, alert.severity_word) == (90, "1")
    assert alert.fingerprint == "2026-01-31T10:29:59.000001+0100/7/2034647"
    assert alert.detected_at == datetime(2026, 1, 31, 9, 29, 59, 1, tzinfo=UTC)
    assert alert.rule == {"id": "2034647", "name": alert.title, "techniques": ["T1190"]}
    assert dict(alert.observables) == {
        "ip": ("203.0.113.9", "2001:db8::5", "198.51.100.3"),
        "domain": ("shop.example.org", "evil.example", "cdn.example.net"),
        "url": ("http://Shop.example.org:8080/a?b=${x}",),
        "hash": ("d41d8cd98f00b204e9800998ecf8427e",),
    }


@pytest.mark.parametrize(("given_", "severity"), [(1, 90), (2, 60), (3, 30), (4, 10), (None, 30), (True, 30)])
def test_suricatas_priority_becomes_a_severity(given_: object, severity: int) -> None:
    event = EVENT | {"alert": EVENT["alert"] | {"severity": given_}}
    assert accepted(suricata(event, NOW)).severity == severity


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"event_type": "flow"}, "/event_type"),
        ({"event_type": None}, "/event_type"),
        ({"alert": []}, "/alert"),
        ({"alert": {}}, "/alert/signature_id"),
        ({"alert": {"signature_id": True}}, "/alert/signature_id"),
        ({"timestamp": "yesterday"}, "/timestamp"),
        ({"timestamp": 5}, "/timestamp"),
    ],
)
def test_an_event_that_is_no_alert_is_refused_with_a_pointer(change: dict[str, Any], pointer: str) -> None:
    assert pointers(suricata(EVENT | change, NOW)) == [pointer]


def test_events_of_no_flow_are_told_apart_by_their_addresses() -> None:
    event = {key: value for key, value in EVENT.items() if key != "flow_id"}
    other = event | {"src_ip": "203.0.113.10"}
    assert accepted(suricata(event, NOW)).fingerprint != accepted(suricata(other, NOW)).fingerprint


@pytest.mark.needs_corpora
def test_the_public_suricata_events_are_accepted_or_refused_by_their_type() -> None:
    found = sorted((CORPORA / "alerts" / "suricata").glob("*.json"))
    assert found
    for path in found:
        event: Any = read_json(path.read_bytes())
        result = suricata(event, NOW)
        if event["event_type"] == "alert":
            alert = accepted(result)
            assert alert.observables.get("ip", (None,))[0] == event.get("src_ip")
            assert alert.title
        else:
            assert pointers(result) == ["/event_type"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(EVENT)), ANY_JSON)
def test_no_value_of_any_field_crashes_the_mapping(field: str, value: object) -> None:
    assert isinstance(suricata(EVENT | {field: value}, NOW), NormalAlert | Rejected)


def test_our_own_form_is_taken_as_it_is() -> None:
    body = {
        "source": "edr",
        "external_id": "42",
        "title": "Beacon to hxxps://evil[.]example/a",
        "description": "seen on 198.51.100.3, hash d41d8cd98f00b204e9800998ecf8427e",
        "severity": 80,
        "detected_at": "2026-01-31T10:00:00+01:00",
        "rule": {"id": "r1", "name": "Beacon", "techniques": ["T1071"]},
        "observables": {"ip": ["2001:DB8::1"], "user": ["Ann"]},
        "assets": ["web-1", "web-1"],
    }
    alert = accepted(normal(body, NOW))
    assert alert.detected_at == datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
    assert alert.assets == ("web-1",)
    assert dict(alert.observables) == {
        "ip": ("2001:db8::1", "198.51.100.3"),
        "user": ("Ann",),
        "url": ("https://evil.example/a",),
        "domain": ("evil.example",),
        "hash": ("d41d8cd98f00b204e9800998ecf8427e",),
    }


def test_two_fields_are_enough_and_a_resend_has_the_same_fingerprint() -> None:
    first = accepted(normal({"title": "Look", "severity": 10}, NOW))
    later = accepted(normal({"title": "Look", "severity": 10}, datetime(2026, 2, 1, tzinfo=UTC)))
    assert first.fingerprint == later.fingerprint
    assert first.detected_at == NOW


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"titel": "x"}, ["/titel"]),
        ({"a/b~c": 1}, ["/a~1b~0c"]),
        ({"title": ""}, ["/title"]),
        ({"severity": 101}, ["/severity"]),
        ({"severity": True}, ["/severity"]),
        ({"severity": "80"}, ["/severity"]),
        ({"rule": {"nme": "x"}}, ["/rule/nme"]),
        ({"detected_at": "soon"}, ["/detected_at"]),
        ({"observables": {"ip": ["192.0.2.1", "z"], "ipp": []}}, ["/observables/ip/1", "/observables/ipp"]),
        ({"observables": {"ip": [5]}}, ["/observables/ip/0"]),
        ({"title": "x" * 301, "assets": [1]}, ["/title", "/assets/0"]),
    ],
)
def test_what_the_form_does_not_know_is_a_fault_with_its_pointer(
    change: dict[str, Any], found: list[str]
) -> None:
    assert pointers(normal({"title": "Look", "severity": 10} | change, NOW)) == found


@given(
    st.dictionaries(
        st.sampled_from(["title", "severity", "rule", "observables", "detected_at", "x"]), ANY_JSON
    )
)
def test_no_body_crashes_the_form(body: dict[str, object]) -> None:
    assert isinstance(normal(body, NOW), NormalAlert | Rejected)
