"""Steps that hold others: the items of an `each`, the rounds of a `repeat`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RunStatus, Verdict
from playbooks.models import Run, Step
from playbooks.operations import approvals, rollbacks, stopping
from tests.cast import Cast
from tests.executor.world import BROKEN, World

pytestmark = pytest.mark.django_db(transaction=False)

Begin = Callable[..., Run]

EACH = """
  - id: hosts
    each: ["a", "b", "c", "d"]
    at_once: 2
    may_fail: {may_fail}
    outputs: {{host: "${{ item }}", count: "${{ steps.isolate.outputs.count }}"}}
    steps:
      - id: isolate
        do: fake.keyed
        using: fake
        with: {{target: "${{ item }}"}}
  - id: after
    set: {{done: "${{ steps.hosts.outputs.succeeded }}", last: "${{ steps.hosts.outputs.results[3].outputs.host }}"}}
"""
REPEAT = """
  - id: watch
    repeat: {{until: "steps.probe.outputs.count >= {limit}", most: 4, every: {every}}}
    outputs: {{count: "${{ steps.probe.outputs.count }}"}}
    steps:
      - id: probe
        do: fake.keyed
        using: fake
        with: {{target: "probe"}}
"""


def drive(run: Run) -> None:
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()


def later(run: Run, **delta: float) -> None:
    executor.sweep(now=timezone.now() + timedelta(**delta))
    drive(run)


def step(run: Run, key: str, round_: int = 0) -> Step:
    return run.steps.get(key=key, round=round_)


def test_each_item_runs_once_and_its_results_are_collected(begin: Begin, world: World) -> None:
    run = begin(EACH.format(may_fail=0))
    drive(run)
    assert run.status == RunStatus.SUCCEEDED
    assert world.effects == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert step(run, "after").outputs == {"done": 4, "last": "d"}
    assert step(run, "hosts").outputs["results"][0] == {
        "item": "a",
        "state": "succeeded",
        "outputs": {"host": "a", "count": 1},
    }


def test_no_more_items_than_allowed_are_under_way(begin: Begin, world: World) -> None:
    run = begin(EACH.format(may_fail=0))
    under_way = run.steps.filter(key__startswith="hosts[")
    assert sorted(under_way.values_list("key", flat=True)) == ["hosts[0].isolate", "hosts[1].isolate"]


def test_too_many_failures_end_the_step_and_what_has_not_begun_never_does(begin: Begin, world: World) -> None:
    run = begin(EACH.format(may_fail=0))
    world.outcomes = [BROKEN]
    drive(run)
    assert run.status == RunStatus.FAILED
    assert run.sentence == f"hosts: hosts[0].isolate: {BROKEN.sentence}"
    assert world.effects == {"b": 1}
    states = [turn.status for turn in step(run, "hosts").turns.order_by("index")]
    assert states == ["failed", "succeeded", "cancelled", "cancelled"]


def test_some_items_may_fail(begin: Begin, world: World) -> None:
    run = begin(EACH.format(may_fail=1))
    world.outcomes = [BROKEN]
    drive(run)
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {"b": 1, "c": 1, "d": 1})
    assert (step(run, "hosts").outputs["failed"], step(run, "after").outputs["done"]) == (1, 3)


def test_an_empty_list_is_done_at_once(begin: Begin, world: World) -> None:
    run = begin("""
  - id: none
    each: []
    steps: [{id: never, do: fake.keyed, using: fake, with: {target: "x"}}]
  - id: after
    set: {count: "${ steps.none.outputs.count }"}
""")
    assert (run.status, step(run, "after").outputs) == (RunStatus.SUCCEEDED, {"count": 0})


def test_what_is_no_list_fails_the_step(begin: Begin, world: World) -> None:
    run = begin("""
  - id: none
    each: ${ case.title }
    steps: [{id: never, set: {a: 1}}]
""")
    assert run.status == RunStatus.FAILED
    assert "is no list" in run.sentence


def test_turns_that_end_at_once_do_not_make_one_endless_transaction(begin: Begin, world: World) -> None:
    items = list(range(250))
    run = begin(f"""
  - id: many
    each: {items}
    steps: [{{id: one, set: {{a: "${{ item }}"}}}}]
""")
    assert (run.status, run.steps.count()) == (RunStatus.RUNNING, 101)
    for _ in range(3):
        later(run)
    assert (run.status, step(run, "many").outputs["succeeded"]) == (RunStatus.SUCCEEDED, 250)


def test_a_repeat_ends_when_its_condition_holds(begin: Begin, world: World) -> None:
    world.keys.clear()
    run = begin(REPEAT.format(limit=3, every="30s"))
    for _ in range(3):
        drive(run)
        later(run, seconds=31)
    assert run.status == RunStatus.SUCCEEDED
    assert step(run, "watch").outputs == {"turns": 3, "count": 3}


def test_a_repeat_waits_between_its_turns(begin: Begin, world: World) -> None:
    run = begin(REPEAT.format(limit=3, every="30s"))
    drive(run)
    waiting = step(run, "watch")
    assert (run.status, waiting.wait_reason, world.effects) == (RunStatus.WAITING, "turns", {"probe": 1})
    later(run, seconds=29)
    assert world.effects == {"probe": 1}


def test_a_repeat_has_a_bound(begin: Begin, world: World) -> None:
    run = begin(REPEAT.format(limit=99, every="1s"))
    for _ in range(5):
        drive(run)
        later(run, seconds=2)
    assert (run.status, world.effects) == (RunStatus.FAILED, {"probe": 4})
    assert run.sentence == "watch: After 4 turns, the most it may take, it is still not over."


def test_a_repeat_may_ask_before_its_first_turn(begin: Begin, world: World) -> None:
    run = begin("""
  - id: never
    repeat: {while: "turn < 1", most: 3}
    steps: [{id: one, do: fake.keyed, using: fake, with: {target: "x"}}]
