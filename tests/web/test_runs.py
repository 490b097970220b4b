"""Runs on pages: started by form, watched while they go on, stopped, resolved, taken back."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from playbooks import executor
from playbooks.domain.statuses import RunStatus, Verdict
from playbooks.models import ApprovalRequest, Run
from playbooks.operations import approvals
from tests.web.conftest import Look, World


def approve(world: World) -> None:
    for person in ("tier2", "netowner"):
        caller = world.cast.caller(person)
        approvals.decide(
            world.request.pk, caller=caller, verdict=Verdict.APPROVE, shown_digest=world.request.digest
        )
    executor.drive(world.run.pk, worker="test")


def revision(browser: Client, world: World) -> str:
    return str(browser.get(reverse("run", args=[world.run.pk])).context["live"].revision)


def test_the_live_part_says_when_nothing_is_new_and_when_nothing_will_be(world: World, look: Look) -> None:
    browser = look("analyst")
    live = reverse("run-live", args=[world.run.pk])
    seen = revision(browser, world)
    assert browser.get(live, {"seen": seen}).status_code == 204
    assert browser.get(live, {"seen": "older"}).status_code == 200
    approve(world)
    answer = browser.get(live, {"seen": seen})
    assert answer.status_code == 286
    assert "every 2s" not in answer.content.decode()


def test_the_live_part_holds_no_form(world: World, look: Look) -> None:
    assert b"<form" not in look("analyst").get(reverse("run-live", args=[world.run.pk])).content


def test_the_page_says_what_a_run_waits_for(world: World, look: Look) -> None:
    text = look("analyst").get(reverse("run", args=[world.run.pk])).content.decode()
    assert "Waits for Tier 2 analyst and Network owner to decide on “Block 203.0.113.9" in text
    assert "then it is put above all others and gets the same time once more." in text
    assert reverse("approval", args=[world.request.pk]) in text


def start_form(**inputs: str) -> dict[str, str]:
    return {"key": uuid4().hex, "alert": "", **{f"input_{name}": value for name, value in inputs.items()}}


def test_a_run_is_started_by_form_once_even_if_the_form_is_sent_twice(world: World, look: Look) -> None:
    form = start_form(address="198.51.100.7")
    address = reverse("start-run", args=["block-attacker"])
    browser = look("analyst")
    first, second = browser.post(address, form), browser.post(address, form)
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    assert Run.objects.count() == 2
    assert Run.objects.latest("created_at").inputs == {"address": "198.51.100.7"}


def test_an_input_that_does_not_fit_is_said_beside_its_field_and_kept(world: World, look: Look) -> None:
    form = start_form(address="not an address")
    answer = look("analyst").post(reverse("start-run", args=["block-attacker"]), form)
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "is not an IP address" in text
    assert 'value="not an address"' in text


@pytest.mark.parametrize("person", ["netowner", "author", "admin", "outsider"])
def test_who_may_not_start_runs_starts_none(world: World, look: Look, person: str) -> None:
    answer = look(person).post(
        reverse("start-run", args=["block-attacker"]), start_form(address="198.51.100.7")
    )
    assert answer.status_code in {403, 404}
    assert Run.objects.count() == 1


def test_cancelling_withdraws_the_request(world: World, look: Look) -> None:
    assert look("netowner").post(reverse("run-cancel", args=[world.run.pk])).status_code == 403
    assert look("analyst").post(reverse("run-cancel", args=[world.run.pk])).status_code == 302
    assert ApprovalRequest.objects.get(pk=world.request.pk).status == "withdrawn"
    again = look("analyst").post(reverse("run-cancel", args=[world.run.pk]))
    assert again.status_code == 409
    assert "run_not_cancellable" in again.content.decode()


def test_a_rollback_confirms_the_plan_that_was_shown(world: World, look: Look) -> None:
    approve(world)
    address, browser = reverse("run-rollback", args=[world.run.pk]), look("analyst")
    page = browser.get(address)
    assert "nftables.unblock_address" in page.content.decode()
    assert browser.post(address, {"digest": "0" * 64}).status_code == 409
    assert look("netowner").post(address, {"digest": page.context["digest"]}).status_code == 403
    assert browser.post(address, {"digest": page.context["digest"]}).status_code == 302
    executor.drive(world.run.pk, worker="test")
    world.run.refresh_from_db()
    assert world.run.status == RunStatus.ROLLED_BACK
    assert "rolled back" in browser.get(reverse("run", args=[world.run.pk])).content.decode()


def test_a_word_on_a_step_that_is_not_unknown_is_refused(world: World, look: Look) -> None:
    address = reverse("resolve-step", args=[world.run.pk, "block"])
    form = {"outcome": "happened", "comment": "I looked"}
    assert look("analyst").post(address, form).status_code == 409
    assert look("netowner").post(address, form).status_code == 403
    assert look("analyst").post(address, {"outcome": "maybe", "comment": "x"}).status_code == 400


def test_an_alert_is_triaged_once(world: World, look: Look) -> None:
    address = reverse("alert", args=[world.alert.pk])
    assert look("netowner").post(address).status_code == 403
    assert look("analyst").post(address).status_code == 302
    assert look("analyst").post(address).status_code == 409


def test_a_case_is_closed_with_its_resolution(world: World, look: Look) -> None:
    address = reverse("case", args=[world.run.case_id])
    assert look("analyst").post(address, {"resolution": " "}).status_code == 400
    assert look("netowner").post(address, {"resolution": "Done"}).status_code == 403
    assert look("analyst").post(address, {"resolution": "Done"}).status_code == 302
    assert look("analyst").post(address, {"resolution": "Done"}).status_code == 409
