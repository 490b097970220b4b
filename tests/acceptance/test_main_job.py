"""The whole job, end to end: a real alert becomes a verified, approved action, and is taken back again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance import bundles, scene
from tests.acceptance.browsing import signed_in
from tests.acceptance.installation import Installation
from tests.acceptance.stage import EMBEDDED, OVER_RABBITMQ, OVER_REDIS, Stage
from tests.acceptance.waiting import until
from tests.netns import Network

QUESTION = "Block 192.0.2.2 at the edge for 24 hours?"
OTHER_ADDRESS = "192.0.2.77"
OWN_REQUEST = "You asked for this run, so somebody else has to decide it."
OWN_PLAYBOOK = "You wrote this version of the playbook, so somebody else has to decide what it does."
SUPERUSER = "Being a superuser gives no seat here"


@dataclass
class Job:
    """`run` is the one that the alert starts, in `case`; `request` is its gate's."""

    browser: Browser
    stage: Stage
    case: str = ""
    run: str = ""
    request: str = ""

    @property
    def installation(self) -> Installation:
        return self.stage.installation

    @property
    def net(self) -> Network:
        return self.stage.net

    def of_run(self) -> Any:
        return self.installation.session("analyst").get(f"runs/{self.run}/")

    def step(self, name: str) -> Any:
        return next(each for each in self.of_run()["steps"] if each["step"] == name)

    def wait_for(self, status: str, *, within: float = 60) -> None:
        until(lambda: self.of_run()["status"] == status, f"the run is {status}", within=within)

    def blocked(self) -> str:
        return self.net.nft("list", "set", "inet", "countersign", "blocked_ipv4")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stage", [EMBEDDED, OVER_REDIS, OVER_RABBITMQ], indirect=True)
def test_a_real_alert_becomes_an_action_that_two_people_approved_and_is_taken_back(
    stage: Stage, browser: Browser, tmp_path: Path
) -> None:
    job = Job(browser, stage)
    an_alert_is_stored_once_and_starts_a_run(job)
    it_stops_at_a_gate_that_shows_exactly_what_would_run(job)
    who_may_not_decide_is_refused_with_a_sentence(job)
    the_second_approval_blocks_the_attacker_once_although_the_worker_dies(job)
    the_rollback_is_shown_confirmed_and_done_once(job)
    the_exported_evidence_verifies_and_no_change_to_it_does(job, tmp_path)


def an_alert_is_stored_once_and_starts_a_run(job: Job) -> None:
    token = job.installation.token("source_token", "suricata")
    event = scene.event(attacker=job.net.attacker_address, victim=job.net.victim_address)
    assert _post(job, event, "wrong").status_code == 401
    answers = [_post(job, event, token) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202]
    first, again = (each.json() for each in answers)
    assert first["duplicate_of"] is None
    assert again["duplicate_of"] == first["id"]
    assert len(first["runs"]) == 1
    assert len(job.installation.session("analyst").get("runs/")["results"]) == 1
    job.case, job.run = first["case"], first["runs"][0]


def _post(job: Job, event: Mapping[str, Any], token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{job.installation.url}/api/v1/ingest/suricata/"
    return httpx.post(url, json=event, headers=headers, trust_env=False, timeout=30)


def it_stops_at_a_gate_that_shows_exactly_what_would_run(job: Job) -> None:
    until(lambda: job.of_run()["requests"], "the run asks for approval")
    job.request = job.of_run()["requests"][0]["id"]
    assert {each: job.step(each)["status"] for each in ("reputation", "owner", "gate", "block")} == {
        "reputation": "succeeded",
        "owner": "succeeded",
        "gate": "waiting",
        "block": "pending",
    }
    with signed_in(job.browser, job.installation, "tier2") as tier2:
        page = tier2.page
        page.get_by_role("region", name="You may decide").get_by_role("link", name=QUESTION).click()
        act = page.get_by_role("article").filter(has_text="nftables.block_address")
        for shown in ("edge-firewall", "192.0.2.2", "hours", "24", "Unblock"):
            expect(act).to_contain_text(shown)
        expect(act).not_to_contain_text("simulated")
        why = page.get_by_role("region", name="Why")
        for shown in ("malicious", "95", "Nadia Reyes"):
            expect(why).to_contain_text(shown)
        page.get_by_label("Comment").fill("Seen on three sensors.")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("status").first).to_contain_text("Your approval is recorded")


def who_may_not_decide_is_refused_with_a_sentence(job: Job) -> None:
    """The author and the superuser of the alert's request, and the analyst of a run that they started by hand."""
    _refused(job, "author", job.request, OWN_PLAYBOOK)
    _refused(job, "admin", job.request, SUPERUSER)
    with signed_in(job.browser, job.installation, "analyst") as analyst:
        page = analyst.open("/playbooks/block-attacker/start/")
        page.get_by_label("Address").fill(OTHER_ADDRESS)
        page.get_by_role("button", name="Start the run").click()
        page.wait_for_url("**/runs/*/")
        run = page.url.split("/")[-2]
    own = until(
        lambda: job.installation.session("analyst").get(f"runs/{run}/")["requests"], "the second run asks"
    )
    _refused(job, "analyst", own[0]["id"], OWN_REQUEST)


