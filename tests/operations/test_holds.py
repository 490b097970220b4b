"""Holds: what they keep from beginning, what goes on all the same, and how it goes on afterwards."""

from __future__ import annotations

import pytest

from playbooks import executor
from playbooks.domain.outcomes import Pending
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict, WaitReason
from playbooks.executor.claims import claim_next
from playbooks.executor.perform import perform
from playbooks.executor.settle import settle
from playbooks.models import Connection, Hold, HoldScope, Run
from playbooks.models.audit import AuditEntry
from playbooks.operations import approvals, connections, holds, rollbacks, runs, stopping
from playbooks.operations.refusals import Invalid, Missing, Refused
from tests.cast import Cast
from tests.executor.world import World
from tests.operations.waiting import act, drive, published, start, step_of

GATE = "  - id: gate\n    approve: Now?\n    seats: [{role: tier-2}]\n"
GATED = GATE + act().replace("    needs: []\n", "")


def place(cast: Cast, scope: HoldScope, name: str = "", who: str = "admin") -> Hold:
    return holds.place(scope, caller=cast.caller(who), name=name, reason="It blocks our own proxies.")


def release(cast: Cast, hold: Hold) -> None:
    holds.release(hold.pk, caller=cast.caller("admin"))


@pytest.fixture
def slug(fake: Connection, cast: Cast) -> str:
    return published(cast, "acting", act())


@pytest.mark.parametrize(
    ("scope", "name", "label"),
    [
        (HoldScope.EVERYTHING, "", "everything"),
        (HoldScope.PLAYBOOK, "acting", "Acting"),
        (HoldScope.CONNECTION, "fake", "fake"),
    ],
)
def test_a_held_step_waits_with_the_reason_and_goes_on_by_the_sweep_after_the_release(
    slug: str, cast: Cast, world: World, scope: HoldScope, name: str, label: str
) -> None:
    hold = place(cast, scope, name)
    run = start(cast, slug)
    drive(run)
    step = step_of(run)
    assert (step.status, step.wait_reason) == (StepStatus.WAITING, WaitReason.HOLD)
    assert step.sentence == f"Admin holds {label}: It blocks our own proxies."
    executor.sweep()
    assert step_of(run).wait_reason == WaitReason.HOLD
    release(cast, hold)
    executor.sweep()
    drive(run)
    assert (run.status, world.effects["x"]) == (RunStatus.SUCCEEDED, 1)


def test_an_approval_that_is_pending_can_be_decided_while_everything_is_held(
    fake: Connection, cast: Cast, world: World
) -> None:
    run = start(cast, published(cast, "gated", GATED))
    hold = place(cast, HoldScope.EVERYTHING)
    request = run.requests.get()
    approvals.decide(
        request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest
    )
    drive(run)
    request.refresh_from_db()
    assert (request.status, step_of(run).wait_reason) == (RequestStatus.GRANTED, WaitReason.HOLD)
    assert not world.effects
    release(cast, hold)
    executor.sweep()
    drive(run)
    request.refresh_from_db()
    assert (request.status, world.effects["x"]) == (RequestStatus.CONSUMED, 1)


def test_a_hold_on_one_connection_leaves_what_uses_others_alone(
    fake: Connection, cast: Cast, world: World
) -> None:
    connections.configure("other", caller=cast.caller("admin"), connector="fake", settings={}, secrets={})
    slug = published(cast, "both", act("here", "a") + act("there", "b", using="other"))
    place(cast, HoldScope.CONNECTION, "fake")
    run = start(cast, slug)
    drive(run)
    assert world.order == ["b"]
    assert (step_of(run, "here").wait_reason, step_of(run, "there").status) == ("hold", "succeeded")


def test_a_hold_on_one_playbook_leaves_others_alone(slug: str, cast: Cast) -> None:
    place(cast, HoldScope.PLAYBOOK, published(cast, "other", act()))
    run = start(cast, slug)
    drive(run)
    assert run.status == RunStatus.SUCCEEDED


def test_what_is_under_way_ends(slug: str, cast: Cast, world: World) -> None:
    run = start(cast, slug)
    claim = claim_next(run.pk, worker="test")
    place(cast, HoldScope.EVERYTHING)
    assert claim is not None
    settle(claim, perform(claim), worker="test")
    run.refresh_from_db()
    assert (run.status, world.effects["x"]) == (RunStatus.SUCCEEDED, 1)


