"""The demo's switch and its cheats: really tried, really refused, and nowhere but in the demo."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from playbooks import executor
from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Run
from tests.web.conftest import Look, World


@pytest.fixture
def demo(settings: Any) -> None:
    settings.DEMO = True


def test_outside_the_demo_there_is_neither_switch_nor_cheat(world: World, look: Look) -> None:
    browser = look("analyst")
    assert browser.get(reverse("cheat")).status_code == 404
    assert browser.post(reverse("cheat"), {"attempt": "own"}).status_code == 404
    assert browser.post(reverse("become"), {"username": "tier2"}).status_code == 404
    assert b"Try to cheat" not in browser.get(reverse("inbox")).content


def test_the_switch_makes_somebody_else_and_says_so_in_the_log(demo: None, world: World, look: Look) -> None:
    browser = look("analyst")
    here = reverse("approval", args=[world.request.pk])
    answer = browser.post(reverse("become"), {"username": "tier2", "back": here})
    assert answer["Location"] == here
    assert browser.get(here).context["request"].user == world.cast.tier2
    entry = reading.entries(verb=Verb.SIGNIN_SUCCEEDED).first()
    assert entry is not None
    assert (entry.subject_label, entry.outcome) == ("Tier2", "demo switch")


def test_the_demo_says_so_on_every_page_also_before_the_sign_in_and_on_errors(
    demo: None, world: World, look: Look
) -> None:
    browser, nobody = look("analyst"), Client()
    answers = [
        browser.get(reverse("inbox")),
        browser.get(reverse("keys")),
        nobody.get("/accounts/login/"),
        nobody.get("/accounts/logout/"),
        nobody.get("/no-such-page/"),
        browser.get(reverse("person", args=["tier2"])),
        nobody.get(reverse("first-administrator", args=["guess"])),
    ]
    assert [each.status_code for each in answers] == [200, 200, 200, 302, 404, 403, 404]
    for answer in answers:
        assert answer.status_code == 302 or b"<strong>Demo</strong>" in answer.content


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_the_switch_leads_nowhere_else(demo: None, world: World, look: Look, back: str) -> None:
    answer = look("analyst").post(reverse("become"), {"username": "tier2", "back": back})
    assert answer["Location"] == reverse("inbox")


def test_the_switch_knows_only_the_people_of_the_demo(demo: None, world: World, look: Look) -> None:
    assert look("analyst").post(reverse("become"), {"username": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    ("attempt", "rule"),
    [
        ("own", "own_request"),
        ("superuser", "not_in_seat"),
        ("changed", "stale_digest"),
        ("replay", "already_decided"),
    ],
)
def test_each_cheat_is_refused_and_is_an_entry(
    demo: None, world: World, look: Look, attempt: str, rule: str
) -> None:
    answer = look("compliance").post(reverse("cheat"), {"attempt": attempt})
    result = answer.context["result"]
    assert result.rule == rule
    assert result.sentence in answer.content.decode().replace("&#x27;", "'")
    body = reading.body_of(result.entry)
    assert body is not None
    assert (body.verb, body.facts["rule"]) == ("decision.refused", rule)
    assert look("compliance").get(reverse("audit-entry", args=[result.entry])).status_code == 200


def test_the_demo_stays_usable_after_every_cheat_in_any_order(demo: None, world: World, look: Look) -> None:
    browser = look("analyst")
    for attempt in ("changed", "replay", "changed", "own", "superuser", "replay"):
        assert browser.post(reverse("cheat"), {"attempt": attempt}).context["result"] is not None
        assert ApprovalRequest.objects.filter(run=world.run, status="open").exists()


def test_without_an_open_request_a_run_is_started_that_will_ask(demo: None, world: World, look: Look) -> None:
    browser = look("analyst")
    browser.post(reverse("run-cancel", args=[world.run.pk]))
    answer = browser.post(reverse("cheat"), {"attempt": "own"})
    assert "press the button again" in answer.content.decode()
    executor.drive(Run.objects.latest("created_at").pk, worker="test")
    assert browser.post(reverse("cheat"), {"attempt": "own"}).context["result"].rule == "own_request"
