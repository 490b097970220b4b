"""What was approved is not what would run (cases 1 to 10)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from playbooks.domain.canonical import digest
from playbooks.domain.check import check
from playbooks.domain.statuses import RequestStatus
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Connection, PlaybookVersion, Run
from playbooks.operations import actions, connections, definitions, reruns, runs
from playbooks.operations.requests import stored_subject
from tests.abuse.conftest import Gate
from tests.abuse.doors import API, OPERATION, Door, decide, drive, facts_of, refused, sent
from tests.api.callers import session
from tests.cast import ATTACKER, BLOCK, Cast, publish
from tests.executor.world import REFUSED, World

Begin = Callable[..., Run]
BLOCKED = {"address": ATTACKER, "hours": 24}
FAMILY = "198.51.100.9"

PARENT = """\
  - id: gate
    approve: Run it?
    seats: [{role: tier-2}]
  - id: inner
    run: the-child
"""
CHILD = """\
playbook: the-child
title: The child
steps:
  - id: act
    do: fake.keyed
    using: fake
    with: {target: %s}
"""


def approve(gate: Gate, *people: str) -> None:
    for person in people:
        assert decide(OPERATION, getattr(gate.cast, person), gate.newest()).status == 200


def reconfigure(cast: Cast, **settings: object) -> Connection:
    about = {"connector": "nftables", "settings": {}, "secrets": {}, "environment": "production", **settings}
    return connections.configure("edge-firewall", caller=cast.caller("admin"), is_simulated=True, **about)  # type: ignore[arg-type]


def assert_asked_again(gate: Gate, changed: str) -> None:
    """The approval is void, the field is named, nothing ran, and people are asked about what it says now."""
    gate.request.refresh_from_db()
    assert gate.request.status == RequestStatus.VOIDED
    assert facts_of(Verb.REQUEST_VOIDED)["changed"] == changed
    assert sent(gate.run) == []
    assert gate.newest().status == RequestStatus.OPEN
    assert gate.newest().digest != gate.request.digest


# 1 a parameter changes after one of two approvals


def test_case_01_a_parameter_changes_after_one_of_two_approvals(gate: Gate, door: Door) -> None:
    approve(gate, "tier2")
    Run.objects.filter(pk=gate.run.pk).update(inputs={"address": FAMILY})
    answer = decide(door, gate.cast.netowner, gate.request)
    assert answer.rule == "stale_digest"
    assert_asked_again(gate, "covered.0.parameters.address")


def test_case_01_an_approval_binds_the_digest_that_was_shown_and_no_other(gate: Gate, door: Door) -> None:
    assert decide(door, gate.cast.tier2, gate.request, digest="0" * 64).rule == "stale_digest"
    assert gate.request.decisions.count() == 0


# 2 a new version is published while a run of the old is approved


def test_case_02_a_new_version_does_not_change_what_an_old_run_does(gate: Gate, door: Door) -> None:
    assert decide(door, gate.cast.tier2, gate.request).status < 400
    publish(gate.cast, BLOCK.replace("hours: 24", "hours: 8760"))
    approve(gate, "netowner")
    drive(gate.run)
    assert sent(gate.run)[0] == BLOCKED


# 3 the same thing shown and run differently


def test_case_03_a_number_is_sent_as_it_was_shown() -> None:
    """RFC 8785 writes 24.0 as 24, so that is what is sent as well."""
    (hours,) = actions.parameters_of({"hours": 24.0}, {}).values()
    assert (hours, type(hours)) == (24, int)


def test_case_03_one_and_true_and_the_two_ways_to_write_an_accent_are_different_subjects() -> None:
    composed = unicodedata.normalize("NFC", "Zoë")
    assert digest({"a": 1}) != digest({"a": True})
    assert digest({"a": composed}) != digest({"a": unicodedata.normalize("NFD", composed)})
    assert digest({"a": "web-1"}) != digest({"a": "Web-1"})
    assert digest({"a": "x"}) != digest({"a": "x "})


def test_case_03_a_body_with_the_same_key_twice_is_refused(gate: Gate) -> None:
    body = f'{{"verdict": "deny", "comment": "No.", "verdict": "approve", "digest": "{gate.request.digest}"}}'
    answer = session(gate.cast.tier2).post(f"approvals/{gate.request.pk}/decide/", body.encode())
    assert answer.status_code == 400
    assert gate.request.decisions.count() == 0


def test_case_03_a_playbook_with_the_same_key_twice_is_refused() -> None:
    text = "playbook: x\ntitle: x\nsteps:\n  - id: a\n    do: dns.resolve\n    do: edge.block\n"
    (problem,) = check(text, actions.actions()).problems
    assert (problem.line, problem.message) == (6, "the key 'do' is given twice")


# 4 the target list grows after approval


def test_case_04_what_was_added_to_a_list_is_asked_about(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(
        """\
  - id: gate
    approve: All of them?
    seats: [{role: tier-2}]
  - id: hosts
    each: ${ inputs.hosts }
    steps:
      - id: act
        do: fake.keyed
        using: fake
        with: {target: "${ item }"}
