"""The page of one run: nested steps one at a time, turns in pages, what people may do about it, two runs compared."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from playbooks.domain.statuses import RunStatus, StepStatus, TurnStatus
from playbooks.models import Connection, Run, Step, Turn
from playbooks.operations import runs
from tests.cast import Cast
from tests.executor.conftest import fake, world  # noqa: F401 — fixtures
from tests.executor.world import World
from tests.web import scenes
from tests.web.conftest import Look
from tests.web.scenes import Stage, do

QUERIES = 12


@pytest.fixture
def stage(cast: Cast, world: World, fake: Connection) -> Stage:  # noqa: F811
    return Stage(cast, world, fake)


def page(look: Look, run: Run, query: str = "", person: str = "analyst") -> str:
    answer = look(person).get(reverse("run", args=[run.pk]) + query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def queries_of(look: Look, run: Run, page: str) -> int:
    browser, address = look("compliance"), reverse(page, args=[run.pk])
    browser.get(address)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200
    return len(queries)


def many(stage: Stage, count: int, slug: str) -> Run:
    """A run of that many steps, none of which was taken up yet."""
    steps = "".join(do(f"s{number}", "read", "needs: []") for number in range(count))
    stage.publish(steps, title="Many steps", slug=slug)
    return runs.start(slug, caller=stage.cast.caller("analyst"))


def test_a_page_costs_as_many_queries_for_five_hundred_steps_as_for_five(stage: Stage, look: Look) -> None:
    few, more, lots = (many(stage, count, f"plain-{count}") for count in (5, 50, 500))
    assert lots.steps.count() == 500
    assert queries_of(look, few, "run-live") == queries_of(look, more, "run-live") == QUERIES
    assert queries_of(look, lots, "run-live") == QUERIES + 1  # which part of a long run to show
    assert queries_of(look, lots, "run") == queries_of(look, few, "run") + 1


def test_a_long_run_shows_the_part_where_something_is_to_be_seen(stage: Stage, look: Look) -> None:
    run = many(stage, 130, "long")
    Step.objects.filter(run=run, position__lt=125).update(status=StepStatus.SUCCEEDED)
    text = page(look, run)
    assert "Page 3 of 3" in text
    assert 'id="step-0-s125"' in text
    assert 'id="step-0-s0"' not in text
    assert 'id="step-0-s7"' in page(look, run, "?step=s7")
    assert 'id="step-0-s60"' in page(look, run, "?part=2")
    whole = page(look, run, "?graph=all")
    assert whole.count('class="graph-node"') == 130


def test_the_open_step_shows_what_was_sent_and_what_came_back(stage: Stage, look: Look) -> None:
    run = scenes.failed(stage)
    closed, opened = page(look, run), page(look, run, "?step=tell")
    key = run.steps.get(key="tell").attempts.get().idempotency_key
    assert key not in closed
    assert key in opened
    assert "the token has expired" in opened
    assert "run again from here" in opened
    assert 'href="?step=block#step-0-block"' in opened  # a plain link, for browsers without scripts


@pytest.mark.parametrize(
    "query", ["?step=nowhere", "?step=hosts[99]", "?step=]x[", "?step=a.b", "?turns=9&part=x"]
)
def test_an_address_that_leads_nowhere_shows_the_run(stage: Stage, look: Look, query: str) -> None:
    assert "Isolate each host" in page(look, scenes.turns(stage), query)


def test_turns_are_folded_until_their_block_is_opened(stage: Stage, look: Look) -> None:
    run = scenes.turns(stage)
    closed, opened = page(look, run), page(look, run, "?step=hosts")
    assert "1 of 7, 1 failed" in closed
    assert "srv-02.example</span>" not in closed
    assert opened.index("srv-01.example</span>") < opened.index("srv-02.example</span>")
    turn = page(look, run, "?step=hosts%5B1%5D")
    assert 'id="step-0-hosts[1].settle"' in turn
    assert "srv-03.example</span>" not in turn
    step = page(look, run, "?step=hosts%5B0%5D.isolate")
    assert "there is no such host" in step


def test_ten_thousand_turns_are_shown_fifty_at_a_time_failed_ones_first(stage: Stage, look: Look) -> None:
    run = scenes.turns(stage)
    block = run.steps.get(key="hosts")
    Turn.objects.bulk_create(
        Turn(step=block, index=index, item=f"host-{index}", status=TurnStatus.SUCCEEDED)
        for index in range(7, 10_000)
    )
    Turn.objects.filter(step=block, index=8_888).update(status=TurnStatus.FAILED)
    text = page(look, run, "?step=hosts")
    assert text.count('id="row-step-0-hosts[') == 50
    assert text.index("host-8888") < text.index("srv-02.example</span>")
    assert "Page 1 of 200" in text
    assert "host-9999" in page(look, run, "?step=hosts&turns=200")


def test_a_graph_shows_each_inner_step_once_with_the_status_that_matters(stage: Stage, look: Look) -> None:
    text = page(look, scenes.turns(stage))
    assert text.count('class="graph-node"') == 6
    assert "Isolate the host, fake.keyed, failed, 1 of 4" in text
    assert "Isolate each host, each, waiting, 1 of 7, 1 failed" in text


def test_a_child_and_its_parent_lead_to_each_other(stage: Stage, look: Look) -> None:
    run = scenes.child(stage)
    inner = Run.objects.get(parent__run=run)
    assert reverse("run", args=[inner.pk]) in page(look, run, "?step=contain")
    assert f"{reverse('run', args=[run.pk])}?step=contain#step-0-contain" in page(look, inner)


def test_a_run_is_paused_and_resumed(stage: Stage, look: Look) -> None:
    run, browser = scenes.approval(stage), look("analyst")
    assert look("netowner").post(reverse("run-pause", args=[run.pk])).status_code == 403
    assert browser.post(reverse("run-resume", args=[run.pk])).status_code == 409
    assert browser.post(reverse("run-pause", args=[run.pk])).status_code == 302
    assert "Analyst paused this run" in page(look, run)
    assert browser.post(reverse("run-resume", args=[run.pk])).status_code == 302
    assert "paused this run" not in page(look, run)


def test_cancelling_again_skips_what_was_to_run_in_any_case(stage: Stage, look: Look) -> None:
    run = scenes.cancelling(stage)
    assert run.status == RunStatus.CANCELLING
    assert "Cancel again, skipping clean-up" in page(look, run)
    assert look("analyst").post(reverse("run-cancel", args=[run.pk])).status_code == 302
    assert "Cancel the run" not in page(look, run)


def test_a_failed_run_is_run_again_from_its_failed_step_and_compared(stage: Stage, look: Look) -> None:
    run, browser = scenes.failed(stage), look("analyst")
    assert "Run again from the failed step" not in page(look, run, person="compliance")
    assert look("compliance").post(reverse("run-again", args=[run.pk])).status_code == 403
    assert "Run again from the failed step" in page(look, run)
    answer = browser.post(reverse("run-again", args=[run.pk]))
    again = stage.drive(Run.objects.get(repeats=run))
    assert answer["Location"] == reverse("run", args=[again.pk])
    assert again.status == RunStatus.SUCCEEDED
    assert "and not done again" in page(look, again, "?step=block")
    compare = f"{reverse('run-compare')}?a={run.pk}&amp;b={again.pk}"
    assert compare in page(look, again)
    told = browser.get(compare.replace("&amp;", "&")).content.decode()
    assert "2 of 4 steps ended otherwise" in told
    assert "Both ran version 1" in told
    assert browser.post(reverse("run-again", args=[again.pk])).status_code == 409


def test_a_comparison_of_two_versions_shows_what_the_playbook_changed(stage: Stage, look: Look) -> None:
    old = stage.begin(do("look", "read"), title="Look", slug="changing")
    new = stage.begin(do("look", "read") + do("act"), title="Look", slug="changing")
    told = look("analyst").get(reverse("run-compare"), {"a": str(old.pk), "b": str(new.pk)}).content.decode()
    assert "Changes from version 1 to version 2" in told
    assert "not in this version" in told


@pytest.mark.parametrize("other", ["", "nothing", "0190a0a0-0000-7000-8000-000000000000"])
def test_what_cannot_be_compared_is_not_found(stage: Stage, look: Look, other: str) -> None:
    run, unlike = scenes.approval(stage), scenes.time(stage)
    address = reverse("run-compare")
    assert look("analyst").get(address, {"a": str(run.pk), "b": other}).status_code == 404
    assert look("analyst").get(address, {"a": str(run.pk), "b": str(unlike.pk)}).status_code == 404
    assert look("outsider").get(address, {"a": str(run.pk), "b": str(run.pk)}).status_code == 404


def test_the_timeline_hatches_what_waited_for_people(stage: Stage, look: Look) -> None:
    text = page(look, scenes.answered(stage))
    assert text.count('data-kind="people"') == 3  # the question, the gate, and the key below
    assert "Waited" in text