@pytest.mark.parametrize(
    ("scope", "name", "is_held"),
    [
        (HoldScope.EVERYTHING, "", True),
        (HoldScope.CONNECTION, "fake", True),
        (HoldScope.PLAYBOOK, "acting", False),
    ],
)
def test_what_a_held_playbook_did_can_be_taken_back_and_nothing_else_that_is_held(
    slug: str, cast: Cast, world: World, scope: HoldScope, name: str, is_held: bool
) -> None:
    run = start(cast, slug)
    drive(run)
    hold = place(cast, scope, name)
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)
    assert run.status == (RunStatus.ROLLING_BACK if is_held else RunStatus.ROLLED_BACK)
    assert world.effects["x"] == (1 if is_held else 0)
    release(cast, hold)
    executor.sweep()
    drive(run)
    assert (run.status, world.effects["x"]) == (RunStatus.ROLLED_BACK, 0)


def test_a_playbook_that_is_held_keeps_no_undo_that_another_hold_has_let_go(
    slug: str, cast: Cast, world: World
) -> None:
    run = start(cast, slug)
    drive(run)
    everything = place(cast, HoldScope.EVERYTHING)
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)
    place(cast, HoldScope.PLAYBOOK, "acting")
    release(cast, everything)
    executor.sweep()
    drive(run)
    assert run.status == RunStatus.ROLLED_BACK


def test_a_job_at_the_far_side_is_asked_about_and_stopped_while_everything_is_held(
    slug: str, cast: Cast, world: World
) -> None:
    run = start(cast, slug)
    claim = claim_next(run.pk, worker="test")
    assert claim is not None
    settle(claim, Pending({"job": 1}, 60.0, "The job goes on."), worker="test")
    place(cast, HoldScope.EVERYTHING)
    stopping.cancel(run.pk, caller=cast.caller("analyst"))
    asked = claim_next(run.pk, worker="test")
    assert asked is not None
    assert (asked.handle, asked.is_stopping) == ({"job": 1}, True)


def test_a_run_that_is_held_can_be_cancelled(slug: str, cast: Cast) -> None:
    place(cast, HoldScope.EVERYTHING)
    run = start(cast, slug)
    drive(run)
    stopping.cancel(run.pk, caller=cast.caller("analyst"))
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED


def test_a_run_of_a_held_playbook_that_another_starts_waits_itself(fake: Connection, cast: Cast) -> None:
    published(cast, "inner", act())
    outer = start(cast, published(cast, "outer", "  - id: child\n    run: inner\n"))
    place(cast, HoldScope.PLAYBOOK, "inner")
    drive(outer)
    inner = Run.objects.get(parent__run=outer)
    drive(inner)
    assert step_of(inner).wait_reason == WaitReason.HOLD
    assert step_of(outer, "child").wait_reason == WaitReason.CHILD


@pytest.mark.parametrize("scope", HoldScope)
def test_nothing_is_held_or_released_twice(slug: str, cast: Cast, scope: HoldScope) -> None:
    name = {HoldScope.PLAYBOOK: "acting", HoldScope.CONNECTION: "fake"}.get(scope, "")
    hold = place(cast, scope, name)
    with pytest.raises(Refused) as refusal:
        place(cast, scope, name)
    assert refusal.value.rule == "held_already"
    release(cast, hold)
    with pytest.raises(Refused) as refusal:
        release(cast, hold)
    assert refusal.value.rule == "not_held"
    assert place(cast, scope, name).released_at is None
    verbs = AuditEntry.objects.filter(verb__startswith="hold.").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["hold.placed", "hold.released", "hold.placed"]


@pytest.mark.parametrize("who", ["analyst", "netowner", "author", "publisher", "compliance", "outsider"])
def test_only_senior_analysts_and_administrators_hold(slug: str, cast: Cast, who: str) -> None:
    hold = place(cast, HoldScope.EVERYTHING, who="tier2")
    with pytest.raises(Refused, match="You may not place holds"):
        place(cast, HoldScope.CONNECTION, "fake", who=who)
    with pytest.raises(Refused, match="You may not release holds"):
        holds.release(hold.pk, caller=cast.caller(who))


def test_a_hold_needs_its_reason_and_something_to_hold(slug: str, cast: Cast) -> None:
    with pytest.raises(Invalid):
        holds.place(HoldScope.EVERYTHING, caller=cast.caller("admin"), reason=" \n")
    for scope in (HoldScope.PLAYBOOK, HoldScope.CONNECTION):
        with pytest.raises(Missing):
            place(cast, scope, "none")
    assert not Hold.objects.exists()


def test_runs_start_and_queue_while_everything_is_held(slug: str, cast: Cast) -> None:
    place(cast, HoldScope.EVERYTHING)
    run = runs.start(slug, caller=cast.caller("analyst"))
    assert run.status == RunStatus.QUEUED
