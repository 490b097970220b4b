"""The seats of a gate: written, checked, named, and one for each owner of what is changed behind it."""

from __future__ import annotations

import pytest

from playbooks.connectors.registry import catalogue
from playbooks.domain.check import check
from playbooks.domain.playbook import Playbook
from playbooks.domain.seat_names import seats_of_gate

GATED = """\
playbook: gated
title: Gated
steps:
  - id: gate
    approve: May it?
    seats: {seats}
{more}  - id: block
    do: {action}
    using: edge
    with: {{address: 203.0.113.9, hours: 24}}
  - id: other
    do: nftables.block_address
    using: {other}
    with: {{address: 203.0.113.9, hours: 24}}
  - id: tell
    do: notify.send
    with: {{text: Done}}
"""


def text(seats: str, *, more: str = "", action: str = "nftables.block_address", other: str = "core") -> str:
    return GATED.format(seats=seats, more=more, action=action, other=other)


def problems_of(written: str) -> list[str]:
    return [each.message for each in check(written, catalogue()).problems]


def seats(written: str) -> tuple[str, ...]:
    playbook = check(written, catalogue()).playbook
    assert isinstance(playbook, Playbook)
    return seats_of_gate(playbook, playbook.steps[0], catalogue())


def test_each_owner_of_a_system_that_is_changed_has_a_seat() -> None:
    assert seats(text("[{role: tier-2}, {owner_of: target}]")) == ("tier-2", "owner_of:edge", "owner_of:core")
    assert seats(text("[{owner_of: target}]", other="edge")) == ("owner_of:edge",)


def test_a_rota_is_a_seat() -> None:
    assert seats(text("[{on_call: network}, {on_call: network}]")) == ("on_call:network", "on_call:network")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[{role: a, on_call: b}]", "exactly one of"),
        ("[{}]", "exactly one of"),
        ("[{owner_of: alert}]", "owner_of"),
        ("[{on_call: No}]", "no name"),
    ],
)
def test_a_seat_is_one_thing(written: str, words: str) -> None:
    assert any(words in each for each in problems_of(text(written)))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("    to: [{role: publisher}]\n", "belongs to 'late: escalate'"),
        ("    late: hold\n    to: [{role: publisher}]\n", "belongs to 'late: escalate'"),
        ("    late: escalate\n    to: [{owner_of: target}]\n", "the owners are among its seats"),
        ("    deny: 0\n", "at least 1"),
        ("    deny: 21\n", "at most 20"),
    ],
)
def test_what_a_gate_says_of_denials_and_of_lateness_is_checked(more: str, words: str) -> None:
    assert any(words in each for each in problems_of(text("[{role: tier-2}]", more=more)))


def test_an_owner_is_asked_only_where_something_is_changed() -> None:
    plain = (
        "playbook: p\ntitle: P\nsteps:\n  - id: gate\n    approve: May it?\n    seats: [{owner_of: target}]\n"
    )
    plain += "  - id: tell\n    do: notify.send\n    with: {text: Done}\n"
    assert any("nobody owns" in each for each in problems_of(plain))
