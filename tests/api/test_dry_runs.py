"""Dry runs over the API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.callers import session, token_of
from tests.cast import ATTACKER, Cast, connect, publish

ADDRESS = "playbooks/block-attacker/versions/1/dry-run/"
SAMPLE = {"source": "suricata", "title": "Exploit", "severity": 90, "observables": {"ip": [ATTACKER]}}


@pytest.fixture(autouse=True)
def _in_force(cast: Cast) -> None:
    connect(cast)
    publish(cast)


def dry_run(cast: Cast, body: dict[str, Any], who: str = "author") -> Any:
    answer = session(getattr(cast, who)).post(ADDRESS, body)
    return answer.status_code, answer.json()


def test_it_answers_the_path_the_actions_and_the_approvals(cast: Cast) -> None:
    status, told = dry_run(cast, {"sample": SAMPLE})
    assert status == 200
    assert (told["status"], told["triggered"]["fires"], told["reads"]) == ("succeeded", True, "simulated")
    assert [step["key"] for step in told["path"]] == ["reputation", "owner", "gate", "block", "tell"]
    assert told["actions"][2]["parameters"] == {"address": ATTACKER, "hours": 24}
    assert told["actions"][2]["undo"]["action"] == "nftables.unblock_address"
    assert told["approvals"][0]["deciders"] == ["Netowner", "Tier2"]


def test_choices_walk_other_branches(cast: Cast) -> None:
    _, told = dry_run(cast, {"sample": SAMPLE, "choose": {"block": "fail"}})
    assert told["status"] == "failed"
    assert {step["key"]: step["status"] for step in told["path"]}["tell"] == "skipped"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"sample": {"title": "x"}}, "/sample/severity"),
        ({"inputs": {"address": "nobody"}}, "/inputs/address"),
        ({"sample": SAMPLE, "choose": {"gat": "deny"}}, "/choose/gat"),
        ({"sample": SAMPLE, "choose": {"gate": "fail"}}, "/choose/gate"),
        ({"sample": SAMPLE, "reads": "some"}, "/reads"),
        ({"sample": SAMPLE, "alert": "0190a0a0-0000-7000-8000-000000000000"}, "/sample"),
        ({"samples": SAMPLE}, "/samples"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(cast: Cast, body: dict[str, Any], pointer: str) -> None:
    status, problem = dry_run(cast, body)
    assert (status, problem["errors"][0]["pointer"]) == (400, pointer)


def test_only_who_writes_publishes_or_starts_may_ask_for_one(cast: Cast) -> None:
    assert dry_run(cast, {"sample": SAMPLE}, "publisher")[0] == 200
    assert dry_run(cast, {"sample": SAMPLE}, "analyst")[0] == 200
    assert dry_run(cast, {"sample": SAMPLE}, "compliance")[0] == 403
    assert dry_run(cast, {"sample": SAMPLE}, "outsider")[0] == 403
    assert token_of(cast.author, "read").post(ADDRESS, {"sample": SAMPLE}).status_code == 403
    assert token_of(cast.author, "author").post(ADDRESS, {"sample": SAMPLE}).status_code == 200


def test_real_systems_are_asked_only_for_who_may_start_runs(cast: Cast) -> None:
    assert dry_run(cast, {"sample": SAMPLE, "reads": "performed"})[0] == 403
    status, told = dry_run(cast, {"sample": SAMPLE, "reads": "performed"}, "analyst")
    assert status == 200
    answers = {each["step"]: each["answer"] for each in told["actions"]}
    assert answers == {"reputation": "performed", "owner": "performed", "block": "example", "tell": "example"}


def test_a_version_that_is_not_there_is_not_found(cast: Cast) -> None:
    answer = session(cast.author).post(ADDRESS.replace("/1/", "/9/"), {"sample": SAMPLE})
    assert answer.status_code == 404