def _refused(job: Job, username: str, request: str, sentence: str) -> None:
    """No page offers them a button; posted all the same, it is refused in the same words."""
    asked = job.installation.session(username).get(f"approvals/{request}/")
    with signed_in(job.browser, job.installation, username) as visitor:
        page = visitor.open(f"/approvals/{request}/")
        expect(page.get_by_text(sentence)).to_be_visible()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        answer = visitor.forge(f"/approvals/{request}/decide", verdict="approve", digest=asked["digest"])
        assert answer.status == 403
        assert sentence in answer.text()


def the_second_approval_blocks_the_attacker_once_although_the_worker_dies(job: Job) -> None:
    assert job.net.reaches()
    connection = job.net.open_connection()
    with signed_in(job.browser, job.installation, "netowner") as netowner, job.stage.nft.held():
        page = netowner.open(f"/approvals/{job.request}/")
        page.get_by_role("button", name="Approve").click()
        approved_at = time.monotonic()
        worker = job.stage.nft.wait_for_creation()
        until(lambda: not job.net.reaches(), "the attacker no longer reaches the victim", within=5)
        assert time.monotonic() - approved_at < 5
        assert not connection.is_alive()
        expect(page.get_by_role("status").first).to_contain_text("filled the last seat")
        assert job.step("block")["status"] == "running"
        job.installation.kill(worker)
    job.wait_for("succeeded")
    attempts = job.step("block")["attempts"]
    assert [each["status"] for each in attempts] == ["lost", "succeeded"]
    assert attempts[0]["worker"].endswith(f"/{worker}")
    assert attempts[1]["worker"] != attempts[0]["worker"]
    assert job.stage.nft.creations() == [[worker, 0]]
    assert job.blocked().count("countersign:") == 1
    assert not job.net.reaches()


def the_rollback_is_shown_confirmed_and_done_once(job: Job) -> None:
    analyst = job.installation.session("analyst")
    digest = analyst.get(f"runs/{job.run}/rollback/")["digest"]
    with signed_in(job.browser, job.installation, "analyst") as visitor:
        page = visitor.open(f"/runs/{job.run}/")
        page.get_by_role("link", name="Roll back").click()
        act = page.get_by_role("article")
        expect(act).to_have_count(1)
        expect(act).to_contain_text("nftables.unblock_address")
        expect(act).to_contain_text("192.0.2.2")
        page.get_by_role("button", name="Roll back 1 step").click()
        until(job.net.reaches, "the attacker reaches the victim again", within=20)
        job.wait_for("rolled_back")
        assert "countersign:" not in job.blocked()
        page = visitor.open(f"/runs/{job.run}/rollback/")
        expect(page.get_by_text("There is nothing to take back.")).to_be_visible()
        expect(page.get_by_role("button", name="Roll back")).to_have_count(0)
    before = job.of_run()
    assert analyst.post(f"runs/{job.run}/rollback/", {"digest": digest})["status"] == "rolled_back"
    assert job.of_run() == before
    assert len(before["rollbacks"]) == 1


def the_exported_evidence_verifies_and_no_change_to_it_does(job: Job, folder: Path) -> None:
    key = job.installation.manage("audit_key").splitlines()[-1]
    bundle = folder / "export.zip"
    with signed_in(job.browser, job.installation, "compliance") as compliance:
        page = compliance.open(f"/cases/{job.case}/")
        page.get_by_role("link", name="Evidence bundle").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Export").click()
        download.value.save_as(bundle)
    honest = bundles.verify(bundle, key=key)
    assert honest.status == 0, honest.said
    assert "VERIFIED" in honest.said
    files = bundles.unpack(bundle)
    decision, denial = (bundles.place_of(files, verb) for verb in ("decision.made", "decision.refused"))
    for name, change, at in (
        ("changed", bundles.change_a_byte, decision),
        ("removed", bundles.leave_out, decision),
        ("filtered", bundles.leave_out, denial),
    ):
        refused = bundles.verify(bundles.tampered(bundle, name, change, at), key=key)
        assert refused.status == 1, refused.said
        assert bundles.names(files)[at] in refused.said
    rewritten = bundles.tampered(bundle, "rewritten", bundles.leave_out_and_count_again, denial)
    refused = bundles.verify(rewritten, key=key)
    assert refused.status == 1, refused.said
    assert bundles.names(files)[-1] in refused.said  # the export's own entry vouches for the manifest
    assert "Everything holds" in job.installation.manage("audit_verify")
