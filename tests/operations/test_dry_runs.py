"""A dry run tells what would happen, and nothing happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from playbooks.models import PlaybookVersion
from playbooks.operations import dry_runs
from playbooks.operations.dry_runs import About, DryRun
from tests.cast import ATTACKER, Cast, connect, publish

SAMPLE = {
    "source": "suricata",
    "title": "Exploit attempt",
    "severity": 90,
    "observables": {"ip": [ATTACKER]},
}


@pytest.fixture
def block(db: None, cast: Cast) -> PlaybookVersion:
    connect(cast)
    return publish(cast)


def walk(
    cast: Cast,
    version: PlaybookVersion,
    who: str = "analyst",
    choose: Mapping[str, Any] | None = None,
    **more: Any,
) -> DryRun:
    about = About(choose=choose or {}, **more)
    return dry_runs.dry_run(version.playbook.slug, version.number, about, caller=cast.caller(who))


def statuses(told: DryRun) -> dict[str, str]:
    return {each.key: each.status for each in told.path}


def test_it_walks_to_the_end_and_tells_what_would_be_sent_and_asked(
    cast: Cast, block: PlaybookVersion
) -> None:
    told = walk(cast, block, sample=SAMPLE)
    assert set(statuses(told).values()) == {"taken"}
    assert [each.step for each in told.actions] == ["reputation", "owner", "block", "tell"]
    assert told.actions[2].parameters == {"address": ATTACKER, "hours": 24}
    assert told.triggered is not None
    assert told.triggered.fires
    (approval,) = told.approvals
    assert approval.question == f"Block {ATTACKER} at the edge for 24 hours?"
    assert approval.deciders == ("Netowner", "Tier2")
    assert [each["step"] for each in approval.covered] == ["block"]
    assert told.outputs == {"blocked": ATTACKER}
