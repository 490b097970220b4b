"""What the team's own files say: reputation and assets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from playbooks.connectors import contract
from playbooks.domain.outcomes import Failed, Outcome, Succeeded
from tests.connectors.conftest import make_context

LISTS = """network,verdict,score,source
198.51.100.0/24,malicious,92,blocklist
198.51.100.9,benign,,our scanner
2001:db8::/32,suspicious,,
203.0.113.0/24,benign,,partners
203.0.113.0/24,suspicious,70,feed
"""


def ask(key: str, address: str, **settings: object) -> Outcome:
    return contract.perform(key, make_context(settings), {"address": address})


def reputation(address: str, path: Path) -> Mapping[str, object]:
    outcome = ask("reputation.lookup_address", address, files=[str(path)])
    assert isinstance(outcome, Succeeded), outcome
    return outcome.outputs


@pytest.fixture(params=["csv", "json"])
def lists(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"lists.{request.param}"
    header, *rows = [line.split(",") for line in LISTS.splitlines()]
    records = [dict(zip(header, row, strict=True)) for row in rows]
    path.write_text(LISTS if request.param == "csv" else json.dumps(records))
    return path


@pytest.mark.parametrize(
    ("address", "verdict", "score", "sources"),
    [
        ("198.51.100.7", "malicious", 92, ["blocklist"]),
        ("::ffff:198.51.100.7", "malicious", 92, ["blocklist"]),
        ("198.51.100.9", "benign", 0, ["our scanner", "blocklist"]),
        ("203.0.113.5", "suspicious", 70, ["partners", "feed"]),
        ("192.0.2.1", "unknown", 0, []),
    ],
)
def test_the_narrowest_network_decides_and_of_equals_the_worst(
    lists: Path, address: str, verdict: str, score: int, sources: list[str]
) -> None:
    found = reputation(address, lists)
    assert found == {"address": address, "verdict": verdict, "score": score, "sources": sources}


def test_a_row_without_source_is_its_own(lists: Path) -> None:
    found = reputation("2001:db8::7", lists)
    assert (found["verdict"], found["score"]) == ("suspicious", 60)
    assert str(found["sources"]).startswith(f"['{lists.name} ")


ROW = "10.0.0.0/8,Nadia Reyes,Network operations,critical,production"


def test_an_owner_is_found_in_the_lines_of_the_connection() -> None:
    outcome = ask("assets.find_owner", "10.1.2.3", networks=[ROW, "0.0.0.0/0,Nobody,,,"])
    assert outcome == Succeeded(
        {
            "address": "10.1.2.3",
            "known": True,
            "owner": "Nadia Reyes",
            "team": "Network operations",
            "criticality": "critical",
            "environment": "production",
            "critical": True,
        }
    )


def test_an_address_that_nobody_listed_is_not_known() -> None:
    outcome = ask("assets.find_owner", "192.0.2.1", networks=[ROW])
    assert isinstance(outcome, Succeeded)
    assert (outcome.outputs["known"], outcome.outputs["criticality"]) == (False, "unknown")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "network,verdict\n198.51.100.0/33,malicious\n", "a.csv line 2 has no network"),
        ("a.csv", "network,verdict\n0.0.0.0/0,evil\n", "a.csv line 2 has a verdict"),
        ("a.csv", "network,verdict,score\n0.0.0.0/0,benign,500\n", "a.csv line 2 has a score"),
        ("a.csv", 'network,verdict\n"0.0.0.0/0,benign\n', "a.csv is not CSV"),
        ("a.json", "[1]", "a.json is not a JSON list of objects"),
        ("a.json", "s3cret", "a.json is not JSON"),
        ("a.json", "[" * 100_000, "a.json is not JSON"),
        ("a.json", '[{"network": null}]', "a.json item 1 has no network"),
    ],
)
def test_a_wrong_row_is_an_error_with_its_place_and_without_its_text(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    outcome = ask("reputation.lookup_address", "198.51.100.7", files=[str(path)])
    assert isinstance(outcome, Failed)
    assert words in outcome.sentence
    assert "s3cret" not in outcome.sentence


@pytest.mark.parametrize("connection", [{}, {"files": ["/there/is/none.csv"]}])
def test_without_a_list_nothing_is_called_unknown(connection: dict[str, object]) -> None:
    for key in ("reputation.lookup_address", "assets.find_owner"):
        outcome = ask(key, "198.51.100.7", **connection)
        assert isinstance(outcome, Failed)
        assert outcome.permanent
