"""Approving what destroys by form: with a passkey, or without JavaScript by password and code; and nothing less."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.domain.stepup import need_of_decision
from playbooks.models import ApprovalRequest, FactorUse, Run, StepUp
from playbooks.operations import stepup
from playbooks.operations.caller import Caller, session_of
from tests.cast import Cast
from tests.executor.conftest import begin, fake, world
from tests.executor.test_receipts import STEPS
from tests.proving import ORIGIN, PASSWORD, Passkey, code_at, give_code, passkey_of
from tests.web.conftest import Look

__all__ = ["begin", "fake", "world"]


@pytest.fixture
def wiping(begin: Callable[..., Run]) -> ApprovalRequest:
    run = begin(STEPS)
    executor.drive(run.pk, worker="test")
    return run.requests.get()


def decide(browser: Client, request: ApprovalRequest, verdict: str = "approve", **form: str) -> HttpResponse:
    about = {"verdict": verdict, "digest": request.digest, "comment": "Because.", **form}
    return browser.post(reverse("decide", args=[request.pk]), about)


def status(request: ApprovalRequest) -> str:
    return ApprovalRequest.objects.get(pk=request.pk).status


def caller(browser: Client, cast: Cast) -> Caller:
    return Caller(cast.tier2, session=session_of(browser.session.session_key))


def signed(browser: Client, cast: Cast, request: ApprovalRequest, key: Passkey) -> dict[str, str]:
    """What the script puts into the form."""
    need = need_of_decision(request.digest, Verdict.APPROVE.value, "bound")
    row = stepup.begin(need, caller=caller(browser, cast))
    assertion = key.sign(stepup.options(row, origin=ORIGIN))
    return {"step_up": str(row.pk), "assertion": json.dumps(assertion)}


def test_the_page_says_how_to_prove_it_and_approving_without_is_refused(
    cast: Cast, wiping: ApprovalRequest, look: Look
) -> None:
    give_code(cast.tier2)
    browser = look("tier2")
    page = browser.get(reverse("approval", args=[wiping.pk])).content.decode()
    assert 'autocomplete="one-time-code"' in page
    assert "stepup.js" not in page
    answer = decide(browser, wiping)
    assert answer.status_code == 401
    assert '<code class="rule">not_stepped_up</code>' in answer.content.decode()
    assert status(wiping) == RequestStatus.OPEN


def test_password_and_code_approve_in_one_form(cast: Cast, wiping: ApprovalRequest, look: Look) -> None:
    give_code(cast.tier2)
    browser = look("tier2")
    for wrong in ({"password": PASSWORD}, {"password": "guess", "code": code_at()}, {"code": code_at()}):
        assert decide(browser, wiping, **wrong).status_code == 401
    assert decide(browser, wiping, password=PASSWORD, code=code_at()).status_code == 302
    assert status(wiping) == RequestStatus.GRANTED


def test_a_passkey_approves_and_its_answer_is_good_for_once(
    cast: Cast, wiping: ApprovalRequest, look: Look
) -> None:
    browser, key = look("tier2"), passkey_of(cast.tier2)
    page = browser.get(reverse("approval", args=[wiping.pk])).content.decode()
    assert "stepup.js" in page
    assert " data-signs>Approve" in page
    form = signed(browser, cast, wiping, key)
    assert decide(browser, wiping, **form).status_code == 302
    again = decide(browser, wiping, **form)
    assert (again.status_code, "already_decided" in again.content.decode()) == (409, True)
    assert StepUp.objects.get().used_at is not None


@pytest.mark.parametrize(
    "form",
    [
        {"step_up": "no id", "assertion": "{}"},
        {"assertion": "{"},
        {"assertion": "[]"},
        {"assertion": "[" * 15_000},
        {"assertion": "{" + " " * 30_000 + "}"},
    ],
)
def test_what_cannot_be_read_proves_nothing(
    cast: Cast, wiping: ApprovalRequest, look: Look, form: dict[str, Any]
) -> None:
    passkey_of(cast.tier2)
    assert decide(look("tier2"), wiping, **form).status_code == 400
    assert status(wiping) == RequestStatus.OPEN


def test_whoever_has_no_second_factor_reads_which_to_set_up_and_can_deny(
    wiping: ApprovalRequest, look: Look
) -> None:
    browser = look("tier2")
    page = browser.get(reverse("approval", args=[wiping.pk])).content.decode()
    assert "set up a passkey or an authenticator app" in page
    assert decide(browser, wiping).status_code == 401
    assert decide(browser, wiping, "deny").status_code == 302
    assert status(wiping) == RequestStatus.DENIED


def test_no_code_is_used_up_on_a_decision_that_is_refused_anyway(
    cast: Cast, wiping: ApprovalRequest, look: Look
) -> None:
    give_code(cast.analyst)
    answer = decide(look("analyst"), wiping, password=PASSWORD, code=code_at())
    assert answer.status_code == 403
    assert not FactorUse.objects.filter(person=cast.analyst).exists()


def test_the_page_of_its_own_takes_a_proof_and_goes_back(cast: Cast, look: Look) -> None:
    give_code(cast.admin)
    browser = look("admin")
    page = reverse("step-up")
    assert "give rights" in browser.get(page, {"for": "grant"}).content.decode()
    wrong = browser.post(page, {"password": "guess", "code": "000000", "next": "/runs/"})
    assert wrong.status_code == 401
    assert browser.post(page, {"purpose": "grant", "next": "/runs/"}).status_code == 401
    form = {"purpose": "grant", "password": PASSWORD, "code": code_at(), "next": "/runs/"}
    answer = browser.post(page, form)
    assert (answer.status_code, answer["Location"]) == (302, "/runs/")
    assert "You have proven that it is you" in browser.get(page).content.decode()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_it_goes_back_to_no_other_site(cast: Cast, look: Look, elsewhere: str) -> None:
    give_code(cast.admin)
    form = {"password": PASSWORD, "code": code_at(), "next": elsewhere}
    assert look("admin").post(reverse("step-up"), form)["Location"] == "/"
