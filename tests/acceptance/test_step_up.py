"""Approving what destroys, in a real browser with a passkey: Chromium's own virtual authenticator signs."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.acceptance.browsing import Visitor, signed_in
from tests.acceptance.installation import Installation
from tests.acceptance.waiting import until
from tests.proving import Passkey

pytestmark = pytest.mark.needs_chromium

ERASE = """\
playbook: erase-device
title: Erase a device
inputs:
  device: {type: string}
steps:
  - id: gate
    approve: Erase ${ inputs.device }?
    seats: [{role: tier-2}]
  - id: wipe
    do: devices.wipe_device
    with: {device: "${ inputs.device }"}
"""
REGISTER = """\
import sys, django
django.setup()
from cryptography.hazmat.primitives.serialization import load_der_private_key
from playbooks.models import Principal
from tests.proving import Passkey
origin, key, credential, username = sys.argv[1:]
passkey = Passkey(origin, load_der_private_key(bytes.fromhex(key), None), bytes.fromhex(credential))
passkey.register(Principal.objects.get(username=username))
"""
FORGET = """\
import sys, django
django.setup()
from allauth.mfa.models import Authenticator
Authenticator.objects.filter(user__username=sys.argv[1]).delete()
"""
RECORDED = "Your approval is recorded. Others still have to decide."  # the default policy asks two
DONE = "Your approval filled the last seat: the run goes on."


@pytest.fixture(scope="module")
def erase(demo: Installation) -> str:
    """A playbook that erases devices, in force."""
    demo.session("author").post_text("playbooks/", ERASE)
    demo.session("author").post("playbooks/erase-device/versions/1/submit/")
    demo.session("publisher").post("playbooks/erase-device/versions/1/publish/")
    return "erase-device"


def waiting(demo: Installation, playbook: str, device: str) -> str:
    """The request of a run that would erase the device."""
    run = demo.session("analyst").post("runs/", {"playbook": playbook, "inputs": {"device": device}})["id"]
    found: list[Any] = []

    def is_asked() -> bool:
        found[:] = demo.session("tier2").get("approvals/", run=run)["results"]
        return bool(found)

    until(is_asked, "the request of the run")
    return str(found[0]["id"])


@contextmanager
def with_passkey(demo: Installation, visitor: Visitor, username: str) -> Iterator[tuple[CDPSession, str]]:
    """The person has a passkey, and a device that holds it. Yields how to speak to the device.

    Afterwards they have none, since other tests sign in without it.
    """
    passkey = Passkey(demo.url)
    secret = passkey.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    run(demo, REGISTER, demo.url, secret.hex(), passkey.id.hex(), username)
    device = visitor.page.context.new_cdp_session(visitor.page)
    device.send("WebAuthn.enable")
    kind = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasUserVerification": True,
        "isUserVerified": True,
        "hasResidentKey": True,
    }
    name = device.send("WebAuthn.addVirtualAuthenticator", {"options": kind})["authenticatorId"]
    credential = {
        "credentialId": base64.b64encode(passkey.id).decode(),
        "isResidentCredential": False,
        "rpId": "localhost",
        "privateKey": base64.b64encode(secret).decode(),
        "signCount": 1,
    }
    device.send("WebAuthn.addCredential", {"authenticatorId": name, "credential": credential})
    try:
        yield device, name
    finally:
        run(demo, FORGET, username)


def run(demo: Installation, script: str, *words: str) -> None:
    done = demo._run(sys.executable, "-c", script, *words)
    assert done.returncode == 0, done.stderr


def approve(page: Page) -> None:
    page.get_by_role("button", name="Approve").click()


@pytest.mark.timeout(180)
def test_a_passkey_signs_exactly_this_decision_and_the_device_is_erased(
    demo: Installation, browser: Browser, erase: str
) -> None:
    request = waiting(demo, erase, "laptop-17")
    with signed_in(browser, demo, "tier2") as visitor, with_passkey(demo, visitor, "tier2") as (device, name):
        page = visitor.open(f"/approvals/{request}/")
        expect(page.get_by_role("group", name="Prove that it is you")).to_be_visible()
        device.send("WebAuthn.setUserVerified", {"authenticatorId": name, "isUserVerified": False})
        approve(page)
        expect(page.get_by_role("alert")).to_contain_text("The passkey was not used, so nothing was sent.")
        assert demo.session("tier2").get(f"approvals/{request}/")["status"] == "open"
        device.send("WebAuthn.setUserVerified", {"authenticatorId": name, "isUserVerified": True})
        approve(page)
        expect(page.get_by_role("status").first).to_contain_text(RECORDED)
        assert not visitor.complaints
    with signed_in(browser, demo, "assetowner") as visitor, with_passkey(demo, visitor, "assetowner"):
        page = visitor.open(f"/approvals/{request}/")
        approve(page)
        expect(page.get_by_role("status").first).to_contain_text(DONE)
    run = demo.session("tier2").get(f"approvals/{request}/")["run"]
    until(
        lambda: demo.session("analyst").get(f"runs/{run}/")["status"] == "succeeded",
        "the device to be erased",
    )
    told = demo.session("compliance").get("audit/entries/", verb="stepup.proven")["results"]
    assert [each["outcome"] for each in told] == ["done", "done"]


@pytest.mark.timeout(120)
def test_whoever_has_no_second_factor_reads_what_to_set_up(
    demo: Installation, browser: Browser, erase: str
) -> None:
    request = waiting(demo, erase, "laptop-18")
    with signed_in(browser, demo, "tier2", java_script_enabled=False) as visitor:
        page = visitor.open(f"/approvals/{request}/")
        approve(page)
        expect(page.get_by_role("alert")).to_contain_text("it takes a proof of your second factor")


@pytest.mark.timeout(180)
def test_a_passkey_signs_for_a_right_and_then_a_token_is_made_within_five_minutes(
    demo: Installation, browser: Browser
) -> None:
    with signed_in(browser, demo, "admin") as visitor, with_passkey(demo, visitor, "admin") as (device, name):
        page = visitor.open("/access/people/outsider/")
        page.get_by_label("Role", exact=True).select_option("analyst")
        page.get_by_role("button", name="Give…").click()
        device.send("WebAuthn.setUserVerified", {"authenticatorId": name, "isUserVerified": False})
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_role("alert")).to_contain_text("The passkey was not used, so nothing was sent.")
        device.send("WebAuthn.setUserVerified", {"authenticatorId": name, "isUserVerified": True})
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_role("status").first).to_contain_text("outsider has the role analyst.")
        page.get_by_role("button", name="Take the role Analyst").click()
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_role("status").first).to_contain_text("outsider has the role analyst no more.")
        page = visitor.open("/keys/")
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_role("heading", name="The token of")).to_be_visible()
        page.get_by_role("button", name="Revoke").first.click()
        assert not visitor.complaints
