"""Break-glass by form: the page that says what would run, standing by, and the reviews that follow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RequestStatus
from playbooks.models import ApprovalRequest, BreakGlass, Run
from playbooks.models.break_glass import BreakGlassReview
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from tests.cast import Cast
from tests.databases import any_time
from tests.executor.conftest import begin, fake, world
from tests.executor.test_receipts import STEPS
from tests.proving import PASSWORD, code_at, give_code
from tests.web.conftest import Look

__all__ = ["any_time", "begin", "fake", "world"]

DAYS = timedelta(days=3)


@pytest.fixture
def wiping(begin: Callable[..., Run], cast: Cast) -> ApprovalRequest:
    """To wipe a disk, which tier 2 would have to approve. Netowner and tier2 hold the right and have a code."""
    for name in ("netowner", "tier2"):
        people.grant(getattr(cast, name), "break-glass", actor=SYSTEM, granted_by=None)
        give_code(getattr(cast, name))
    run = begin(STEPS)
    executor.drive(run.pk, worker="test")
    return run.requests.get()


def send(browser: Client, request: ApprovalRequest, act: str = "break", **form: str) -> HttpResponse:
    about = {"act": act, "digest": request.digest, "reason": "It spreads <fast>.", "minutes": "30", **form}
    return browser.post(reverse("break-glass", args=[request.pk]), about)


def break_it(browser: Client, request: ApprovalRequest) -> BreakGlass:
    assert send(browser, request, password=PASSWORD, code=code_at()).status_code == 302
    return BreakGlass.objects.get(request=request)


def status(request: ApprovalRequest) -> str:
    return ApprovalRequest.objects.get(pk=request.pk).status


def text_of(answer: HttpResponse) -> str:
    return answer.content.decode()


def test_the_page_says_what_would_run_and_how_to_prove_it(wiping: ApprovalRequest, look: Look) -> None:
    page = text_of(look("netowner").get(reverse("break-glass", args=[wiping.pk])))
    for said in ("Break the glass?", "fake.destroy", "disk", "never as approved", "one-time-code"):
        assert said in page
    assert wiping.digest in page
    assert "Stand by another holder" not in page  # nothing is overdue


def test_nobody_breaks_it_without_a_proof_and_what_was_typed_stays(
    wiping: ApprovalRequest, look: Look
) -> None:
    browser = look("netowner")
    for wrong in ({}, {"password": PASSWORD}, {"password": "guess", "code": code_at()}):
        refused = send(browser, wiping, **wrong)
        assert refused.status_code == 401
        assert '<code class="rule">not_stepped_up</code>' in text_of(refused)
        assert "It spreads &lt;fast&gt;." in text_of(refused)
    assert status(wiping) == RequestStatus.OPEN


def test_with_a_proof_it_runs_past_the_gate_and_the_page_never_says_approved(
    wiping: ApprovalRequest, look: Look
) -> None:
    browser = look("netowner")
    break_it(browser, wiping)
    assert status(wiping) == RequestStatus.PASSED
    page = text_of(browser.get(reverse("approval", args=[wiping.pk])))
    assert 'data-status="passed"' in page
    assert 'data-status="granted"' not in page
    again = text_of(browser.get(reverse("break-glass", args=[wiping.pk])))
    assert "there is no gate to run past" in again
    assert send(browser, wiping).status_code == 409


@pytest.mark.parametrize(
    ("form", "status_code"),
    [({"reason": " "}, 403), ({"minutes": "61"}, 403), ({"minutes": "soon"}, 400), ({"digest": "x"}, 400)],
)
def test_what_cannot_be_is_refused_on_the_page(
    wiping: ApprovalRequest, look: Look, form: dict[str, str], status_code: int
) -> None:
    proof = {"password": PASSWORD, "code": code_at()}
    assert send(look("netowner"), wiping, **{**proof, **form}).status_code == status_code
    assert status(wiping) == RequestStatus.OPEN


@pytest.mark.parametrize("who", ["analyst", "admin", "compliance", "outsider"])
def test_the_form_is_for_holders_only(wiping: ApprovalRequest, look: Look, who: str) -> None:
    browser = look(who)
    assert browser.get(reverse("break-glass", args=[wiping.pk])).status_code == 403
    assert send(browser, wiping).status_code == 403
    assert status(wiping) == RequestStatus.OPEN


def test_somebody_without_a_hand_in_it_reviews_it_by_form(wiping: ApprovalRequest, look: Look) -> None:
    glass = break_it(look("netowner"), wiping)
    page, form = (
        reverse("review", args=[glass.pk]),
        {"finding": "justified", "comment": "I read <all> of it."},
    )
    for who, rule in (("netowner", "reviewer_is_user"), ("analyst", "no_permission")):
        assert "You cannot review this" in text_of(look(who).get(page))
        refused = look(who).post(page, form)
        assert (refused.status_code, rule in text_of(refused)) == (403, True)
    browser = look("compliance")
    assert "What you looked at and found" in text_of(browser.get(page))
    for wrong in ({**form, "finding": ""}, {**form, "comment": " "}):
        assert browser.post(page, wrong).status_code == 400
    assert not BreakGlassReview.objects.exists()
    assert browser.post(page, form).status_code == 302
    shown = text_of(browser.get(page))
    assert "I read &lt;all&gt; of it." in shown
    assert 'data-status="justified"' in shown
    assert browser.post(page, form).status_code == 409


@pytest.mark.usefixtures("any_time")
def test_a_review_stands_in_the_list_and_is_red_once_it_is_late(wiping: ApprovalRequest, look: Look) -> None:
    glass = break_it(look("netowner"), wiping)
    due = text_of(look("compliance").get(reverse("reviews")))
    assert "review due" in due
    assert 'data-status="overdue"' not in due
    with time_machine.travel(timezone.now() + DAYS, tick=False):
        browser = look("compliance")
        late = text_of(browser.get(reverse("reviews")))
        assert 'data-tone="error"' in late
        assert "1 review overdue" in late
        assert 'data-status="overdue"' in late
        assert 'data-status="overdue"' in text_of(browser.get(reverse("review", args=[glass.pk])))
        form = {"finding": "not_justified", "comment": "It could have waited."}
        assert browser.post(reverse("review", args=[glass.pk]), form).status_code == 302
        assert 'data-status="overdue"' not in text_of(browser.get(reverse("reviews")))


@pytest.mark.usefixtures("any_time")
def test_while_a_review_is_late_a_second_holder_stands_by(
    wiping: ApprovalRequest, begin: Callable[..., Run], look: Look
) -> None:
    break_it(look("netowner"), wiping)
    with time_machine.travel(timezone.now() + DAYS, tick=False):
        run = begin(STEPS)
        executor.drive(run.pk, worker="test")
        late = run.requests.get()
        browser, other = look("netowner"), look("tier2")
        assert "Stand by another holder" in text_of(browser.get(reverse("break-glass", args=[late.pk])))
        proof = {"password": PASSWORD, "code": code_at()}
        alone = send(browser, late, **proof)
        assert (alone.status_code, "second_holder" in text_of(alone)) == (403, True)
        assert send(other, late, act="stand-by").status_code == 401
        assert send(other, late, act="stand-by", **proof).status_code == 302
        assert "You stand by." in text_of(other.get(reverse("break-glass", args=[late.pk])))
        assert send(browser, late).status_code == 302  # by the proof that the refusal left unused
        assert BreakGlass.objects.get(request=late).second_name == "Tier2"
