"""Bad input is refused with its place, never with a stack trace, and never half-taken."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from playbooks.models import Alert, Playbook
from tests.api.callers import BASE, EVENT, NORMAL, nobody, sender, session, token_of
from tests.cast import BLOCK, Cast

DEEP = b"[" * 1000 + b"]" * 1000

BODIES: list[Any] = [
    pytest.param(b'{"title": "x",\n "severity": }', 400, "2:14", id="malformed JSON"),
    pytest.param(b'{"title": "x", "severity": NaN}', 400, "NaN", id="NaN"),
    pytest.param(b'{"title": "x", "title": "y", "severity": 1}', 400, "given twice", id="a key twice"),
    pytest.param(
        b'{"title": ' + DEEP + b', "severity": 1}', 400, "deeper than 64", id="depth 1000 in an object"
    ),
    pytest.param(DEEP, 400, "deeper than 64", id="depth 1000 in an array"),
    pytest.param(b'{"title": "\\ud800", "severity": 1}', 400, "surrogate", id="a lone surrogate"),
    pytest.param(b'{"title": "\xff", "severity": 1}', 400, "not UTF-8", id="no UTF-8"),
    pytest.param(b'[{"title": "x", "severity": 1},]', 400, "not JSON", id="a comma too many"),
    pytest.param(b'[{"title": "x", "severity": 1}] x', 400, "not JSON", id="something after the array"),
    pytest.param(b'"text"', 400, "JSON object", id="no object"),
    pytest.param(b"", 400, "not JSON", id="nothing"),
    pytest.param(
        json.dumps({**NORMAL, "description": "x" * 2_000_000}).encode(), 413, "1 MiB", id="an alert of 2 MB"
    ),
    pytest.param(b" " * (10 * 1024 * 1024 + 1), 413, "10 MiB", id="a request of more than 10 MiB"),
    pytest.param(json.dumps([NORMAL] * 1001).encode(), 413, "1000 alerts", id="1001 alerts"),
    pytest.param(b'{"title": "x", "severity": 101}', 400, "/severity", id="a severity of 101"),
    pytest.param(b'{"title": "x", "severity": 1, "serverity": 2}', 400, "/serverity", id="an unknown field"),
]


@pytest.mark.parametrize(("body", "status", "said"), BODIES)
def test_a_bad_alert_is_refused_with_its_place(cast: Cast, body: bytes, status: int, said: str) -> None:
    answer = session(cast.analyst).post("alerts/", body)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail"} <= problem.keys()
    assert said in json.dumps(problem)
    assert not Alert.objects.exists()


def test_errors_point_into_the_body(cast: Cast) -> None:
    problem = session(cast.analyst).post("runs/", {"version": "x", "wat": 1, "inputs": []}).json()
    assert {each["pointer"] for each in problem["errors"]} == {"/playbook", "/version", "/wat", "/inputs"}


def test_malformed_json_is_refused_with_line_and_column(cast: Cast) -> None:
    (error,) = session(cast.analyst).post("runs/", b'{"playbook":\n  "x" "y"}').json()["errors"]
    assert (error["line"], error["column"]) == (2, 7)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}])
def test_no_token_and_a_wrong_token_are_answered_alike(cast: Cast, headers: dict[str, str]) -> None:
    answer = nobody().client.post(BASE + "alerts/", b"{}", content_type="application/json", headers=headers)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer["Content-Type"] == "application/problem+json"


def test_a_broken_playbook_is_refused_with_line_and_column(cast: Cast) -> None:
    text = BLOCK.replace("    do: nftables.block_address", "    do: nftables.block_adress").encode()
    answer = session(cast.author).post("playbooks/", text, media="text/yaml")
    assert answer.status_code == 400
    (problem,) = answer.json()["problems"]
    line = BLOCK.splitlines().index("    do: nftables.block_address") + 1
    assert (problem["line"], problem["column"]) == (line, 9)
    assert "nftables.block_address" in problem["message"]
    assert not Playbook.objects.exists()


@pytest.mark.parametrize("text", [b"a: [", b"\xff", b"", b"a: *b", b"[" * 30_000])
def test_a_text_that_is_no_yaml_is_refused_with_its_place(cast: Cast, text: bytes) -> None:
    problem = session(cast.author).post("playbooks/", text, media="text/yaml").json()
    assert problem["status"] == 400
    assert all(each["line"] >= 1 and each["column"] >= 1 for each in problem["errors"])
    assert problem["errors"]


def test_a_body_of_another_type_is_refused(cast: Cast) -> None:
    answer = session(cast.analyst).post("runs/", b"a=b", media="application/x-www-form-urlencoded")
    assert answer.status_code == 415
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query",
    [{"status": "x" * 1000}, {"case": "x"}, {"wat": "1"}, {"ordering": "sentence"}, {"cursor": "wat"}],
)
def test_a_query_that_means_nothing_is_an_error(cast: Cast, query: dict[str, str]) -> None:
    answer = session(cast.analyst).get("runs/", **query)
    assert answer.status_code == 200 if query.keys() == {"status"} else answer.status_code in {400, 404}


def cursor(position: bytes) -> str:
    return base64.b64encode(b"p=" + position).decode()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("alerts/", {"cursor": cursor(b"garbage")}),
        ("alerts/", {"cursor": cursor(b"a%00b")}),
        ("alerts/", {"cursor": cursor(b"garbage"), "ordering": "severity"}),
        ("approvals/", {"cursor": cursor(b"garbage"), "for": "me"}),
        ("alerts/", {"received_from": "0001-01-01T00:00:00+14:00"}),
        ("alerts/", {"received_to": "9999-12-31T23:59:59-14:00"}),
    ],
)
def test_a_forged_cursor_and_a_time_beyond_the_calendar_are_errors_of_the_caller(
    cast: Cast, path: str, query: dict[str, str]
) -> None:
    assert session(cast.tier2).get(path, **query).status_code == 400


def test_a_body_in_chunks_is_refused_and_not_taken_for_an_empty_one(cast: Cast) -> None:
    api = session(cast.analyst)
    answer = api.client.generic("POST", f"{BASE}alerts/", headers={"Transfer-Encoding": "chunked"})
    assert (answer.status_code, answer.json()["detail"]) == (
        411,
        "Send the body with a Content-Length, not in chunks.",
    )


def test_an_address_that_does_not_exist_is_a_problem_too(cast: Cast) -> None:
    for path in ("nowhere/", "runs/not-an-id/", "runs"):
        answer = session(cast.analyst).get(path)
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_an_idempotency_key_of_a_mile_is_refused(cast: Cast) -> None:
    answer = session(cast.analyst).post("runs/", {"playbook": "x"}, Idempotency_Key="k" * 201)
    assert answer.status_code == 400


def test_a_list_keeps_what_is_good(cast: Cast) -> None:
    good, bad, broken = json.dumps(NORMAL), '{"title": ""}', '{"title": "x", "severity": NaN}'
    answer = session(cast.analyst).post("alerts/", f"[{good},\n{bad},\n {broken}]".encode())
    assert answer.status_code == 202
    first, second, third = answer.json()["results"]
    assert first["id"] == str(Alert.objects.get().pk)
    assert {each["pointer"] for each in second["errors"]} == {"/title", "/severity"}
    assert (third["errors"][0]["line"], third["errors"][0]["column"]) == (3, 29)


def test_lines_keep_what_is_good(db: None) -> None:
    lines = [
        json.dumps(EVENT),
        "{",
        "",
        json.dumps({**EVENT, "event_type": "dns"}),
        json.dumps({**EVENT, "flow_id": 2}),
    ]
    answer = sender().post("ingest/suricata/", "\n".join(lines).encode(), media="application/x-ndjson")
    results = answer.json()["results"]
    assert [("id" in each, each["index"]) for each in results] == [
        (True, 0),
        (False, 1),
        (False, 2),
        (True, 3),
    ]
    assert results[1]["errors"][0]["line"] == 2
    assert results[2]["errors"][0]["pointer"] == "/event_type"


def test_a_token_without_the_scope_is_refused_by_name(cast: Cast) -> None:
    answer = token_of(cast.analyst, "read").post("runs/", {"playbook": "block-attacker"})
    assert answer.status_code == 403
    assert "scope runs" in answer.json()["detail"]
