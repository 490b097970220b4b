"""How much a connection is used: slots, calls in a while, targets in a while. The far side counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from playbooks import executor
from playbooks.domain.limits import Limits
from playbooks.domain.outcomes import Failed, Lost, Pending, Succeeded
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict, WaitReason
from playbooks.executor.claims import claim_next
from playbooks.executor.settle import settle
from playbooks.models import ApprovalRequest, Connection, Run
from playbooks.models.audit import AuditEntry
from playbooks.operations import approvals, connections, stopping
from playbooks.operations.refusals import Invalid, Missing, Refused
from tests.cast import Cast
from tests.databases import any_time
from tests.executor.world import World
from tests.operations.waiting import act, after, drive, published, start, step_of

__all__ = ["any_time"]

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DONE = Succeeded({"target": "x", "changed": True, "count": 1})


def limit(cast: Cast, **limits: object) -> Connection:
    return connections.limit("fake", caller=cast.caller("admin"), limits=Limits(**limits))  # type: ignore[arg-type]


@pytest.fixture
def five(fake: Connection, cast: Cast) -> list[Run]:
    """Five runs, each with one step; two of them may use the connection at once."""
    limit(cast, most_at_once=2)
    slug = published(cast, "five", act(target='"${ inputs.name }"'), "inputs: {name: {type: string}}\n")
    return [start(cast, slug, name=f"t{number}") for number in range(5)]


def waiting(runs: list[Run]) -> list[int]:
    return [number for number, run in enumerate(runs) if step_of(run).wait_reason == WaitReason.SLOT]


def test_of_five_runs_never_more_than_two_use_the_connection_and_each_gets_its_turn_in_order(
    five: list[Run], world: World
) -> None:
    held = [claim_next(run.pk, worker="test") for run in five]
    assert [claim is not None for claim in held] == [True, True, False, False, False]
    assert waiting(five) == [2, 3, 4]
    assert step_of(five[2]).connection.name == "fake"  # type: ignore[union-attr]
    for freed in range(3):
        claim = held[freed]
        assert claim is not None
        settle(claim, DONE, worker="test")
        after()
        taken = [claim_next(run.pk, worker="test") for run in reversed(five)]
        assert [each.run for each in taken if each] == [five[freed + 2].pk]
        held[freed + 2] = next(each for each in taken if each)
    assert waiting(five) == []


def test_who_comes_later_does_not_pass_those_who_wait(five: list[Run], cast: Cast) -> None:
    first, second = (claim_next(run.pk, worker="test") for run in five[:2])
    for run in five[2:]:
        claim_next(run.pk, worker="test")
    assert first is not None
    settle(first, DONE, worker="test")
    late = start(cast, "five", name="late")
    assert claim_next(late.pk, worker="test") is None
    assert claim_next(five[4].pk, worker="test") is None
    assert claim_next(five[2].pk, worker="test") is not None
    assert second is not None


def test_who_is_asked_again_keeps_the_place_in_the_line(five: list[Run]) -> None:
    for run in five:
        claim_next(run.pk, worker="test")
    places = [step_of(run).changed_at for run in five[2:]]
    for _ in range(3):
        for run in reversed(five):
            claim_next(run.pk, worker="test")
    after(seconds=5)
    assert [step_of(run).changed_at for run in five[2:]] == places


@pytest.mark.parametrize("how", ["failed", "lost", "worker died", "cancelled in line"])
def test_a_slot_is_free_again_however_it_came_to_be_free(
    any_time: None, five: list[Run], cast: Cast, how: str
) -> None:
    claims = [claim_next(run.pk, worker="test") for run in five]
    first = claims[0]
    assert first is not None
    if how == "failed":
        settle(first, Failed("The far side answered 403.", permanent=True), worker="test")
    elif how == "lost":
        settle(first, Lost("The connection broke."), worker="test")
    elif how == "cancelled in line":
        stopping.cancel(five[2].pk, caller=cast.caller("analyst"))
        settle(first, DONE, worker="test")
    after(minutes=2 if how == "worker died" else 0)  # the lease of both who hold a slot runs out
    following = five[3 if how == "cancelled in line" else 2]
    assert claim_next(following.pk, worker="test") is not None


def test_a_job_at_the_far_side_holds_its_slot_until_it_has_ended(five: list[Run]) -> None:
    claims = [claim_next(run.pk, worker="test") for run in five]
    assert claims[0] is not None
    settle(claims[0], Pending({"job": 1}, 60.0, "The job goes on."), worker="test")
    after(seconds=1)
    assert claim_next(five[2].pk, worker="test") is None


def test_a_wider_limit_lets_those_who_wait_go_on(five: list[Run], cast: Cast) -> None:
    for run in five:
        claim_next(run.pk, worker="test")
    limit(cast, most_at_once=4)
    after()
    assert [claim_next(run.pk, worker="test") is not None for run in five[2:]] == [True, True, False]
    limit(cast)
    after()
    assert claim_next(five[4].pk, worker="test") is not None


def test_all_five_end_though_only_two_may_at_once(five: list[Run], world: World) -> None:
    for _ in range(3):
        drive(*five)
        after()
    assert [run.status for run in five] == [RunStatus.SUCCEEDED] * 5
    assert world.order == ["t0", "t1", "t2", "t3", "t4"]


def test_a_window_never_has_more_calls_than_it_may(
    any_time: None, fake: Connection, cast: Cast, world: World
) -> None:
    slug = published(cast, "calls", act(target='"${ inputs.name }"'), "inputs: {name: {type: string}}\n")
    with time_machine.travel(NOON, tick=False) as clock:
        limit(cast, most_calls=2, calls_seconds=60)
        runs = [start(cast, slug, name=f"t{number}") for number in range(5)]
        drive(*runs)
        assert [step_of(run).wait_reason for run in runs] == ["", "", "rate", "rate", "rate"]
        due = [step_of(run).due_at for run in runs[2:]]
        assert due == [NOON + timedelta(seconds=each) for each in (60, 60, 120)]
        done = []
        for _ in range(4):
            clock.shift(30)
            executor.sweep()
            drive(*reversed(runs))
            done.append(len(world.order))
        assert done == [2, 4, 4, 5]
        assert [run.status for run in runs] == [RunStatus.SUCCEEDED] * 5


@pytest.fixture
def changing(fake: Connection, cast: Cast) -> str:
    return published(cast, "changing", act(target='"${ inputs.name }"'), "inputs: {name: {type: string}}\n")


def change(cast: Cast, slug: str, *names: str, simulate: bool = False) -> list[Run]:
    runs = [start(cast, slug, name=name, simulate=simulate) for name in names]
    drive(*runs)
    return runs


def decide(cast: Cast, run: Run, verdict: Verdict = Verdict.APPROVE, by: str = "netowner") -> ApprovalRequest:
    request = run.requests.get(status=RequestStatus.OPEN)
    approvals.decide(
        request.pk,
        caller=cast.caller(by),
        verdict=verdict,
        shown_digest=request.digest,
        comment="Too many." if verdict is Verdict.DENY else "",
    )
    drive(run)
    request.refresh_from_db()
    return request


def test_one_target_too_many_waits_for_the_role_of_the_connection_and_then_runs_once(
    changing: str, cast: Cast, world: World
) -> None:
    limit(cast, most_targets=3, targets_role="network-owner")
    change(cast, changing, "a", "b", "c")
    (fourth,) = change(cast, changing, "d")
    step, request = step_of(fourth), fourth.requests.get()
    assert (step.status, step.wait_reason) == (StepStatus.WAITING, WaitReason.APPROVAL)
    assert [seat.role for seat in request.seats.all()] == ["network-owner"]
    assert world.effects["d"] == 0
    with pytest.raises(Refused) as refusal:
        decide(cast, fourth, by="tier2")
    assert refusal.value.rule == "not_in_seat"
    assert decide(cast, fourth).status == RequestStatus.CONSUMED
    assert (fourth.status, world.effects["d"]) == (RunStatus.SUCCEEDED, 1)


def test_a_denial_fails_what_would_go_too_far(changing: str, cast: Cast, world: World) -> None:
    limit(cast, most_targets=0, targets_role="network-owner")
    (run,) = change(cast, changing, "a")
    decide(cast, run, Verdict.DENY)
    assert (run.status, world.effects["a"]) == (RunStatus.FAILED, 0)


def test_a_target_that_was_changed_in_the_window_needs_no_approval_again(
    any_time: None, changing: str, cast: Cast, world: World
) -> None:
    limit(cast, most_targets=1, targets_seconds=600)
    long = "a" * 300
    with time_machine.travel(NOON, tick=False) as clock:
        change(cast, changing, long, long)
        assert world.effects[long] == 2
        (other,) = change(cast, changing, "b")
        assert step_of(other).wait_reason == WaitReason.APPROVAL
        clock.shift(601)
        (later,) = change(cast, changing, "c")
        assert later.status == RunStatus.SUCCEEDED


def test_simulated_runs_neither_count_nor_ask(changing: str, cast: Cast, world: World) -> None:
    limit(cast, most_targets=1)
    simulated = change(cast, changing, "a", "b", "c", simulate=True)
    (real,) = change(cast, changing, "d")
    assert {run.status for run in (*simulated, real)} == {RunStatus.SUCCEEDED}


def test_the_approval_of_a_gate_lets_nothing_go_beyond_the_limit(
    fake: Connection, cast: Cast, world: World
) -> None:
    gate = "  - id: gate\n    approve: Now?\n    seats: [{role: network-owner}]\n"
    step = act().replace("    needs: []\n", "")
    slug = published(cast, "gated", gate + step)
    limit(cast, most_targets=0, targets_role="tier-2")
    run = start(cast, slug)
    drive(run)
    decide(cast, run)
    assert step_of(run).wait_reason == WaitReason.APPROVAL
    assert not world.effects
    assert decide(cast, run, by="tier2").step.key == "act"
    assert (run.status, world.effects["x"]) == (RunStatus.SUCCEEDED, 1)


def test_a_step_after_others_asks_as_well(fake: Connection, cast: Cast, world: World) -> None:
    first, then = act("first", "a"), act("then", "b").replace("    needs: []\n", "")
    slug = published(cast, "chain", first + then)
    limit(cast, most_targets=1, targets_role="network-owner")
    run = start(cast, slug)
    drive(run)
    assert (world.effects["a"], world.effects["b"]) == (1, 0)
    assert step_of(run, "then").wait_reason == WaitReason.APPROVAL
    decide(cast, run)
    assert (run.status, world.effects["b"]) == (RunStatus.SUCCEEDED, 1)


def test_other_limits_raise_no_revision_and_void_no_approval(
    fake: Connection, cast: Cast, world: World
) -> None:
    gate = "  - id: gate\n    approve: Now?\n    seats: [{role: network-owner}]\n"
    slug = published(cast, "gated", gate + act().replace("    needs: []\n", ""))
    run = start(cast, slug)
    assert limit(cast, most_at_once=3, most_calls=9).revision == fake.revision
    assert decide(cast, run).status == RequestStatus.CONSUMED
    assert run.status == RunStatus.SUCCEEDED
    assert AuditEntry.objects.filter(verb="connection.limited").count() == 1


def test_limits_stay_when_a_connection_is_configured_without_them(fake: Connection, cast: Cast) -> None:
    limit(cast, most_at_once=3)
    call = {"caller": cast.caller("admin"), "connector": "fake", "settings": {}, "secrets": {}}
    assert connections.configure("fake", **call).most_at_once == 3  # type: ignore[arg-type]
    row = connections.configure("fake", **call, limits=Limits(most_calls=5))  # type: ignore[arg-type]
    assert (row.most_at_once, row.most_calls) == (None, 5)


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"most_at_once": 0}, "most_at_once"),
        ({"most_calls": -1}, "most_calls"),
        ({"calls_seconds": 0}, "calls_seconds"),
        ({"most_targets": -1}, "most_targets"),
        ({"targets_seconds": 10**9}, "targets_seconds"),
        ({"targets_role": "nobody"}, "targets_role"),
    ],
)
def test_limits_that_no_connection_can_have_are_refused_at_their_field(
    fake: Connection, cast: Cast, limits: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        limit(cast, **limits)
    assert [pointer for pointer, _ in refusal.value.errors] == [f"/limits/{field}"]


def test_only_who_manages_connections_limits_them(fake: Connection, cast: Cast) -> None:
    with pytest.raises(Refused):
        connections.limit("fake", caller=cast.caller("tier2"), limits=Limits())
    with pytest.raises(Missing):
        connections.limit("none", caller=cast.caller("admin"), limits=Limits())
