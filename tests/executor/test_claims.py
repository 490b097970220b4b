"""What a claim lets through: only what was approved, as it was approved, by people who may still approve it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict
from playbooks.executor import seams
from playbooks.executor.seams import Seam
from playbooks.models import ApprovalRequest, Attempt, Consumption, Run
from playbooks.operations import approvals, connections, people, runs
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Refused
from tests.cast import ATTACKER, Cast, connect, publish, start
from tests.executor.world import BROKEN, World

Begin = Callable[..., Run]

GATE = """\
  - id: gate
    approve: Do it?
    seats: [{role: tier-2}, {role: network-owner}]
"""
ACT = """\
  - id: act
    do: fake.keyed
    with: {target: one}
    retry: {times: 3, every: 1s}
"""


def request_of(run: Run, gate: str = "gate") -> ApprovalRequest:
    """The newest request of a gate."""
    return run.requests.filter(step__key=gate).latest("opened_at", "pk")


def decide(cast: Cast, name: str, request: ApprovalRequest, verdict: Verdict = Verdict.APPROVE) -> None:
    approvals.decide(
        request.pk,
        caller=cast.caller(name),
        verdict=verdict,
        shown_digest=request.digest,
        comment="" if verdict is Verdict.APPROVE else "It is our own scanner.",
    )


def approve(cast: Cast, run: Run, gate: str = "gate") -> ApprovalRequest:
    """Both seats of the gate's newest request."""
    request = request_of(run, gate)
    decide(cast, "tier2", request)
    decide(cast, "netowner", request)
    request.refresh_from_db()
    return request


def drive(run: Run) -> None:
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()


def reconfigure(cast: Cast, name: str = "fake") -> None:
    connections.configure(name, caller=cast.caller("admin"), connector="fake", settings={}, secrets={})


def statuses(run: Run) -> dict[str, str]:
    return dict(run.steps.filter(round=0).values_list("key", "status"))


