"""A block is judged at the network: do packets pass, and does an open connection die."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from playbooks.connectors import contract
from playbooks.domain.outcomes import Failed, Lost, Outcome, Succeeded
from tests.connectors.conftest import Firewall, make_context
from tests.netns import Network

BLOCK, UNBLOCK, LIST = "nftables.block_address", "nftables.unblock_address", "nftables.list_blocked"


def outputs(outcome: Outcome | None) -> Mapping[str, object]:
    assert isinstance(outcome, Succeeded), outcome
    return outcome.outputs


@pytest.mark.needs_netns
def test_a_blocked_address_reaches_nothing_and_its_open_connection_dies_until_it_is_unblocked(
    network: Network, firewall: Firewall
) -> None:
    address = network.attacker_address
    connection = network.open_connection()
    assert network.reaches()
    assert connection.is_alive()

    done = outputs(contract.perform(BLOCK, firewall(), {"address": address, "hours": 24}))
    assert done["changed"] is True
    assert not network.reaches()
    assert not connection.is_alive()
    assert network.reaches(ipv6=True)

    undo = {"address": address, "entry": done["entry"]}
    assert contract.verify(UNBLOCK, firewall(), undo, done) is None
    assert outputs(contract.perform(UNBLOCK, firewall(), undo))["changed"] is True
    assert network.reaches()
    assert network.open_connection().is_alive()


@pytest.mark.needs_netns
def test_an_ipv6_address_is_blocked_too(network: Network, firewall: Firewall) -> None:
    address = network.attacker_address_ipv6
    connection = network.open_connection(ipv6=True)
    contract.perform(BLOCK, firewall(), {"address": address, "hours": 1})
    assert not network.reaches(ipv6=True)
    assert not connection.is_alive()
    assert network.reaches()
    contract.perform(UNBLOCK, firewall(), {"address": address})
    assert network.reaches(ipv6=True)


@pytest.mark.needs_netns
def test_a_block_wins_over_the_routers_own_rule_for_established_connections(
    network: Network, firewall: Firewall
) -> None:
    network.nft("add table inet filter")
    network.nft("add chain inet filter forward { type filter hook forward priority 0 ; policy accept ; }")
    network.nft("add rule inet filter forward ct state established,related accept")
    connection = network.open_connection()
    contract.perform(BLOCK, firewall(), {"address": network.attacker_address, "hours": 1})
    assert not connection.is_alive()


@pytest.mark.needs_netns
def test_after_a_crash_the_look_up_finds_what_the_same_key_did_and_nothing_else(
    network: Network, firewall: Firewall
) -> None:
    inputs = {"address": network.attacker_address, "hours": 24}
    assert contract.lookup(BLOCK, firewall(), inputs) is None
    done = contract.perform(BLOCK, firewall(), inputs)
    found = contract.lookup(BLOCK, firewall(), inputs)
    assert outputs(found)["changed"] is True
    assert outputs(found)["entry"] == outputs(done)["entry"]
    assert contract.lookup(BLOCK, firewall("another-step-1"), inputs) is None


@pytest.mark.needs_netns
def test_an_address_that_somebody_else_blocked_stays_theirs(network: Network, firewall: Firewall) -> None:
    inputs = {"address": network.attacker_address, "hours": 1}
    theirs = outputs(contract.perform(BLOCK, firewall("their-step-1"), inputs))
    mine = outputs(contract.perform(BLOCK, firewall("my-step-1"), inputs))
    assert mine["changed"] is False
    assert mine["entry"] == theirs["entry"]

    undo = {"address": network.attacker_address, "entry": "countersign:my-step-1"}
    drift = contract.verify(UNBLOCK, firewall(), undo, {"entry": "countersign:my-step-1"})
    assert drift is not None
    assert "countersign:their-step-1" in drift
    assert contract.perform(UNBLOCK, firewall(), undo) == Failed(drift, permanent=True)
    assert not network.reaches()


@pytest.mark.needs_netns
def test_unblocking_what_is_not_blocked_changes_nothing(network: Network, firewall: Firewall) -> None:
    outcome = contract.perform(UNBLOCK, firewall(), {"address": network.attacker_address})
    assert outputs(outcome) == {"address": network.attacker_address, "changed": False}


@pytest.mark.needs_netns
def test_a_block_says_when_it_ends_and_the_kernel_ends_it(network: Network, firewall: Firewall) -> None:
    done = outputs(contract.perform(BLOCK, firewall(), {"address": network.attacker_address, "hours": 24}))
    expires_at = datetime.fromisoformat(str(done["expires_at"]))
    assert abs(expires_at - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)
    assert "timeout 1d" in network.nft("list set inet countersign blocked_ipv4")


@pytest.mark.needs_netns
def test_a_block_restores_rules_that_somebody_flushed(network: Network, firewall: Firewall) -> None:
    inputs = {"address": network.attacker_address, "hours": 1}
    contract.perform(BLOCK, firewall(), inputs)
    network.nft("flush chain inet countersign forward")
    assert network.reaches()
    assert outputs(contract.perform(BLOCK, firewall(), inputs))["changed"] is True
    assert not network.reaches()
    assert network.nft("list chain inet countersign forward").count("drop") == 4


@pytest.mark.needs_netns
def test_the_list_shows_every_blocked_address_also_those_set_by_hand(
    network: Network, firewall: Firewall
) -> None:
    assert outputs(contract.perform(LIST, firewall(), {"family": "ipv4"}))["count"] == 0
    contract.perform(BLOCK, firewall(), {"address": network.attacker_address, "hours": 1})
    network.nft("add element inet countersign blocked_ipv4 { 203.0.113.9 }")
    listed = outputs(contract.perform(LIST, firewall(), {"family": "ipv4"}))
    assert listed["count"] == 2
    assert {"address": "203.0.113.9", "entry": "", "expires_at": ""} in listed["entries"]  # type: ignore[operator]


@pytest.mark.needs_netns
def test_a_deadline_that_passes_while_nft_runs_leaves_the_answer_lost(
    network: Network, firewall: Firewall
) -> None:
    context = make_context({"command": network.command}, seconds=0.0005)
    outcome = contract.perform(BLOCK, context, {"address": network.attacker_address, "hours": 1})
    assert isinstance(outcome, Lost | Failed)
    assert not isinstance(outcome, Failed) or not outcome.permanent


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "::ffff:127.0.0.1"])
def test_an_address_that_is_no_host_on_the_network_is_refused(address: str) -> None:
    outcome = contract.perform(BLOCK, make_context(), {"address": address, "hours": 1})
    assert isinstance(outcome, Failed)
    assert outcome.permanent


def test_an_address_of_a_protected_network_is_refused() -> None:
    context = make_context({"protected": ["10.1.0.0/16"]})
    outcome = contract.perform(BLOCK, context, {"address": "10.1.2.3", "hours": 1})
    assert isinstance(outcome, Failed)
    assert "never blocks" in outcome.sentence


@pytest.mark.parametrize(
    "command", [["sh", "-c", "id"], ["sudo"], ["ip", "netns", "exec", "a", "sh"], ["ip netns exec -x"]]
)
def test_a_connection_cannot_be_made_to_run_any_program(command: list[str]) -> None:
    outcome = contract.perform(LIST, make_context({"command": command}), {"family": "ipv4"})
    assert isinstance(outcome, Failed)
    assert "not one that is allowed" in outcome.sentence


def test_the_preview_shows_the_very_commands() -> None:
    shown = contract.preview(BLOCK, make_context(), {"address": "2001:DB8::7", "hours": 2})
    assert shown["command"] == ["nft", "-j", "-f", "-"]
    assert "'val': '2001:db8::7', 'timeout': 7200" in str(shown["input"])
