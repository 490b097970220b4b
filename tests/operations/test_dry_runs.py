"""A dry run tells what would happen, and nothing happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from playbooks.domain.policies.never_touch import TargetKind
from playbooks.models import Notice, PermitUse, PlaybookVersion
from playbooks.operations import dry_runs, never_touch, people, playbooks
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.dry_runs import About, DryRun
from tests.cast import ATTACKER, Cast, connect, publish
from tests.executor.test_policies import put_in_force, second, text

__all__ = ["second"]

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


def test_a_draft_that_runs_another_is_walked_with_what_it_would_pin_now(
    cast: Cast, block: PlaybookVersion
) -> None:
    text = (
        "playbook: around\ntitle: Around\nsteps:\n"
        f"  - {{id: contain, run: block-attacker, with: {{address: {ATTACKER}}}}}\n"
        "  - {id: other, needs: [], run: nowhere}\n"
    )
    draft = playbooks.draft(text, caller=cast.caller("author"))
    told = walk(cast, draft, choose={"contain": {"gate": "deny"}})
    assert statuses(told) == {"contain": "failed", "other": "failed"}
    contain, other = told.path
    assert contain.run is not None
    assert [step.status for step in contain.run.path] == ["taken", "taken", "failed", "skipped", "skipped"]
    assert other.sentence == "nowhere has no published version, so it cannot be run."
    assert [each.step for each in told.approvals] == ["contain › gate"]


def test_whoever_asks_and_whoever_wrote_it_could_not_decide(cast: Cast, block: PlaybookVersion) -> None:
    people.grant(cast.author, "tier-2", actor=SYSTEM, granted_by=None)
    told = walk(cast, block, who="analyst", inputs={"address": ATTACKER})
    (approval,) = told.approvals
    assert approval.deciders == ("Netowner", "Tier2")
    assert [(each.name, each.rule) for each in approval.barred or ()] == [("Author", "own_playbook")]
    people.revoke(cast.netowner, "network-owner", actor=SYSTEM)
    (approval,) = walk(cast, block, inputs={"address": ATTACKER}).approvals
    assert approval.problem == "Nobody can fill the seat network-owner, so this would never be granted."


def test_ten_thousand_turns_are_walked_and_twenty_are_shown(cast: Cast, block: PlaybookVersion) -> None:
    text = (
        "playbook: many\ntitle: Many\ninputs: {items: {type: list}}\nsteps:\n"
        "  - id: all\n    each: ${ inputs.items }\n    steps: [{id: one, set: {item: '${ item }'}}]\n"
        "outputs: {count: '${ steps.all.outputs.count }'}\n"
    )
    draft = playbooks.draft(text, caller=cast.caller("author"))
    told = walk(cast, draft, inputs={"items": list(range(10_000))})
    assert (told.status, told.outputs) == ("succeeded", {"count": 10_000})
    assert (len(told.path[0].turns), told.path[0].turns_left_out) == (20, 9_980)
    assert any("first 20 turns" in note for note in told.notes)


UNGUARDED = """\
playbook: unguarded
title: Unguarded
steps:
  - id: block
    do: nftables.block_address
    using: edge-firewall
    with: {address: 203.0.113.9, hours: 24}
"""


def test_it_tells_what_policies_would_ask_where_no_gate_does(
    cast: Cast, block: PlaybookVersion, default_policies: None
) -> None:
    told = walk(cast, publish(cast, UNGUARDED))
    (approval,) = told.approvals
    assert (approval.step, approval.seats) == ("block", ("tier-2",))
    assert approval.policies == ("change-in-production 1",)
    assert "change-in-production 1" in approval.question
    assert statuses(told) == {"block": "taken"}


def test_it_shows_who_would_countersign_and_neither_uses_a_provisional_nor_tells_anybody(
    cast: Cast, block: PlaybookVersion, second: Caller, settings: Any
) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    people.set_email(cast.tier2, "tier2@example.org", actor=SYSTEM)
    caps = "minutes: 30, targets: 1, actions: [nftables.block_address], seats: [{role: tier-2}]"
    put_in_force(cast, text("contain", provisional=f"{{{caps}}}"), second)
    put_in_force(cast, text("tell", notify="{to: [{role: tier-2}]}"))
    told = walk(cast, publish(cast, UNGUARDED))
    (approval,) = told.approvals
    assert (approval.seats, approval.policies) == (("tier-2",), ("contain 1",))
    assert statuses(told) == {"block": "taken"}
    assert not PermitUse.objects.exists()
    assert not Notice.objects.exists()
    (at_gate,) = walk(cast, block, sample=SAMPLE).approvals
    assert at_gate.policies == ()


def test_a_gate_that_asks_enough_asks_no_more_in_a_dry_run(
    cast: Cast, block: PlaybookVersion, default_policies: None
) -> None:
    (approval,) = walk(cast, block, sample=SAMPLE).approvals
    assert approval.seats == ("tier-2", "network-owner")
    assert approval.policies == ("change-in-production 1",)


def test_it_tells_what_a_policy_would_forbid_and_what_is_never_touched(
    cast: Cast, block: PlaybookVersion
) -> None:
    never_touch.add(TargetKind.ADDRESS, "203.0.113.0/24", caller=cast.caller("author"), reason="Ours.")
    told = walk(cast, publish(cast, UNGUARDED))
    assert statuses(told) == {"block": "failed"}
    assert told.path[0].sentence == "203.0.113.9 is never touched (address 203.0.113.0/24): Ours."
