"""How a run goes on, ends and is taken back, step by step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.domain.outcomes import Failed, Lost
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus
from playbooks.executor import seams
from playbooks.executor.seams import Seam
from playbooks.models import Attempt, Run, Step
from playbooks.operations import connections, rollbacks, runs, stopping
from playbooks.operations.refusals import Refused
from playbooks.operations.runs import Resolution
from tests.cast import Cast, connect
from tests.executor.world import BROKEN, LOST, REFUSED, World

Begin = Callable[..., Run]


def do(key: str, action: str = "keyed", *lines: str) -> str:
    """A step that acts on the target of its own name."""
    more = "".join(f"    {line}\n" for line in lines)
    return f"  - id: {key}\n    do: fake.{action}\n    using: fake\n    with: {{target: {key}}}\n{more}"


def drive(run: Run) -> None:
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()


def later(run: Run, **delta: float) -> None:
    executor.sweep(now=timezone.now() + timedelta(**delta))
    drive(run)


def step(run: Run, key: str, round_: int = 0) -> Step:
    return run.steps.get(key=key, round=round_)


def statuses(run: Run, round_: int = 0) -> dict[str, str]:
    return dict(run.steps.filter(round=round_).values_list("key", "status"))


def sentence(run: Run, key: str) -> str:
    return step(run, key).sentence


def roll_back(run: Run, cast: Cast) -> None:
    plan = rollbacks.plan_of(run)
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=plan.digest)
    drive(run)


# Retries


def test_a_retry_waits_longer_each_time_and_ends(begin: Begin, world: World) -> None:
    run = begin(do("one", "keyed", "retry: {times: 2, every: 4s, backoff: 3}"))
    world.outcomes = [BROKEN] * 3
    for attempt, pause in enumerate([4, 12], start=1):
        drive(run)
        waiting = step(run, "one")
        assert (waiting.status, waiting.wait_reason, waiting.attempt_count) == ("waiting", "retry", attempt)
        paused = (waiting.due_at - waiting.changed_at).total_seconds()
        assert pause <= paused <= pause * 1.25
        assert run.status == RunStatus.WAITING
        executor.sweep(now=waiting.due_at - timedelta(microseconds=1))
        assert step(run, "one").status == StepStatus.WAITING
        executor.sweep(now=waiting.due_at)
        assert step(run, "one").status == StepStatus.READY
    drive(run)
    assert (step(run, "one").status, step(run, "one").attempt_count) == ("failed", 3)
    assert run.sentence == f"one: {BROKEN.sentence}"


def test_a_retry_has_an_idempotency_key_of_its_own(begin: Begin, world: World) -> None:
    run = begin(do("one", "keyed", "retry: {times: 2, every: 1s}"))
    world.outcomes = [BROKEN]
    drive(run)
    later(run, seconds=2)
    keys = step(run, "one").attempts.values_list("idempotency_key", flat=True)
    assert len(set(keys)) == 2
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {"one": 1})


def test_a_permanent_failure_is_not_tried_again(begin: Begin, world: World) -> None:
    run = begin(do("one", "keyed", "retry: {times: 5, every: 1s}"))
    world.outcomes = [REFUSED]
    drive(run)
    assert (run.status, step(run, "one").attempt_count) == (RunStatus.FAILED, 1)


def test_a_late_failure_of_an_unknown_step_is_tried_again_as_its_playbook_says(
    begin: Begin, world: World
) -> None:
    """The worker was slow, the step counted as unknown, and then the answer said that nothing happened."""
    run = begin(do("one", "never", "retry: {times: 2, every: 1s}"))
    world.outcomes = [BROKEN]

    def slow(seam: Seam) -> None:
        if seam is Seam.PERFORMED:
            seams.visit()
            executor.sweep(now=timezone.now() + timedelta(seconds=20))

    seams.visit(slow)
    drive(run)
    later(run, seconds=2)
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {"one": 1})


def test_answers_that_keep_getting_lost_end_with_a_question(begin: Begin, world: World) -> None:
    run = begin(do("one", "safe"))
    world.outcomes = [LOST] * 20
    drive(run)
    for _ in range(10):
        later(run, seconds=50)
    assert step(run, "one").status == StepStatus.UNKNOWN
    assert step(run, "one").attempt_count == 6


# Order


def test_a_forgiven_failure_does_not_fail_the_run_nor_what_follows(begin: Begin, world: World) -> None:
    run = begin(
        do("one", "keyed", "continue_on_failure: true") + do("two") + do("three", "keyed", "after: failure"),
        outputs="{made: '${ steps.two.outputs.count }'}",
    )
    world.outcomes = [REFUSED]
    drive(run)
    assert statuses(run) == {"one": "failed", "two": "succeeded", "three": "skipped"}
    assert (run.status, run.outputs) == (RunStatus.SUCCEEDED, {"made": 1})


def test_the_sentence_of_a_failed_run_is_of_the_step_that_failed_it(begin: Begin, world: World) -> None:
    run = begin(do("one", "keyed", "continue_on_failure: true") + do("two"))
    world.outcomes = [REFUSED, Failed("The second said no.", permanent=True)]
    drive(run)
    assert run.sentence == "two: The second said no."


def test_what_follows_a_failure_runs_by_what_it_waits_for(begin: Begin, world: World) -> None:
    run = begin(
        do("one")
        + do("plain", "keyed", "needs: [one]")
        + do("rescue", "keyed", "needs: [one]", "after: failure")
        + do("sweep_up", "keyed", "needs: [one]", "after: always")
        + do("beyond", "keyed", "needs: [plain]")
        + do("after_rescue", "keyed", "needs: [rescue]")
    )
    world.outcomes = [REFUSED]
    drive(run)
    assert statuses(run) == {
        "one": "failed",
        "plain": "skipped",
        "rescue": "succeeded",
        "sweep_up": "succeeded",
        "beyond": "skipped",
        "after_rescue": "succeeded",
    }
    assert run.status == RunStatus.FAILED


def test_a_false_condition_skips_and_is_no_failure(begin: Begin, world: World) -> None:
    run = begin(
        do("one", "keyed", "when: 1 > 2")
        + do("two")
        + do("three", "keyed", "needs: [one]", "after: always")
        + do("four", "keyed", "needs: []")
        + do("five", "keyed", "needs: [one, four]")
    )
    drive(run)
    assert statuses(run) == {
        "one": "skipped",
        "two": "skipped",
        "three": "skipped",
        "four": "succeeded",
        "five": "succeeded",
    }
    assert run.status == RunStatus.SUCCEEDED


def test_a_wide_playbook_that_is_skipped_as_a_whole_is_planned_at_once(begin: Begin, world: World) -> None:
    """Thirty layers of two have a thousand million ways through them."""
    layers = [do("root", "keyed", 'when: "false"')]
    above = ["root"]
    for depth in range(30):
        here = [f"l{depth}", f"r{depth}"]
        layers += [do(key, "keyed", f"needs: [{', '.join(above)}]") for key in here]
        above = here
    run = begin("".join(layers))
    drive(run)
    assert run.status == RunStatus.SUCCEEDED
    assert set(statuses(run).values()) == {"skipped"}


def test_the_longest_playbook_is_skipped_without_running_out_of_stack(begin: Begin, world: World) -> None:
    run = begin(do("s0", "keyed", 'when: "false"') + "".join(do(f"s{n}") for n in range(1, 500)))
    drive(run)
    assert run.status == RunStatus.SUCCEEDED


# Values, timers, outputs


def test_values_and_timers_feed_what_follows(begin: Begin, world: World) -> None:
    run = begin(
        "  - id: facts\n    set: {who: alice, twice: '${ 2 * 21 }'}\n"
        "  - id: pause\n    wait: {for: 5s}\n"
        "  - id: act\n    do: fake.keyed\n    using: fake\n"
        '    with: {target: "${ steps.facts.outputs.who }-${ steps.facts.outputs.twice }"}\n',
        outputs="{target: '${ steps.act.outputs.target }'}",
    )
    waiting = step(run, "pause")
    assert (waiting.status, waiting.wait_reason, run.status) == ("waiting", "time", RunStatus.WAITING)
    executor.sweep(now=waiting.due_at - timedelta(microseconds=1))
    drive(run)
    assert not world.effects
    executor.sweep(now=waiting.due_at)
    drive(run)
    assert run.outputs == {"target": "alice-42"}
    assert world.effects == {"alice-42": 1}


@pytest.mark.parametrize(
    ("steps", "key", "words"),
    [
        ("  - id: one\n    set: {a: '${ 1 / 0 }'}\n", "one", "divides by zero"),
        ("  - id: one\n    when: case.title\n    set: {a: 1}\n", "one", "not true or false"),
        (
            do("one", "read", "when: 'false'")
            + do("base", "read", "needs: []")
            + "  - id: two\n    needs: [one, base]\n    set: {a: '${ steps.one.outputs.count }'}\n",
            "two",
            "steps.one.outputs has no value",
        ),
        (
            '  - id: one\n    do: fake.keyed\n    using: fake\n    with: {target: "${ string(1 / 0) }"}\n',
            "one",
            "divides by zero",
        ),
        (
            "  - id: one\n    approve: 'Do ${ string(1 / 0) }?'\n    seats: [{role: tier-2}]\n",
            "one",
            "divides by zero",
        ),
        (
            "  - id: one\n    do: fake.keyed\n    using: nowhere\n    with: {target: t}\n",
            "one",
            "no connection",
        ),
        (
            "  - id: one\n    do: fake.keyed\n    using: assets\n    with: {target: t}\n",
            "one",
            "is of assets, not fake",
        ),
    ],
)
def test_what_cannot_be_worked_out_fails_its_step_with_a_sentence(
    begin: Begin, cast: Cast, steps: str, key: str, words: str
) -> None:
    connect(cast)
    run = begin(steps)
    drive(run)
    assert run.status == RunStatus.FAILED
    assert words in sentence(run, key)
    assert words in run.sentence
    assert not Attempt.objects.filter(step__run=run, step__key=key).exists()


def test_outputs_that_cannot_be_computed_fail_the_run_with_a_sentence(begin: Begin, world: World) -> None:
    run = begin(
        do("one", "keyed", "when: 'false'") + do("two", "keyed", "needs: []"),
        outputs="{a: '${ steps.one.outputs.count }'}",
    )
    drive(run)
    assert run.status == RunStatus.FAILED
    assert "outputs of the playbook cannot be computed" in run.sentence


def test_an_answer_with_a_number_that_json_cannot_carry_exactly_is_still_an_answer(
    begin: Begin, world: World
) -> None:
    """Far sides give 64-bit ids."""
    world.effects["one"] = 2**60
    run = begin(do("one"))
    drive(run)
    assert run.status == RunStatus.SUCCEEDED
    assert step(run, "one").outputs["count"] == 2**60 + 1


@pytest.mark.parametrize(
    "text",
    ["a\0b", "a\ud800b"],
    ids=["nul", "half of a surrogate pair"],
)
def test_an_answer_with_a_character_that_no_column_holds_is_still_an_answer(
    begin: Begin, world: World, text: str
) -> None:
    run = begin(do("one"))
    world.outcomes = [Failed(f"It said {text}", permanent=True)]
    drive(run)
    assert run.status == RunStatus.FAILED


# Taking back

DIAMOND = (
    do("top")
    + do("left", "keyed", "needs: [top]")
    + do("right", "keyed", "needs: [top]")
    + do("bottom", "keyed", "needs: [left, right]")
)


def test_a_failed_run_takes_back_what_it_did_in_reverse_order(begin: Begin, world: World) -> None:
    run = begin(DIAMOND + do("fail", "keyed"), on_failure="rollback")

    def visitor(seam: Seam) -> None:
        if seam is Seam.SETTLED and len(world.order) == 4:
            world.outcomes.append(REFUSED)
            seams.visit()

    seams.visit(visitor)
    drive(run)
    drive(run)
    assert run.status == RunStatus.ROLLED_BACK
    assert world.order[4] == "undo bottom"
    assert set(world.order[5:7]) == {"undo left", "undo right"}
    assert world.order[7:] == ["undo top"]
    assert set(world.effects.values()) == {0}


def test_a_failed_undo_stops_what_depends_on_it_and_a_second_rollback_finishes_the_rest(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(DIAMOND)
    drive(run)

    def visitor(seam: Seam) -> None:
        if seam is Seam.SETTLED and world.order[-1] == "undo bottom":
            world.outcomes.append(REFUSED)
            seams.visit()

    seams.visit(visitor)
    roll_back(run, cast)
    assert run.status == RunStatus.ROLLBACK_FAILED
    assert sorted(statuses(run, 1).values()) == ["failed", "skipped", "succeeded", "succeeded"]
    assert statuses(run, 1)["top"] == "skipped"
    before = len(world.order)
    roll_back(run, cast)
    assert run.status == RunStatus.ROLLED_BACK
    assert len(world.order) - before == 2
    assert set(world.effects.values()) == {0}


def test_what_cannot_be_taken_back_is_listed_and_what_changed_nothing_is_left(
    begin: Begin, world: World, cast: Cast
) -> None:
    connect(cast)
    run = begin(
        do("kept", "keyed", "undo: {none: It is the state that we want.}")
        + do("once")
        + do("look", "read")
        + "  - id: tell\n    do: notify.send\n    using: soc-channel\n    with: {text: done}\n"
    )
    drive(run)
    Step.objects.filter(run=run, key="once").update(outputs={"target": "once", "changed": False})
    plan = rollbacks.plan_of(run)
    assert plan.undoings == ()
    assert [key for key, _ in plan.irreversible] == ["kept", "tell"]
    with pytest.raises(Refused) as refusal:
        roll_back(run, cast)
    assert refusal.value.rule == "nothing_to_roll_back"


def test_an_undo_of_an_own_kind_runs_where_the_playbook_says(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(do("one", "keyed", "undo: {do: fake.keyed, using: fake, with: {target: other}}"))
    drive(run)
    roll_back(run, cast)
    assert world.effects == {"one": 1, "other": 1}


@pytest.mark.parametrize(
    ("using", "words"), [("nowhere", "no connection"), ("assets", "is of assets, not fake")]
)
def test_an_undo_whose_connection_does_not_fit_fails_with_a_sentence(
    begin: Begin, world: World, cast: Cast, using: str, words: str
) -> None:
    connect(cast)
    run = begin(do("one", "keyed", f"undo: {{do: fake.undo, using: {using}, with: {{target: one}}}}"))
    drive(run)
    roll_back(run, cast)
    assert run.status == RunStatus.ROLLBACK_FAILED
    assert words in step(run, "one", 1).sentence
    assert world.effects == {"one": 1}


def test_what_was_really_done_is_not_undone_by_a_simulator(begin: Begin, world: World, cast: Cast) -> None:
    def configure(*, is_simulated: bool) -> None:
        connections.configure(
            "fake",
            caller=cast.caller("admin"),
            connector="fake",
            settings={},
            secrets={},
            is_simulated=is_simulated,
        )

    run = begin(do("one"))
    drive(run)
    configure(is_simulated=True)
    roll_back(run, cast)
    assert run.status == RunStatus.ROLLBACK_FAILED
    assert "switched between simulated and real" in step(run, "one", 1).sentence
    configure(is_simulated=False)
    roll_back(run, cast)
    assert (run.status, world.effects) == (RunStatus.ROLLED_BACK, {"one": 0})


def test_a_plan_that_is_not_the_one_shown_is_refused(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(do("one"))
    drive(run)
    with pytest.raises(Refused) as refusal:
        rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest="0" * 64)
    assert refusal.value.rule == "stale_plan"
    assert world.effects == {"one": 1}


def test_an_undo_whose_answer_was_lost_for_good_waits_for_a_person(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(do("one", "keyed", "undo: {do: fake.never, with: {target: one}}"))
    drive(run)
    world.outcomes = [Lost("Gone.")]
    roll_back(run, cast)
    assert (run.status, statuses(run, 1)) == (RunStatus.ROLLING_BACK, {"one": "unknown"})
    resolve(run, cast, Resolution.HAPPENED)
    run.refresh_from_db()
    assert run.status == RunStatus.ROLLED_BACK


# Stopping


def resolve(run: Run, cast: Cast, resolution: Resolution) -> None:
    runs.resolve(
        run.pk, "one", caller=cast.caller("analyst"), resolution=resolution, comment="I looked at the target."
    )


def cancel(run: Run, cast: Cast) -> None:
    stopping.cancel(run.pk, caller=cast.caller("analyst"), reason="False alarm.")
    run.refresh_from_db()


def test_a_run_that_is_ready_is_cancelled_before_anything_happens(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(do("one") + do("two"))
    cancel(run, cast)
    drive(run)
    assert run.status == RunStatus.CANCELLED
    assert set(statuses(run).values()) == {"cancelled"}
    assert not world.effects


@pytest.mark.parametrize(
    ("outcome", "first"),
    [(None, "succeeded"), (BROKEN, "failed"), (LOST, "unknown")],
    ids=["done", "broken", "lost"],
)
def test_what_is_under_way_ends_before_the_run_is_cancelled(
    begin: Begin, world: World, cast: Cast, outcome: Failed | Lost | None, first: str
) -> None:
    run = begin(do("one", "keyed", "retry: {times: 3, every: 1s}") + do("two"))
    world.outcomes = [outcome] if outcome else []

    def visitor(seam: Seam) -> None:
        if seam is Seam.CLAIMED:
            seams.visit()
            cancel(run, cast)
            assert run.status == RunStatus.CANCELLING

    seams.visit(visitor)
    drive(run)
    assert statuses(run) == {"one": first, "two": "cancelled"}
    if outcome is LOST:
        assert run.status == RunStatus.CANCELLING
        resolve(run, cast, Resolution.DID_NOT_HAPPEN)
        run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED


def test_a_run_that_waits_at_its_gate_is_cancelled_and_its_request_withdrawn(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin("  - id: gate\n    approve: Do it?\n    seats: [{role: tier-2}]\n" + do("one"))
    cancel(run, cast)
    assert run.status == RunStatus.CANCELLED
    assert run.requests.get().status == RequestStatus.WITHDRAWN
    assert statuses(run) == {"gate": "cancelled", "one": "cancelled"}


def test_a_retry_that_waits_is_cancelled_and_no_timer_wakes_it(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(do("one", "keyed", "retry: {times: 3, every: 1s}"))
    world.outcomes = [BROKEN]
    drive(run)
    cancel(run, cast)
    later(run, seconds=30)
    assert (run.status, statuses(run)) == (RunStatus.CANCELLED, {"one": "cancelled"})
    assert not world.effects


def test_a_run_that_has_ended_is_not_cancelled(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(do("one"))
    drive(run)
    with pytest.raises(Refused) as refusal:
        cancel(run, cast)
    assert refusal.value.rule == "run_not_cancellable"


def test_what_a_cancelled_run_did_can_be_taken_back(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(do("one") + "  - id: pause\n    wait: {for: 50s}\n")
    drive(run)
    cancel(run, cast)
    roll_back(run, cast)
    assert (run.status, world.effects) == (RunStatus.ROLLED_BACK, {"one": 0})


def test_secrets_that_cannot_be_decrypted_fail_the_step_with_a_sentence(
    begin: Begin, world: World, cast: Cast, settings: object
) -> None:
    run = begin(do("one"))
    settings.CONNECTION_KEY = "another key"  # type: ignore[attr-defined]
    drive(run)
    assert run.status == RunStatus.FAILED
    assert "fake" in sentence(run, "one")
    assert not world.effects
    settings.CONNECTION_KEY = "a third key"  # type: ignore[attr-defined]
    connections.configure("fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={})
