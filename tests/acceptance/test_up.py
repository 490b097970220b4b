"""`manage.py up --demo`: one process that starts everything, keeps it alive, and takes everything down again."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance import places
from tests.acceptance.browsing import signed_in
from tests.acceptance.installation import Installation, members, running
from tests.acceptance.waiting import until
from tests.cast import ROLES

pytestmark = pytest.mark.needs_chromium

AT_THE_GATEWAY = "203.0.113.51"  # an address that no run of the demo is about


def gateway(demo: Installation, address: str) -> int:
    """How the gateway answers this address."""
    url = f"http://127.0.0.1:{demo.port + 1}/"
    return httpx.get(url, params={"from": address}, trust_env=False).status_code


def test_every_person_of_the_demo_can_sign_in(demo: Installation) -> None:
    printed = (demo.home / "up.log").read_text()
    assert demo.url in printed
    assert demo.password in printed
    for username in ROLES:
        assert username in printed
        demo.session(username)


def test_the_switch_makes_one_person_another(demo: Installation, browser: Browser) -> None:
    with signed_in(browser, demo, "analyst") as visitor:
        page = visitor.open("/cases/")
        page.get_by_role("button", name="netowner").click()
        expect(page.get_by_role("button", name="netowner")).to_have_attribute("aria-pressed", "true")
        assert page.url.endswith("/cases/")
        expect(page.get_by_role("banner")).to_contain_text("Nadia Reyes")


def test_each_way_to_cheat_is_refused_and_leads_to_its_entry(demo: Installation, browser: Browser) -> None:
    with signed_in(browser, demo, "compliance") as visitor:
        for label, rule in (
            ("Approve as analyst", "own_request"),
            ("Approve as admin", "not_in_seat"),
            ("Approve twice as tier2", "already_decided"),
            ("Change it, then approve as netowner", "stale_digest"),
        ):
            page = visitor.open("/demo/cheat/")
            page.get_by_role("button", name=label).click()
            refused = page.get_by_role("status").filter(has_text="Refused")
            expect(refused).to_contain_text(rule)
            refused.get_by_role("link", name="The entry in the audit log").click()
            expect(page.get_by_role("main")).to_contain_text("decision.refused")
            expect(page.get_by_role("main")).to_contain_text(rule)


def test_the_gateway_refuses_after_two_approvals_and_answers_after_the_rollback(demo: Installation) -> None:
    analyst = demo.session("analyst")
    body = {"playbook": "block-at-gateway", "inputs": {"address": AT_THE_GATEWAY}}
    run = f"runs/{analyst.post('runs/', body)['id']}/"
    request = until(lambda: analyst.get(run)["requests"], "the run asks for approval")[0]["id"]
    assert gateway(demo, AT_THE_GATEWAY) == HTTPStatus.OK
    for username in ("tier2", "netowner"):
        person = demo.session(username)
        digest = person.get(f"approvals/{request}/")["digest"]
        person.post(f"approvals/{request}/decide/", {"verdict": "approve", "digest": digest})
    until(lambda: gateway(demo, AT_THE_GATEWAY) == HTTPStatus.FORBIDDEN, "the gateway refuses", within=5)
    until(lambda: analyst.get(run)["status"] == "succeeded", "the run succeeded")
    analyst.post(f"{run}rollback/", {"digest": analyst.get(f"{run}rollback/")["digest"]})
    until(lambda: gateway(demo, AT_THE_GATEWAY) == HTTPStatus.OK, "the gateway answers again", within=5)


def test_a_changed_byte_is_shown_to_be_refused(demo: Installation) -> None:
    shown = demo.manage("demo_tamper")
    assert "VERIFIED" in shown
    assert "(exit status 0)" in shown
    assert "REFUSED: run/" in shown
    assert shown.rstrip().endswith("(exit status 1)")


def test_a_killed_worker_comes_back_and_the_effect_is_one(demo: Installation) -> None:
    shown = demo.manage("demo_crash")
    assert "with SIGKILL" in shown
    assert "counts 1 effect" in shown
    assert "worker ended with -9 and starts again" in demo.logs()
    until(demo.is_ready, "the demo is ready again")


@pytest.mark.enable_socket
def test_up_ends_cleanly_leaves_no_orphan_when_killed_and_keeps_its_data() -> None:
    with places.embedded() as environment, running(Installation(environment)) as installation:
        installation.prepare()
        installation.start_up()
        installation.session("analyst")
        before = installation.session("compliance").get("audit/entries/")["results"]
        killed = installation.processes["up"].pid
        installation.kill(killed)
        until(lambda: not members(killed), "every child of the killed parent ends", within=20)
        installation.start_up()
        again = installation.session("compliance").get("audit/entries/")["results"]
        assert [each["id"] for each in again if each in before] == [each["id"] for each in before]
        leader = installation.processes["up"].pid
        assert len(members(leader)) >= 4
        installation.stop("up")
        assert not members(leader)
        assert not list(Path(installation.home).glob("bell.sock"))