""")
    assert (run.status, step(run, "never").outputs, world.effects) == (RunStatus.SUCCEEDED, {"turns": 0}, {})


def test_blocks_stand_inside_blocks(begin: Begin, world: World) -> None:
    run = begin("""
  - id: outer
    each: [["a", "b"], ["c"]]
    outputs: {count: "${ steps.inner.outputs.count }"}
    steps:
      - id: inner
        each: ${ item }
        at_once: 5
        steps:
          - id: twice
            repeat: {until: "turn == 2", most: 3}
            steps:
              - id: one
                do: fake.keyed
                using: fake
                with: {target: "${ item }"}
""")
    drive(run)
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {"a": 2, "b": 2, "c": 2})
    assert step(run, "outer[1].inner[0].twice[1].one").status == "succeeded"
    assert [each["outputs"]["count"] for each in step(run, "outer").outputs["results"]] == [2, 1]


def test_a_rollback_goes_back_through_the_turns(begin: Begin, world: World, cast: Cast) -> None:
    run = begin("""
  - id: before
    do: fake.keyed
    using: fake
    with: {target: "before"}
  - id: rounds
    repeat: {until: "turn == 2", most: 2}
    steps:
      - {id: one, do: fake.keyed, using: fake, with: {target: "one"}}
      - {id: two, do: fake.keyed, using: fake, with: {target: "two"}}
  - id: after
    do: fake.keyed
    using: fake
    with: {target: "after"}
""")
    drive(run)
    plan = rollbacks.plan_of(run)
    rollbacks.start(run.pk, caller=cast.caller("tier2"), plan_digest=plan.digest)
    drive(run)
    assert run.status == RunStatus.ROLLED_BACK
    assert world.order[6:] == ["undo after", "undo two", "undo one", "undo two", "undo one", "undo before"]


GATED = """
  - id: gate
    approve: Isolate them?
    seats: [{role: tier-2}]
  - id: hosts
    each: ["a", "b"]
    steps:
      - id: isolate
        do: fake.keyed
        using: fake
        with: {target: "${ item }"}
"""


def test_one_approval_covers_every_item_of_a_list(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(GATED)
    request = run.requests.get()
    assert '"step":"hosts[0].isolate"' in request.subject
    assert '"step":"hosts[1].isolate"' in request.subject
    approvals.decide(
        request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest
    )
    drive(run)
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {"a": 1, "b": 1})
    assert request.consumptions.count() == 2


def test_a_denial_keeps_every_item_from_running(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(GATED)
    request = run.requests.get()
    approvals.decide(
        request.pk,
        caller=cast.caller("tier2"),
        verdict=Verdict.DENY,
        shown_digest=request.digest,
        comment="Not now.",
    )
    drive(run)
    assert (run.status, world.effects) == (RunStatus.FAILED, {})


def test_a_gate_in_a_turn_lets_its_own_turn_run(begin: Begin, world: World, cast: Cast) -> None:
    run = begin("""
  - id: hosts
    each: ["a", "b"]
    at_once: 2
    may_fail: 1
    steps:
      - id: gate
        approve: Isolate ${ item }?
        seats: [{role: tier-2}]
      - id: isolate
        do: fake.keyed
        using: fake
        with: {target: "${ item }"}
""")
    first, second = run.requests.order_by("opened_at", "pk")
    assert first.question == "Isolate a?"
    approvals.decide(
        second.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=second.digest
    )
    approvals.decide(
        first.pk, caller=cast.caller("tier2"), verdict=Verdict.DENY, shown_digest=first.digest, comment="No."
    )
    drive(run)
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {"b": 1})


def test_cancelling_drops_what_has_not_begun_on_every_level(begin: Begin, world: World, cast: Cast) -> None:
    run = begin("""
  - id: hosts
    each: ["a", "b", "c"]
    at_once: 2
    steps:
      - {id: isolate, do: fake.keyed, using: fake, with: {target: "${ item }"}}
      - {id: rest, wait: {for: 1h}}
  - id: clean
    after: always
    do: fake.keyed
    using: fake
    with: {target: "clean"}
""")
    drive(run)
    stopping.cancel(run.pk, caller=cast.caller("tier2"))
    drive(run)
    assert run.status == RunStatus.CANCELLED
    assert world.effects == {"a": 1, "b": 1, "clean": 1}
    assert not run.steps.exclude(status__in=["succeeded", "cancelled"]).exists()


@pytest.mark.usefixtures("any_time")
def test_a_block_that_takes_too_long_is_stopped(begin: Begin, world: World) -> None:
    run = begin("""
  - id: hosts
    each: ["a", "b"]
    timeout: 10m
    steps:
      - {id: isolate, do: fake.keyed, using: fake, with: {target: "${ item }"}}
      - {id: rest, wait: {for: 1h}}
  - id: told
    after: failure
    set: {why: "${ steps.hosts.state }"}
""")
    drive(run)
    later(run, minutes=11)
    assert (run.status, world.effects) == (RunStatus.FAILED, {"a": 1})
    assert run.sentence == "hosts: It took longer than its timeout, so it was stopped."
    assert step(run, "told").outputs == {"why": "failed"}
