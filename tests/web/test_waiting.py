"""No run is ever stuck in silence: whatever it waits for is on its page and in the API, with who can end it."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils.html import escape

from playbooks.domain.exits import Reason, Standing
from playbooks.domain.statuses import WaitReason
from playbooks.models import Connection
from tests.cast import Cast
from tests.executor.conftest import fake, world  # noqa: F401 — fixtures
from tests.executor.world import World
from tests.web.conftest import Look
from tests.web.scenes import SCENES, Stage, unknown_inside

QUIET = {WaitReason.TURNS, Standing.READY}  # what waits behind them is told first


@pytest.fixture
def stage(cast: Cast, world: World, fake: Connection) -> Stage:  # noqa: F811
    return Stage(cast, world, fake)


def test_there_is_a_scene_for_every_reason() -> None:
    assert set(SCENES) == {*WaitReason, *Standing}


@pytest.mark.parametrize("reason", SCENES, ids=str)
def test_the_page_and_the_api_say_why(reason: Reason, stage: Stage, look: Look) -> None:
    run, browser = SCENES[reason](stage), look("analyst")
    view = browser.get(f"/api/v1/runs/{run.pk}/").json()
    told = {each["reason"]: each for each in view["waits"]}
    assert reason.value in told, told
    wait = told[reason.value]
    assert wait["owner"]
    assert wait["since"]
    page = browser.get(reverse("run", args=[run.pk])).content.decode()
    assert view["why"]["sentence"]
    assert escape(view["why"]["sentence"]) in page
    if reason not in QUIET:
        assert escape(wait["sentence"]) in page


def test_a_step_inside_a_turn_whose_outcome_nobody_knows_is_resolved_as_any_other(
    stage: Stage, look: Look
) -> None:
    run, browser = unknown_inside(stage), look("analyst")
    page = browser.get(reverse("run", args=[run.pk])).content.decode()
    assert "Did “act” happen?" in page
    address = reverse("resolve-step", args=[run.pk, "hosts[0].act"])
    assert address in page
    assert browser.post(address, {"outcome": "happened", "comment": "I looked."}).status_code == 302
    assert run.steps.get(key="hosts[0].act").status == "succeeded"
