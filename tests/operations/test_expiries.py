"""What was changed for a time only: taken back at its time, once, by the last who holds it, whatever happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import cast as as_type

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.connectors import registry
from playbooks.domain.outcomes import Failed
from playbooks.domain.statuses import ExpiryStatus, RunStatus, StepStatus
from playbooks.models import Connection, Expiry, HoldScope, Run, RunTrigger
from playbooks.models.audit import AuditEntry
from playbooks.operations import actions, connections, holds, rollbacks, stopping
from playbooks.operations.refusals import Refused
from tests.cast import Cast
from tests.databases import any_time
from tests.executor.world import REFUSED
from tests.operations.lasting import Lasting, lasting
from tests.operations.waiting import after, drive, published, start

__all__ = ["any_time"]

pytestmark = pytest.mark.usefixtures("any_time")

BLOCK = """\
  - id: act
    do: fake.set
    using: fake
    with: {target: x}
    expires: ${HOURS}h
"""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lasting]:
    """The fake connector with targets that are set or not, registered for one test."""
    far = Lasting()
    monkeypatch.setitem(as_type(dict[str, object], registry.CONNECTORS), "fake", lasting(far))
    actions.actions.cache_clear()
    yield far
    actions.actions.cache_clear()


@pytest.fixture
def slugs(fake: Connection, cast: Cast) -> dict[int, str]:
    """Playbooks that set the same target for so many hours."""
    return {
        hours: published(cast, f"for-{hours}", BLOCK.replace("${HOURS}", str(hours))) for hours in (1, 2, 24)
    }


def expiry_of(run: Run) -> Expiry:
    return Expiry.objects.get(step__run=run)


def status_of(run: Run) -> str:
    return str(expiry_of(run).status)


def begin(cast: Cast, slug: str, *, simulate: bool = False) -> Run:
    run = start(cast, slug, simulate=simulate)
    drive(run)
    assert run.status == RunStatus.SUCCEEDED
    return run


def let_go_by(hours: float) -> None:
    """So much time goes by, and what is due then is done."""
    after(hours=hours, seconds=1)
    drive(*Run.objects.filter(trigger=RunTrigger.EXPIRY, ended_at=None))


def roll_back(cast: Cast, run: Run) -> None:
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)


def test_a_change_is_taken_back_at_its_time_though_everything_was_down(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    run = begin(cast, slugs[24])
    let_go_by(23)
    assert world.is_set == {"x"}
    let_go_by(24 * 7)
    undoing = expiry_of(run).run
    assert undoing is not None
    assert (world.is_set, undoing.status, status_of(run)) == (set(), RunStatus.SUCCEEDED, "ended")
    assert (undoing.trigger, undoing.case_id) == (RunTrigger.EXPIRY, run.case_id)
    let_go_by(24 * 8)
    assert world.order == ["set x", "unset x"]


def test_of_two_who_hold_a_target_the_last_takes_it_back(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    short, long = begin(cast, slugs[1]), begin(cast, slugs[2])
    let_go_by(1)
    assert (world.is_set, status_of(short), status_of(long)) == ({"x"}, "released", "active")
    let_go_by(2)
    assert (world.is_set, status_of(short), status_of(long)) == (set(), "ended", "ended")


def test_of_three_the_last_takes_it_back_whoever_changed_it(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    runs = [begin(cast, slugs[hours]) for hours in (2, 24, 1)]
    for hours, is_set in ((1, True), (2, True), (23, True), (24, False)):
        let_go_by(hours)
        assert ("x" in world.is_set) == is_set
    assert [status_of(run) for run in runs] == ["ended"] * 3
    assert world.order.count("unset x") == 1


def test_what_was_so_before_any_of_them_stays(slugs: dict[int, str], cast: Cast, world: Lasting) -> None:
    world.is_set.add("x")
    runs = [begin(cast, slugs[hours]) for hours in (1, 2)]
    let_go_by(3)
    assert (world.is_set, [status_of(run) for run in runs]) == ({"x"}, ["ended", "ended"])
    assert "unset x" not in world.order


def test_what_they_did_long_ago_is_no_reason_to_take_back_what_a_person_did_since(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    begin(cast, slugs[1])
    begin(cast, slugs[2])
    let_go_by(3)
    world.is_set.add("x")
    begin(cast, slugs[24])
    let_go_by(30)
    assert world.is_set == {"x"}


def test_what_was_only_simulated_holds_nothing_real(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    real, simulated = begin(cast, slugs[1]), begin(cast, slugs[24], simulate=True)
    let_go_by(1)
    assert (world.is_set, status_of(real)) == (set(), "ended")
    let_go_by(24)
    undoing = expiry_of(simulated).run
    assert undoing is not None
    assert (undoing.is_simulated, undoing.status) == (True, RunStatus.SUCCEEDED)
    assert undoing.steps.get().attempts.get().is_simulated
    assert world.order == ["set x", "unset x"]


def test_a_rollback_before_the_time_leaves_nothing_to_do_at_it(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    run = begin(cast, slugs[1])
    roll_back(cast, run)
    assert (world.is_set, status_of(run)) == (set(), "ended")
    let_go_by(2)
    assert not Run.objects.filter(trigger=RunTrigger.EXPIRY).exists()


def test_after_its_time_there_is_nothing_to_roll_back(slugs: dict[int, str], cast: Cast) -> None:
    run = begin(cast, slugs[1])
    let_go_by(2)
    assert not rollbacks.plan_of(run).undoings
    undoing = expiry_of(run).run
    assert undoing is not None
    assert not rollbacks.plan_of(undoing).undoings


def test_a_rollback_leaves_what_another_run_holds_and_says_until_when(
    fake: Connection, slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    other = "  - id: also\n    do: fake.keyed\n    using: fake\n    with: {target: y}\n"
    both = begin(cast, published(cast, "both", other + BLOCK.replace("${HOURS}", "1")))
    holder = begin(cast, slugs[24])
    plan = rollbacks.plan_of(both)
    until = expiry_of(holder).due_at
    assert [each.key for each in plan.undoings] == ["also"]
    assert list(plan.all_kept()) == [("act", f"Kept: {holder} holds it until {until:%Y-%m-%d %H:%M} UTC.")]
    roll_back(cast, both)
    assert (both.status, world.is_set, world.effects["y"]) == (RunStatus.ROLLED_BACK, {"x"}, 0)
    assert (status_of(both), status_of(holder)) == ("released", "active")
    let_go_by(24)
    assert (world.is_set, status_of(both), status_of(holder)) == (set(), "ended", "ended")


def test_a_run_of_which_others_hold_everything_cannot_be_rolled_back_yet(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    run, holder = begin(cast, slugs[1]), begin(cast, slugs[24])
    with pytest.raises(Refused) as refusal:
        roll_back(cast, run)
    assert refusal.value.rule == "nothing_to_roll_back"
    assert "Others hold" in str(refusal.value)
    let_go_by(25)
    assert (world.is_set, status_of(run), status_of(holder)) == (set(), "ended", "ended")


def test_the_last_holder_is_rolled_back_though_another_had_changed_it(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    first, last = begin(cast, slugs[1]), begin(cast, slugs[24])
    let_go_by(1)
    roll_back(cast, last)
    assert (world.is_set, status_of(first), status_of(last)) == (set(), "ended", "ended")


def test_what_could_not_be_taken_back_is_tried_again_after_growing_pauses(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    run = begin(cast, slugs[1])
    pauses, now = [], timezone.now() + timedelta(hours=1, seconds=1)
    for _ in range(4):
        world.outcomes.append(REFUSED)
        executor.sweep(now=now)
        drive(*Run.objects.filter(trigger=RunTrigger.EXPIRY, ended_at=None))
        pauses.append((expiry_of(run).due_at - timezone.now()) / timedelta(minutes=1))
        now = timezone.now() + timedelta(days=1)
    assert [round(pause) for pause in pauses] == [1, 2, 4, 8]
    last = expiry_of(run)
    assert (last.status, last.tries) == (ExpiryStatus.ACTIVE, 4)
    assert last.run is not None
    assert "403" in last.run.sentence
    assert AuditEntry.objects.filter(verb="expiry.retried").count() == 4
    let_go_by(2)
    assert (world.is_set, status_of(run)) == (set(), "ended")


def test_it_is_tried_for_ever_and_never_less_often_than_every_six_hours(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    run = begin(cast, slugs[1])
    Expiry.objects.update(tries=30_000)
    world.outcomes.append(REFUSED)
    let_go_by(2)
    assert round((expiry_of(run).due_at - timezone.now()) / timedelta(hours=1)) == 6


def test_who_cancels_the_run_that_takes_it_back_only_puts_it_off(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    run = begin(cast, slugs[1])
    after(hours=2)
    undoing = expiry_of(run).run
    assert undoing is not None
    stopping.cancel(undoing.pk, caller=cast.caller("analyst"))
    drive(undoing)
    assert (undoing.status, status_of(run)) == (RunStatus.CANCELLED, "undoing")
    executor.sweep()
    assert (status_of(run), expiry_of(run).tries) == ("active", 1)
    let_go_by(2)
    assert world.is_set == set()


def test_who_comes_to_hold_it_while_its_undo_waits_is_not_robbed(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    first = begin(cast, slugs[1])
    connections.configure("else", caller=cast.caller("admin"), connector="fake", settings={}, secrets={})
    after(hours=2)
    undoing = expiry_of(first).run
    assert undoing is not None
    hold = holds.place(HoldScope.EVERYTHING, caller=cast.caller("admin"), reason="Look first.")
    drive(undoing)
    holds.release(hold.pk, caller=cast.caller("admin"))
    second = begin(cast, slugs[24])
    executor.sweep()
    drive(undoing)
    assert (undoing.status, world.is_set) == (RunStatus.FAILED, {"x"})
    assert "Kept" in undoing.sentence
    let_go_by(3)
    assert (status_of(first), status_of(second), world.is_set) == ("released", "active", {"x"})
    let_go_by(24)
    assert world.is_set == set()


def test_the_time_does_not_interfere_with_a_rollback_that_is_under_way(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    run = begin(cast, slugs[1])
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    let_go_by(2)
    assert (status_of(run), Run.objects.filter(trigger=RunTrigger.EXPIRY).count()) == ("active", 0)
    drive(run)
    let_go_by(3)
    assert world.order == ["set x", "unset x"]


def test_secrets_that_were_rotated_meanwhile_are_used_as_they_are_then(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    run = begin(cast, slugs[1])
    before = Connection.objects.get(name="fake").revision
    row = connections.configure(
        "fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={"token": "the new one"}
    )
    let_go_by(2)
    undoing = expiry_of(run).run
    assert undoing is not None
    attempt = undoing.steps.get().attempts.get()
    assert (attempt.connection_revision, row.revision) == (before + 1, before + 1)
    assert world.tokens[-1] == "the new one"


def test_a_far_side_that_is_busy_is_asked_again_by_another_run(
    slugs: dict[int, str], cast: Cast, world: Lasting
) -> None:
    run = begin(cast, slugs[1])
    world.outcomes.append(Failed("Busy.", permanent=False))
    let_go_by(2)
    assert expiry_of(run).tries == 1
    assert expiry_of(run).step.undone_by.get().status == StepStatus.FAILED
    let_go_by(3)
    assert (world.is_set, status_of(run)) == (set(), "ended")