""",
        inputs="{hosts: {type: list, default: [one]}}",
    )
    request = run.requests.get()
    Run.objects.filter(pk=run.pk).update(inputs={"hosts": ["one", "two"]})
    decide(OPERATION, cast.tier2, request)
    drive(run)
    assert "two" not in world.effects
    assert run.requests.filter(status=RequestStatus.OPEN).exists()


# 5 an object with the same *name* as the approved one


def test_case_05_another_connection_of_the_same_name_is_another_connection(gate: Gate) -> None:
    approve(gate, "tier2", "netowner")
    Connection.objects.filter(name="edge-firewall").update(name="edge-firewall-old")
    reconfigure(gate.cast)
    drive(gate.run)
    assert_asked_again(gate, "covered.block.connection.id")


# 6 a sub-playbook or shared value edited after approval


def test_case_06_a_playbook_that_another_runs_is_the_version_that_was_approved(
    begin: Begin, world: World, cast: Cast
) -> None:
    publish(cast, CHILD % "approved")
    run = begin(PARENT)
    publish(cast, CHILD % "changed")
    decide(OPERATION, cast.tier2, run.requests.get())
    drive(run)
    drive(Run.objects.get(parent__run=run))
    assert dict(world.effects) == {"approved": 1}


# 7 the connection's URL or secret is changed after approval


@pytest.mark.parametrize("setting", [{"settings": {"protected": ["192.0.2.0/24"]}}, {"environment": "test"}])
def test_case_07_a_connection_that_changes_after_the_approval_voids_it(
    gate: Gate, setting: dict[str, object]
) -> None:
    approve(gate, "tier2", "netowner")
    reconfigure(gate.cast, **setting)
    drive(gate.run)
    assert_asked_again(gate, "covered.block.connection.revision")


# 8 a worker sends another payload than approved


def test_case_08_what_is_sent_is_composed_again_and_compared_inside_the_claim(gate: Gate) -> None:
    """Somebody who can write to the database changes what the version says; the worker believes it."""
    approve(gate, "tier2", "netowner")
    version = gate.run.version
    document = {**version.document}
    document["steps"] = [
        {**step, "with": {**step["with"], "hours": 8760}} if step["id"] == "block" else step
        for step in document["steps"]
    ]
    PlaybookVersion.objects.filter(pk=version.pk).update(document=document)
    definitions._definition.cache_clear()
    drive(gate.run)
    definitions._definition.cache_clear()
    assert_asked_again(gate, "covered.block.parameters.hours")


def test_case_08_the_claim_records_the_digest_of_what_is_sent(gate: Gate) -> None:
    approve(gate, "tier2", "netowner")
    drive(gate.run)
    (claimed,) = gate.run.steps.get(key="block").attempts.all()
    assert claimed.parameters_digest == digest(BLOCKED)


# 9 an expression gives another value at run time


def test_case_09_the_moment_of_an_expression_is_the_one_that_was_approved(
    begin: Begin, world: World, cast: Cast, any_time: None
) -> None:
    steps = PARENT.split("  - id: inner", maxsplit=1)[0] + (
        '  - id: act\n    do: fake.keyed\n    using: fake\n    with: {target: "${ now }"}\n'
    )
    run = begin(steps)
    request = run.requests.get()
    (shown,) = stored_subject(request)["covered"]
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        decide(OPERATION, cast.tier2, request)
        drive(run)
    assert dict(world.effects) == {shown["parameters"]["target"]: 1}


# 10 a used approval is replayed, the run repeated, the idempotency key changed


def test_case_10_a_used_approval_takes_no_second_decision(gate: Gate, door: Door) -> None:
    approve(gate, "tier2", "netowner")
    drive(gate.run)
    assert len(sent(gate.run)) == 2
    refused(door, gate.cast.tier2, gate.request, "closed")
    drive(gate.run)
    assert len(sent(gate.run)) == 2


def test_case_10_another_idempotency_key_makes_no_second_decision(gate: Gate) -> None:
    for key in ("one", "two"):
        vote = {"verdict": "approve", "digest": gate.request.digest}
        session(gate.cast.tier2).post(f"approvals/{gate.request.pk}/decide/", vote, Idempotency_Key=key)
    assert gate.request.decisions.count() == 1
    refused(API, gate.cast.tier2, gate.request, "already_decided")


def test_case_10_a_run_that_is_repeated_is_asked_about_again(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(
        """\
  - id: gate
    approve: Really?
    seats: [{role: tier-2}]
  - id: act
    do: fake.never
    using: fake
    with: {target: one}
  - id: fails
    do: fake.read
    using: fake
    with: {target: two}
"""
    )
    decide(OPERATION, cast.tier2, run.requests.get())
    world.outcomes = [REFUSED]
    drive(run)
    for again in (
        reruns.rerun(run.pk, caller=cast.caller("analyst")),
        runs.start("under-test", caller=cast.caller("analyst")),
    ):
        drive(again)
        assert ApprovalRequest.objects.get(run=again).status == RequestStatus.OPEN
    assert not world.effects