def test_a_connection_that_changed_after_the_approval_voids_it_and_people_are_asked_again(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(GATE + ACT)
    first = approve(cast, run)
    reconfigure(cast)
    drive(run)
    first.refresh_from_db()
    step = run.steps.get(key="act")
    assert (first.status, step.status, run.status) == ("voided", "waiting", RunStatus.WAITING)
    assert "covered.act.connection.revision" in step.sentence
    assert not world.effects
    second = request_of(run)
    assert (second.status, step.due_at) == (RequestStatus.OPEN, second.due_at)
    approve(cast, run)
    drive(run)
    assert world.effects == {"one": 1}
    assert run.status == RunStatus.SUCCEEDED


@pytest.mark.parametrize("loss", ["deactivated", "stripped"])
def test_an_approver_who_lost_the_right_before_the_run_no_longer_counts(
    begin: Begin, world: World, cast: Cast, loss: str
) -> None:
    run = begin(GATE + ACT)
    first = approve(cast, run)
    lose_right(cast, loss)
    drive(run)
    first.refresh_from_db()
    assert first.status == RequestStatus.VOIDED
    assert "right to approve" in run.steps.get(key="act").sentence
    assert not world.effects


def lose_right(cast: Cast, loss: str) -> None:
    if loss == "deactivated":
        people.deactivate(cast.netowner, actor=SYSTEM)
    else:
        people.revoke(cast.netowner, "network-owner", actor=SYSTEM)


@pytest.mark.parametrize("loss", ["deactivated", "stripped"])
def test_an_approver_who_lost_the_right_between_two_covered_steps_no_longer_counts_for_the_second(
    begin: Begin, world: World, cast: Cast, loss: str
) -> None:
    run = begin(GATE + ACT + "  - id: more\n    do: fake.keyed\n    with: {target: two}\n")
    approve(cast, run)

    def visitor(seam: Seam) -> None:
        if seam is Seam.PERFORMED:
            seams.visit()
            lose_right(cast, loss)

    seams.visit(visitor)
    drive(run)
    assert world.effects == {"one": 1}
    assert run.steps.get(key="more").status == StepStatus.WAITING
    assert [item["step"] for item in json.loads(request_of(run).subject)["covered"]] == ["more"]


@pytest.mark.parametrize("loss", ["deactivated", "stripped"])
def test_an_approver_who_lost_the_right_does_not_count_towards_the_last_seat(
    begin: Begin, cast: Cast, loss: str
) -> None:
    run = begin(GATE + ACT)
    request = request_of(run)
    decide(cast, "netowner", request)
    lose_right(cast, loss)
    decide(cast, "tier2", request)
    request.refresh_from_db()
    assert request.status == RequestStatus.OPEN


@pytest.mark.parametrize("loss", ["deactivated", "stripped"])
def test_a_step_that_the_gate_could_not_show_needs_a_quorum_that_still_holds(
    begin: Begin, world: World, cast: Cast, loss: str
) -> None:
    run = begin(
        GATE
        + "  - id: look\n    do: fake.read\n    with: {target: x}\n"
        + '  - id: act\n    do: fake.keyed\n    with: {target: "${ steps.look.outputs.target }"}\n'
    )
    approve(cast, run)
    lose_right(cast, loss)
    drive(run)
    assert not world.effects


def test_what_the_gate_could_not_show_is_said_to_be_not_covered(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(
        GATE
        + "  - id: look\n    do: fake.read\n    with: {target: x}\n"
        + '  - id: act\n    do: fake.keyed\n    with: {target: "${ steps.look.outputs.target }"}\n'
    )
    subject = json.loads(request_of(run).subject)
    assert (subject["covered"], subject["not_covered"]) == ([], ["act"])
    drive(run)
    assert not world.effects
    approve(cast, run)
    drive(run)
    assert world.effects == {"x": 1}


def test_what_would_be_destroyed_has_to_have_been_shown(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(
        GATE
        + "  - id: look\n    do: fake.read\n    with: {target: x}\n"
        + '  - id: wipe\n    do: fake.destroy\n    with: {target: "${ steps.look.outputs.target }"}\n'
    )
    approve(cast, run)
    drive(run)
    assert run.status == RunStatus.FAILED
    assert "could not show what this would destroy" in run.steps.get(key="wipe").sentence
    assert not world.effects


def test_after_a_denial_nothing_is_changed_and_people_may_be_told(
    cast: Cast, begin: Begin, world: World
) -> None:
    connect(cast)
    run = begin(
        GATE
        + "  - id: act\n    after: always\n    do: fake.keyed\n    with: {target: one}\n"
        + "  - id: tell\n    needs: [gate]\n    after: always\n    do: notify.send\n    using: soc-channel\n"
        + "    with: {text: It was denied.}\n"
    )
    decide(cast, "tier2", request_of(run), Verdict.DENY)
    drive(run)
    assert statuses(run) == {"gate": "failed", "act": "failed", "tell": "succeeded"}
    assert "did not open" in run.steps.get(key="act").sentence
    assert not world.effects


def test_a_retry_uses_the_approval_again(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(GATE + ACT)
    request = approve(cast, run)
    world.outcomes = [BROKEN]
    drive(run)
    executor.sweep(now=timezone.now() + timedelta(seconds=2))
    drive(run)
    request.refresh_from_db()
    assert (run.status, request.status) == (RunStatus.SUCCEEDED, RequestStatus.CONSUMED)
    assert Consumption.objects.filter(request=request).count() == 1
    assert Attempt.objects.filter(step__run=run).count() == 2


def test_a_retry_after_the_connection_changed_is_asked_about(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(GATE + ACT)
    approve(cast, run)
    world.outcomes = [BROKEN]
    drive(run)
    reconfigure(cast)
    executor.sweep(now=timezone.now() + timedelta(seconds=2))
    drive(run)
    assert (statuses(run)["act"], request_of(run).status) == (StepStatus.WAITING, RequestStatus.OPEN)
    assert not world.effects


def test_a_new_run_needs_an_approval_of_its_own(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(GATE + ACT)
    approve(cast, run)
    drive(run)
    again = runs.start("under-test", caller=cast.caller("analyst"))
    drive(again)
    assert (again.status, request_of(again).status) == (RunStatus.WAITING, RequestStatus.OPEN)
    assert world.effects == {"one": 1}


PARALLEL = (
    GATE
    + "  - id: left\n    needs: [gate]\n    do: fake.keyed\n    with: {target: l}\n    retry: {times: 3, every: 1s}\n"
    + "  - id: right\n    needs: [gate]\n    do: fake.keyed\n    with: {target: r}\n"
)


def test_steps_side_by_side_wait_together_when_their_approval_is_voided(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(PARALLEL)
    approve(cast, run)
    reconfigure(cast)
    drive(run)
    assert statuses(run) == {"gate": "succeeded", "left": "waiting", "right": "waiting"}
    assert run.requests.count() == 2
    approve(cast, run)
    drive(run)
    assert run.status == RunStatus.SUCCEEDED
    assert world.effects == {"l": 1, "r": 1}


def test_a_renewed_request_that_is_denied_fails_every_step_that_waited_for_it(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(PARALLEL)
    approve(cast, run)
    reconfigure(cast)
    drive(run)
    decide(cast, "tier2", request_of(run), Verdict.DENY)
    drive(run)
    assert statuses(run) == {"gate": "succeeded", "left": "failed", "right": "failed"}
    assert not world.effects


def test_a_step_that_was_under_way_when_the_approval_was_renewed_is_not_repeated_without_one(
    begin: Begin, world: World, cast: Cast
) -> None:
    """`left` runs while `right` finds the connection changed; the renewed request shows only `right`."""
    run = begin(PARALLEL)
    approve(cast, run)
    world.outcomes = [BROKEN]

    def visitor(seam: Seam) -> None:
        if seam is Seam.CLAIMED:
            seams.visit()
            reconfigure(cast)
            executor.drive(run.pk, worker="rival")

    seams.visit(visitor)
    drive(run)
    assert statuses(run)["right"] == StepStatus.WAITING
    executor.sweep(now=timezone.now() + timedelta(seconds=2))
    drive(run)
    assert statuses(run) == {"gate": "succeeded", "left": "waiting", "right": "waiting"}
    approve(cast, run)
    drive(run)
    assert run.status == RunStatus.SUCCEEDED
    assert world.effects == {"l": 1, "r": 1}
    revisions = set(Attempt.objects.filter(status="succeeded").values_list("connection_revision", flat=True))
    shown = {item["connection"]["revision"] for item in json.loads(request_of(run).subject)["covered"]}
    assert revisions == shown


def test_the_repeat_of_a_step_that_a_granted_renewal_did_not_show_is_asked_about(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(PARALLEL)
    approve(cast, run)
    world.outcomes = [BROKEN]

    def visitor(seam: Seam) -> None:
        if seam is Seam.CLAIMED:
            seams.visit()
            reconfigure(cast)
            executor.drive(run.pk, worker="rival")
            approve(cast, run)
            world.outcomes, kept = [], list(world.outcomes)
            executor.drive(run.pk, worker="rival")
            world.outcomes = kept

    seams.visit(visitor)
    drive(run)
    assert world.effects == {"r": 1}
    executor.sweep(now=timezone.now() + timedelta(seconds=2))
    drive(run)
    assert statuses(run)["left"] == StepStatus.WAITING
    assert [item["step"] for item in json.loads(request_of(run).subject)["covered"]] == ["left"]
    assert world.effects == {"r": 1}


@pytest.mark.parametrize("first", ["one", "two"])
def test_a_step_behind_two_gates_needs_both(begin: Begin, world: World, cast: Cast, first: str) -> None:
    other = {"one": "two", "two": "one"}[first]
    run = begin(
        GATE.replace("id: gate", "id: one\n    needs: []")
        + GATE.replace("id: gate", "id: two\n    needs: []")
        + "  - id: act\n    needs: [one, two]\n    do: fake.keyed\n    with: {target: one}\n"
    )
    approve(cast, run, first)
    drive(run)
    assert not world.effects
    approve(cast, run, other)
    drive(run)
    assert world.effects == {"one": 1}
    assert set(run.requests.values_list("status", flat=True)) == {RequestStatus.CONSUMED}


def test_a_gate_behind_a_gate_covers_what_follows_it_alone(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(
        GATE
        + ACT
        + GATE.replace("id: gate", "id: again")
        + "  - id: more\n    do: fake.keyed\n    with: {target: two}\n"
    )
    approve(cast, run)
    drive(run)
    assert world.effects == {"one": 1}
    approve(cast, run, "again")
    drive(run)
    assert world.effects == {"one": 1, "two": 1}


def test_a_gate_that_its_own_condition_left_out_asks_for_nothing(begin: Begin, world: World) -> None:
    run = begin(
        "  - id: look\n    do: fake.read\n    with: {target: x}\n"
        + GATE.replace("    approve", '    when: "false"\n    approve')
        + "  - id: act\n    needs: [look, gate]\n    do: fake.keyed\n    with: {target: one}\n"
    )
    drive(run)
    assert statuses(run) == {"look": "succeeded", "gate": "skipped", "act": "succeeded"}
    assert not run.requests.exists()


def test_now_is_the_moment_that_the_approval_showed(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(GATE + '  - id: act\n    do: fake.keyed\n    with: {target: "${ now }"}\n')
    request = approve(cast, run)
    with time_machine.travel(timezone.now() + timedelta(seconds=7)):
        drive(run)
    (shown,) = json.loads(request.subject)["covered"]
    assert list(world.effects) == [shown["parameters"]["target"]]
    assert run.requests.count() == 1


@pytest.mark.parametrize("hours", ["24", "24.0", "${ inputs.hours }", "${ 48.0 / 2.0 }"])
def test_a_number_that_json_writes_alike_is_the_same_number(cast: Cast, hours: str) -> None:
    """RFC 8785 writes 24.0 as 24: what is approved and what is sent are that."""
    connect(cast)
    publish(
        cast,
        "playbook: hours\ntitle: Hours\ninputs:\n  hours: {type: number, default: 24.0}\nsteps:\n"
        + GATE
        + "  - id: block\n    do: nftables.block_address\n    using: edge-firewall\n"
        + f'    with: {{address: "{ATTACKER}", hours: {hours if "$" not in hours else repr(hours)}}}\n',
    )
    run = runs.start("hours", caller=cast.caller("analyst"))
    approve(cast, run)
    drive(run)
    assert (run.status, run.requests.count()) == (RunStatus.SUCCEEDED, 1)
    sent = Attempt.objects.get(step__run=run).parameters["hours"]
    assert (sent, type(sent)) == (24, int)


def test_nothing_runs_when_the_gate_stands_open_for_another_digest(cast: Cast, begin: Begin) -> None:
    run = begin(GATE + ACT)
    request = request_of(run)
    with pytest.raises(Refused) as refusal:
        approvals.decide(
            request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest="0" * 64
        )
    assert refusal.value.rule == "stale_digest"
    assert request_of(run).pk == request.pk


def test_an_open_request_whose_connection_changed_is_renewed_when_somebody_decides(
    cast: Cast, begin: Begin
) -> None:
    run = begin(GATE + ACT)
    old = request_of(run)
    decide(cast, "tier2", old)
    reconfigure(cast)
    with pytest.raises(Refused) as refusal:
        decide(cast, "netowner", old)
    assert refusal.value.rule == "stale_digest"
    old.refresh_from_db()
    new = request_of(run)
    assert (old.status, new.status, new.decisions.count()) == ("voided", "open", 0)
    assert run.steps.get(key="gate").due_at == new.due_at


def test_a_simulated_connection_that_becomes_real_is_asked_about_again(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    run = start(cast)
    drive(run)
    approve(cast, run)
    connections.configure(
        "edge-firewall",
        caller=cast.caller("admin"),
        connector="nftables",
        settings={},
        secrets={},
        environment="production",
        is_simulated=False,
    )
    drive(run)
    assert statuses(run)["block"] == StepStatus.WAITING
    assert not Attempt.objects.filter(step__run=run, step__key="block").exists()
