"""A dry run on its page: chosen by a form, drawn on the graph, told beside it."""

from __future__ import annotations

import json

from django.urls import reverse

from playbooks.models import Run
from tests.cast import ATTACKER
from tests.web.conftest import Look, World

PAGE = reverse("playbook-dry-run", args=["block-attacker", 1])
ADDRESS = {"input_address": ATTACKER}


def test_the_page_of_a_version_leads_to_its_dry_run(world: World, look: Look) -> None:
    version = reverse("playbook-version", args=["block-attacker", 1])
    assert PAGE in look("analyst").get(version).content.decode()
    assert PAGE not in look("compliance").get(version).content.decode()


def test_the_path_is_drawn_and_told(world: World, look: Look) -> None:
    runs = Run.objects.count()
    text = look("author").post(PAGE, ADDRESS).content.decode()
    assert "It would succeed." in text
    assert 'class="graph-node" data-status="succeeded"' in text
    assert f"Block {ATTACKER} at the edge for 24 hours?" in text
    assert "Could decide now: Netowner, Tier2." in text
    assert Run.objects.count() == runs


def test_a_denial_that_was_chosen_is_walked(world: World, look: Look) -> None:
    text = look("author").post(PAGE, {**ADDRESS, "choose_gate": "deny"}).content.decode()
    assert "It would fail." in text
    assert "gate: Denied, as was chosen." in text
    assert '<option value="deny" selected>is denied</option>' in text


def test_a_stored_alert_can_be_chosen_and_a_sample_pasted(world: World, look: Look) -> None:
    author = look("author")
    assert world.alert.title in author.get(PAGE).content.decode()
    chosen = author.post(PAGE, {**ADDRESS, "alert": str(world.alert.pk)}).content.decode()
    assert "The alert does not start it." in chosen
    sample = {"source": "suricata", "title": "Exploit", "severity": 90, "observables": {"ip": [ATTACKER]}}
    assert "The alert starts it" in author.post(PAGE, {"sample": json.dumps(sample)}).content.decode()


def test_what_cannot_be_walked_is_said_beside_the_form(world: World, look: Look) -> None:
    author = look("author")
    for form, sentence in (
        ({"sample": "{"}, "Line 1"),
        ({"sample": "[]"}, "This is no JSON object."),
        ({**ADDRESS, "more": '{"nowhere": "fail"}'}, "There is no step"),
        ({"input_address": "nobody"}, "is not an IP address."),
    ):
        answer = author.post(PAGE, form)
        assert answer.status_code == 400, form
        assert sentence in answer.content.decode()


def test_who_may_neither_write_publish_nor_start_walks_nothing(world: World, look: Look) -> None:
    assert look("compliance").get(PAGE).status_code == 403
    assert look("compliance").post(PAGE, ADDRESS).status_code == 403
    assert look("outsider").get(PAGE).status_code in {403, 404}
