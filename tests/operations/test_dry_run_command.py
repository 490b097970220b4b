"""`manage.py dry_run` tells the path, what would be sent, asked and taken back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.cast import ATTACKER, Cast, connect, publish


@pytest.fixture(autouse=True)
def _in_force(cast: Cast) -> None:
    connect(cast)
    publish(cast)


def dry_run(*arguments: str) -> str:
    said = io.StringIO()
    call_command("dry_run", *arguments, stdout=said)
    return said.getvalue()


def test_it_tells_the_path_of_the_newest_version() -> None:
    said = dry_run("block-attacker", "--input", f"address={ATTACKER}")
    assert "block: taken\n" in said
    assert f'would send block: nftables.block_address over edge-firewall {{"address":"{ATTACKER}"' in said
    assert "could decide now: Netowner, Tier2" in said
    assert said.endswith("block-attacker 1 succeeded\n")


def test_a_failure_that_was_chosen_is_taken_back(tmp_path: Path) -> None:
    sample = tmp_path / "alert.json"
    sample.write_text(json.dumps({"title": "x", "severity": 80, "observables": {"ip": [ATTACKER]}}))
    said = dry_run("block-attacker@1", "--sample", str(sample), "--choose", "tell=fail")
    assert "tell: failed It failed, as was chosen." in said
    assert "would take back block: nftables.unblock_address" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["block-attacker@x"], "PLAYBOOK@N"),
        (["nowhere"], "There is no playbook nowhere."),
        (["block-attacker"], "/inputs/address"),
        (["block-attacker", "--input", f"address={ATTACKER}", "--choose", "gate=fail"], "/choose/gate"),
        (["block-attacker", "--sample", "/nowhere.json"], "cannot be read"),
        (["block-attacker", "--as", "nobody"], "There is nobody called nobody"),
    ],
)
def test_what_cannot_be_walked_is_said(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        dry_run(*arguments)
