"""The pages of Operations: what is held, placing and releasing, the banner, and what expires."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from playbooks import executor
from playbooks.models import Hold, HoldScope
from playbooks.operations import holds, runs
from tests.cast import Cast, publish
from tests.web.conftest import Look, World

PASSING = """\
playbook: passing
title: Block for a while
steps:
  - id: block
    do: nftables.block_address
    using: edge-firewall
    with: {address: 203.0.113.9, hours: 24}
    expires: 24h
"""
FORM = {"what": "everything:", "reason": "Our own proxies are blocked."}


def test_a_hold_is_placed_only_after_the_page_that_says_what_it_stops(world: World, look: Look) -> None:
    browser = look("tier2")
    asked = browser.post(reverse("holds"), FORM)
    text = asked.content.decode()
    assert (asked.status_code, Hold.objects.exists()) == (200, False)
    assert "Hold everything?" in text
    assert "1 run is under way" in text
    placed = browser.post(reverse("holds"), {**FORM, "confirmed": "yes"}, follow=True)
    assert "It is held" in placed.content.decode()
    assert Hold.objects.get().reason == FORM["reason"]


def test_a_hold_on_everything_is_told_on_every_page_until_it_is_released(world: World, look: Look) -> None:
    hold = holds.place(HoldScope.EVERYTHING, caller=world.cast.caller("admin"), reason="Look <first>.")
    pages = [reverse(name) for name in ("inbox", "alerts", "cases", "runs", "playbooks", "expiries")]
    for address in (*pages, reverse("run", args=[world.run.pk])):
        text = look("analyst").get(address).content.decode()
        assert "Everything is held" in text
        assert "Look &lt;first&gt;." in text
    assert "Everything is held" not in look("outsider").get(reverse("inbox")).content.decode()
    released = look("tier2").post(reverse("hold-release", args=[hold.pk]), follow=True)
    assert "It is released" in released.content.decode()
    assert "Everything is held" not in look("analyst").get(reverse("inbox")).content.decode()


def test_a_hold_on_a_playbook_is_told_where_the_playbook_is(world: World, look: Look) -> None:
    holds.place(HoldScope.PLAYBOOK, caller=world.cast.caller("admin"), name="block-attacker", reason="x")
    browser = look("analyst")
    concerned = [reverse("playbook", args=["block-attacker"]), reverse("run", args=[world.run.pk])]
    for address in concerned:
        assert "is held: none of its steps begins" in browser.get(address).content.decode()
    assert "is held" not in browser.get(reverse("inbox")).content.decode()


def test_a_hold_on_a_connection_is_told_on_the_runs_that_wait_for_it(world: World, look: Look) -> None:
    holds.place(HoldScope.CONNECTION, caller=world.cast.caller("admin"), name="reputation", reason="x")
    held = runs.start(
        "block-attacker", caller=world.cast.caller("analyst"), inputs={"address": "203.0.113.7"}
    )
    executor.drive(held.pk, worker="test")
    browser = look("analyst")
    assert "Connection reputation is held" in browser.get(reverse("run", args=[held.pk])).content.decode()
    assert "is held" not in browser.get(reverse("run", args=[world.run.pk])).content.decode()


def test_whoever_may_not_place_holds_sees_them_and_no_form(world: World, look: Look) -> None:
    hold = holds.place(HoldScope.EVERYTHING, caller=world.cast.caller("admin"), reason="Look first.")
    browser = look("analyst")
    text = browser.get(reverse("holds")).content.decode()
    assert "Look first." in text
    assert 'name="what"' not in text
    assert browser.post(reverse("holds"), FORM).status_code == 403
    assert browser.post(reverse("holds"), {**FORM, "confirmed": "yes"}).status_code == 403
    assert browser.post(reverse("hold-release", args=[hold.pk])).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"what": ""}, 400),
        ({"what": "weather:"}, 400),
        ({"reason": " "}, 400),
        ({"what": "playbook:none"}, 404),
        ({"what": "connection:none", "confirmed": "yes"}, 404),
    ],
)
def test_a_form_that_holds_nothing_places_nothing(
    world: World, look: Look, changes: dict[str, str], status: int
) -> None:
    assert look("admin").post(reverse("holds"), {**FORM, **changes}).status_code == status
    assert not Hold.objects.exists()


def test_a_second_hold_of_the_same_is_a_conflict(world: World, look: Look) -> None:
    browser: Client = look("admin")
    answers = [browser.post(reverse("holds"), {**FORM, "confirmed": "yes"}).status_code for _ in range(2)]
    assert answers == [302, 409]


def test_what_expires_is_shown_with_its_target_when_and_by_whom_it_is_held_too(
    world: World, look: Look, cast: Cast
) -> None:
    publish(cast, PASSING)
    for _ in range(2):
        run = runs.start("passing", caller=cast.caller("analyst"))
        executor.drive(run.pk, worker="test")
    text = look("analyst").get(reverse("expiries")).content.decode()
    assert text.count('<code class="strong">203.0.113.9</code>') == 2
    assert "data-countdown" in text
    assert text.count("Block for a while") == 4
    assert "Nothing here" in look("analyst").get(reverse("expiries"), {"show": "over"}).content.decode()
