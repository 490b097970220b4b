"""Decisions by form: two people grant, refusals say why in place, and a form from elsewhere changes nothing."""

from __future__ import annotations

import re

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, RunStatus
from playbooks.models import Case
from tests.web.conftest import Look, World


def decide(browser: Client, world: World, verdict: str = "approve", **form: str) -> HttpResponse:
    about = {"verdict": verdict, "digest": world.request.digest, "comment": "", **form}
    return browser.post(reverse("decide", args=[world.request.pk]), about)


def test_two_people_grant_what_one_asked_for(world: World, look: Look) -> None:
    for person in ("tier2", "netowner"):
        assert decide(look(person), world).status_code == 302
    world.request.refresh_from_db()
    assert world.request.status == RequestStatus.GRANTED
    executor.drive(world.run.pk, worker="test")
    world.run.refresh_from_db()
    assert world.run.status == RunStatus.SUCCEEDED


def test_the_page_shows_exactly_what_would_run_and_the_digest_that_binds_it(world: World, look: Look) -> None:
    text = look("tier2").get(reverse("approval", args=[world.request.pk])).content.decode()
    for part in ("nftables.block_address", "edge-firewall", "203.0.113.9", "Tier 2 analyst", "Network owner"):
        assert part in text
    assert f'name="digest" value="{world.request.digest}"' in text


@pytest.mark.parametrize(
    ("person", "rule", "status"),
    [("analyst", "own_request", 403), ("admin", "not_in_seat", 403), ("author", "own_playbook", 403)],
)
def test_a_refusal_shows_its_sentence_on_the_same_page(
    world: World, look: Look, person: str, rule: str, status: int
) -> None:
    answer = decide(look(person), world)
    assert answer.status_code == status
    assert f'<code class="rule">{rule}</code>' in answer.content.decode()
    world.request.refresh_from_db()
    assert world.request.status == RequestStatus.OPEN


def test_no_hidden_character_reaches_those_who_decide(world: World, look: Look) -> None:
    """Titles come from attackers and comments from approvers; U+202E would turn the words around it."""
    Case.objects.filter(pk=world.run.case_id).update(title="Scan\u202efdp")
    decide(look("tier2"), world, comment="Fine\u202eenif")
    approval, inbox = (
        look("netowner").get(page).content.decode()
        for page in (reverse("approval", args=[world.request.pk]), reverse("inbox"))
    )
    for text in (approval, inbox):
        assert "\u202e" not in text
        assert "Scan\\u202efdp" in text
    assert "Fine\\u202eenif" in approval


def test_the_reader_sees_beforehand_why_they_cannot_decide(world: World, look: Look) -> None:
    text = look("analyst").get(reverse("approval", args=[world.request.pk])).content.decode()
    assert "You asked for this run, so somebody else has to decide it." in text
    assert 'name="verdict"' not in text


def test_a_second_decision_is_a_conflict(world: World, look: Look) -> None:
    browser = look("tier2")
    decide(browser, world)
    answer = decide(browser, world)
    assert answer.status_code == 409
    assert "already_decided" in answer.content.decode()


def test_another_digest_than_the_one_shown_is_a_conflict_and_keeps_the_comment(
    world: World, look: Look
) -> None:
    answer = decide(look("tier2"), world, digest="0" * 64, comment="Looks right to me")
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "stale_digest" in text
    assert "Looks right to me" in text


def test_a_denial_needs_its_reason(world: World, look: Look) -> None:
    answer = decide(look("tier2"), world, "deny")
    assert answer.status_code == 400
    assert "A denial needs its reason" in answer.content.decode()
    assert decide(look("tier2"), world, "deny", comment="Our own scanner").status_code == 302


@pytest.mark.parametrize("verdict", ["", "APPROVE", "grant"])
def test_an_unknown_verdict_decides_nothing(world: World, look: Look, verdict: str) -> None:
    assert decide(look("tier2"), world, verdict).status_code == 400


def test_the_outsider_cannot_even_learn_that_there_is_a_request(world: World, look: Look) -> None:
    assert decide(look("outsider"), world).status_code == 404
    world.request.refresh_from_db()
    assert world.request.status == RequestStatus.OPEN


def test_a_form_without_its_token_is_turned_away(world: World, cast: object) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(world.cast.tier2)
    assert decide(browser, world).status_code == 403
    page = browser.get(reverse("approval", args=[world.request.pk])).content.decode()
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0]
    assert decide(browser, world, csrfmiddlewaretoken=token).status_code == 302


def test_the_inbox_puts_each_request_where_it_belongs(world: World, look: Look) -> None:
    def section(person: str) -> dict[str, int]:
        waiting = look(person).get(reverse("inbox")).context["waiting"]
        return {name: len(getattr(waiting, name)) for name in ("decidable", "requested", "others")}

    assert section("tier2") == {"decidable": 1, "requested": 0, "others": 0}
    assert section("analyst") == {"decidable": 0, "requested": 1, "others": 0}
    assert section("admin") == {"decidable": 0, "requested": 0, "others": 1}
    assert section("outsider") == {"decidable": 0, "requested": 0, "others": 0}


def test_the_number_beside_the_inbox_is_what_the_person_may_decide(world: World, look: Look) -> None:
    def number(person: str) -> int:
        return int(look(person).get(reverse("alerts")).context["navigation"][0].count)

    assert (number("tier2"), number("analyst"), number("admin")) == (1, 0, 0)
