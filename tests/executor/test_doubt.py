"""An answer was lost, and what is tried in its place fails: whether it happened stays open until somebody knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.domain.outcomes import Outcome
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict
from playbooks.models import Run
from playbooks.operations import approvals, connections, runs, stopping
from playbooks.operations.runs import Resolution
from tests.cast import Cast
from tests.executor.world import BROKEN, LOST, REFUSED, World

Begin = Callable[..., Run]

STEP = """\
  - id: one
    do: fake.{kind}
    using: fake
    with: {{target: one}}
    retry: {{times: 3, every: 5s}}
"""


@pytest.mark.parametrize(("kind", "second"), [("safe", "lost"), ("keyed", "lost"), ("lookup", "failed")])
def test_a_failure_in_the_place_of_a_lost_answer_is_retried_under_the_same_key(
    begin: Begin, world: World, kind: str, second: str
) -> None:
    """Another key would tell the far side that it is another request. Only who has looked knows that it failed."""
    run = begin(STEP.format(kind=kind))
    world.outcomes = [LOST, BROKEN]
    executor.drive(run.pk, worker="test")
    executor.sweep(now=timezone.now() + timedelta(seconds=30))
    executor.drive(run.pk, worker="test")
    attempts = run.steps.get().attempts.order_by("number")
    assert [attempt.status for attempt in attempts] == ["lost", second, "succeeded"]
    assert len({attempt.idempotency_key for attempt in attempts}) == 1


@pytest.mark.parametrize(
    ("resolution", "ended"),
    [(Resolution.HAPPENED, RunStatus.SUCCEEDED), (Resolution.GIVE_UP, RunStatus.FAILED)],
)
@pytest.mark.parametrize("kind", ["safe", "keyed"])
def test_a_refusal_in_the_place_of_a_lost_answer_is_no_failure_and_a_person_is_asked(
    begin: Begin, world: World, cast: Cast, kind: str, resolution: Resolution, ended: RunStatus
) -> None:
    """A failed step is never undone; this one may have changed something."""
    run = begin(STEP.format(kind=kind))
    world.outcomes = [LOST, REFUSED]
    executor.drive(run.pk, worker="test")
    step = run.steps.get()
    assert (step.status, step.sentence) == (StepStatus.UNKNOWN, REFUSED.sentence)
    runs.resolve(run.pk, "one", caller=cast.caller("analyst"), resolution=resolution, comment="I looked.")
    run.refresh_from_db()
    assert run.status == ended


def test_a_refusal_after_a_look_that_found_nothing_is_a_failure(begin: Begin, world: World) -> None:
    run = begin(STEP.format(kind="lookup"))
    world.outcomes = [LOST, REFUSED]
    executor.drive(run.pk, worker="test")
    assert run.steps.get().status == StepStatus.FAILED
    assert not world.effects


@pytest.mark.parametrize("again", [LOST, BROKEN])
def test_a_run_that_is_cancelled_while_a_lost_answer_is_to_be_tried_again_asks_a_person(
    begin: Begin, world: World, cast: Cast, again: Outcome
) -> None:
    run = begin(STEP.format(kind="keyed"))
    world.outcomes = [LOST, again]
    executor.drive(run.pk, worker="test")
    stopping.cancel(run.pk, caller=cast.caller("analyst"))
    assert run.steps.get().status == StepStatus.UNKNOWN
    happened = Resolution.HAPPENED
    runs.resolve(run.pk, "one", caller=cast.caller("analyst"), resolution=happened, comment="I looked.")
    run.refresh_from_db()
    assert (run.status, run.steps.get().status) == (RunStatus.CANCELLED, StepStatus.SUCCEEDED)


def test_a_block_that_takes_too_long_asks_about_a_lost_answer_in_it(
    begin: Begin, world: World, cast: Cast
) -> None:
    """What did not happen by then is not begun any more."""
    inner = "".join(f"    {line}\n" for line in STEP.format(kind="keyed").splitlines())
    run = begin(f"  - id: block\n    each: [a]\n    timeout: 30s\n    steps:\n{inner}")
    world.outcomes = [LOST, LOST]
    executor.drive(run.pk, worker="test")
    executor.sweep(now=timezone.now() + timedelta(seconds=31))
    key, caller = "block[0].one", cast.caller("analyst")
    assert run.steps.get(key=key).status == StepStatus.UNKNOWN
    runs.resolve(run.pk, key, caller=caller, resolution=Resolution.DID_NOT_HAPPEN, comment="I looked.")
    run.refresh_from_db()
    assert (run.status, run.steps.get(key=key).status) == (RunStatus.FAILED, StepStatus.FAILED)


GATED = """\
  - id: gate
    approve: Now?
    seats: [{role: tier-2}]
    within: 30m
"""


@pytest.fixture
def asked_again(any_time: None, begin: Begin, world: World, cast: Cast) -> Run:
    """An answer was lost twice, and what would be sent at the third try is another thing than what was approved."""
    run = begin(GATED + STEP.format(kind="keyed"))
    decide(run, cast, Verdict.APPROVE)
    world.outcomes = [LOST, LOST]
    executor.drive(run.pk, worker="test")
    connections.configure("fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={})
    executor.sweep(now=timezone.now() + timedelta(seconds=30))
    executor.drive(run.pk, worker="test")
    return run


def decide(run: Run, cast: Cast, verdict: Verdict) -> None:
    request = run.requests.get(status=RequestStatus.OPEN)
    caller, why = cast.caller("tier2"), "" if verdict is Verdict.APPROVE else "Not like this."
    approvals.decide(request.pk, caller=caller, verdict=verdict, shown_digest=request.digest, comment=why)


@pytest.mark.parametrize(
    ("resolution", "ended"),
    [
        (Resolution.HAPPENED, StepStatus.SUCCEEDED),
        (Resolution.DID_NOT_HAPPEN, StepStatus.FAILED),
        (Resolution.GIVE_UP, StepStatus.FAILED),
    ],
)
def test_a_denial_of_another_try_leaves_open_what_the_lost_one_did_and_nothing_is_tried_again(
    asked_again: Run, cast: Cast, resolution: Resolution, ended: StepStatus
) -> None:
    decide(asked_again, cast, Verdict.DENY)
    step = asked_again.steps.get(key="one")
    assert step.status == StepStatus.UNKNOWN
    assert "Not like this." in step.sentence
    assert "nobody knows whether it happened" in step.sentence
    runs.resolve(
        asked_again.pk, "one", caller=cast.caller("analyst"), resolution=resolution, comment="I looked."
    )
    executor.drive(asked_again.pk, worker="test")
    step.refresh_from_db()
    assert (step.status, step.attempt_count) == (ended, 2)


def test_a_deadline_that_passes_over_another_try_leaves_it_open_as_well(asked_again: Run) -> None:
    executor.sweep(now=timezone.now() + timedelta(minutes=45))
    assert asked_again.steps.get(key="one").status == StepStatus.UNKNOWN
