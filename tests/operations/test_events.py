"""Events that runs wait for: before, after, twice, for others, too late, and while nobody looked."""

from __future__ import annotations

import pytest

from playbooks import executor
from playbooks.domain.statuses import RunStatus, StepStatus, WaitReason
from playbooks.models import Connection, Event, Run
from playbooks.operations import events, people, stopping
from playbooks.operations.caller import SYSTEM
from playbooks.operations.events import Posted
from playbooks.operations.refusals import Invalid, Refused
from tests.cast import Cast
from tests.databases import any_time
from tests.executor.world import World
from tests.operations.waiting import act, after, drive, published, start, step_of

__all__ = ["any_time"]

REPLY = """\
  - id: reply
    wait: {{event: mail.replied, key: "${{ inputs.message }}", within: 1h, late: {late}}}
"""
HEAD = "inputs: {message: {type: string, default: m1}}\n"
ASKED = act("asked") + "  - id: pause\n    wait: {for: 30s}\n"


def post(cast: Cast, key: str = "m1", name: str = "mail.replied", **data: object) -> Posted:
    return events.post(name, key, caller=cast.caller("analyst"), data=data)


def waits_for_reply(cast: Cast, late: str = "fail", before: str = "") -> str:
    return published(cast, "replies", before + REPLY.format(late=late), HEAD)


def test_an_event_moves_the_run_on_that_waits_for_it(cast: Cast) -> None:
    run = start(cast, waits_for_reply(cast))
    step = step_of(run, "reply")
    assert (step.wait_reason, step.event, step.event_key) == (WaitReason.EVENT, "mail.replied", "m1")
    assert post(cast, text="Yes").runs == 1
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED
    assert step_of(run, "reply").outputs == {"arrived": True, "data": {"text": "Yes"}}


def test_an_event_that_comes_before_the_step_waits_is_found_then(
    any_time: None, fake: Connection, cast: Cast, world: World
) -> None:
    run = start(cast, waits_for_reply(cast, before=ASKED))
    assert post(cast, text="Yes").runs == 0
    drive(run)
    after(seconds=31)
    drive(run)
    assert step_of(run, "reply").outputs == {"arrived": True, "data": {"text": "Yes"}}


def test_an_event_from_before_the_run_is_none_of_its(cast: Cast) -> None:
    slug = waits_for_reply(cast)
    post(cast)
    run = start(cast, slug)
    after()
    assert step_of(run, "reply").status == StepStatus.WAITING


def test_the_first_of_two_events_counts_and_the_second_finds_nobody(cast: Cast) -> None:
    run = start(cast, waits_for_reply(cast))
    assert [post(cast, text=text).runs for text in ("first", "second")] == [1, 0]
    assert step_of(run, "reply").outputs["data"] == {"text": "first"}


@pytest.mark.parametrize(
    ("key", "name"), [("m2", "mail.replied"), ("m1", "mail.bounced"), ("M1", "mail.replied")]
)
def test_an_event_of_another_key_or_name_moves_nothing(cast: Cast, key: str, name: str) -> None:
    run = start(cast, waits_for_reply(cast))
    assert post(cast, key, name).runs == 0
    after()
    assert step_of(run, "reply").status == StepStatus.WAITING


@pytest.mark.parametrize(
    ("late", "status", "outputs"),
    [
        ("fail", RunStatus.FAILED, {}),
        ("go_on", RunStatus.SUCCEEDED, {"arrived": False, "data": {}}),
    ],
)
def test_an_event_that_is_late_comes_for_nothing(
    any_time: None, cast: Cast, late: str, status: RunStatus, outputs: dict[str, object]
) -> None:
    run = start(cast, waits_for_reply(cast, late))
    after(minutes=59)
    assert step_of(run, "reply").status == StepStatus.WAITING
    after(minutes=61)
    assert post(cast).runs == 0
    run.refresh_from_db()
    assert (run.status, step_of(run, "reply").outputs) == (status, outputs)


def test_two_runs_that_wait_for_one_event_both_go_on(cast: Cast) -> None:
    slug = waits_for_reply(cast)
    runs = [start(cast, slug), start(cast, slug)]
    other = start(cast, slug, message="m2")
    assert post(cast).runs == 2
    for run in (*runs, other):
        run.refresh_from_db()
    assert [run.status for run in (*runs, other)] == ["succeeded", "succeeded", "waiting"]


def test_what_was_stored_and_never_delivered_is_found_by_the_sweep(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever posted it dies before delivering, or the step comes to wait at that very moment."""
    run = start(cast, waits_for_reply(cast))
    with monkeypatch.context() as patched:
        patched.setattr(events, "deliver", lambda *_: None)
        post(cast, text="first")
        post(cast, text="second")
    assert step_of(run, "reply").status == StepStatus.WAITING
    executor.sweep()
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED
    assert step_of(run, "reply").outputs["data"] == {"text": "first"}


def test_the_same_key_posts_one_event_and_another_under_it_is_refused(cast: Cast) -> None:
    start(cast, waits_for_reply(cast))
    analyst = cast.caller("analyst")
    posted = [events.post("mail.replied", "m1", caller=analyst, idempotency_key="k") for _ in range(2)]
    assert posted[0] == posted[1]
    assert (posted[0].runs, Event.objects.count()) == (1, 1)
    with pytest.raises(Refused) as refusal:
        events.post("mail.replied", "m2", caller=analyst, idempotency_key="k")
    assert refusal.value.rule == "idempotency_key_reused"


def test_a_source_posts_events_and_repeats_them(cast: Cast) -> None:
    start(cast, waits_for_reply(cast))
    source = people.create_source("mail", kind="normal", actor=SYSTEM)
    posted = [events.post("mail.replied", "m1", caller=source, idempotency_key="k") for _ in range(2)]
    assert (posted[0], posted[0].runs) == (posted[1], 1)
    assert Event.objects.get().posted_by is None


@pytest.mark.parametrize(
    ("name", "key", "data", "field"),
    [
        ("", "k", {}, "/name"),
        ("n" * 101, "k", {}, "/name"),
        ("n", "", {}, "/key"),
        ("n", "k" * 201, {}, "/key"),
        ("n", "k", {"size": 2**60}, "/data"),
        ("n", "k", {"text": "x" * 300_000}, "/data"),
    ],
)
def test_an_event_that_no_run_could_take_is_refused_at_its_field(
    cast: Cast, name: str, key: str, data: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        events.post(name, key, caller=cast.caller("analyst"), data=data)
    assert [pointer for pointer, _ in refusal.value.errors] == [field]
    assert not Event.objects.exists()


@pytest.mark.parametrize("who", ["author", "publisher", "compliance", "netowner", "outsider"])
def test_only_who_responds_posts_events(cast: Cast, who: str) -> None:
    with pytest.raises(Refused) as refusal:
        events.post("n", "k", caller=cast.caller(who))
    assert refusal.value.rule == "no_permission"


def test_a_run_that_was_cancelled_hears_nothing(cast: Cast) -> None:
    run: Run = start(cast, waits_for_reply(cast))
    stopping.cancel(run.pk, caller=cast.caller("analyst"))
    assert post(cast).runs == 0
