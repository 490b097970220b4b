"""Sign-ins, failures and sign-outs are entries of the audit log, and nobody gets in by another door."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from tests.cast import Cast

PASSWORD = "only-for-tests"


@pytest.fixture(autouse=True)
def _no_attempts_yet() -> None:
    cache.clear()


def sign_in(login: str, password: str = PASSWORD) -> Client:
    browser = Client()
    browser.post("/accounts/login/", {"login": login, "password": password})
    return browser


def test_a_sign_in_and_a_sign_out_are_entries_of_the_person(cast: Cast) -> None:
    browser = sign_in("analyst")
    assert browser.get(reverse("inbox")).status_code == 200
    browser.post("/accounts/logout/")
    assert browser.get(reverse("inbox")).status_code == 302
    for verb in (Verb.SIGNIN_SUCCEEDED, Verb.SIGNOUT_DONE):
        entry = reading.entries(verb=verb).get()
        assert (entry.actor_id, entry.subject_id) == (str(cast.analyst.pk), str(cast.analyst.pk))
        assert str(entry.stream) == f"person/{cast.analyst.pk}"


def test_a_failed_sign_in_is_an_entry_without_what_was_typed(cast: Cast) -> None:
    sign_in("analyst", "Wrong-password-9")
    sign_in("S3cret-typed-here", "x")
    known, unknown = reading.entries(verb=Verb.SIGNIN_FAILED).order_by("id")
    assert known.subject_id == str(cast.analyst.pk)
    assert known.outcome == unknown.outcome == "refused"
    assert str(known.stream).startswith("system/sign-in/")
    for entry in (known, unknown):
        body = reading.body_of(entry.pk)
        assert body is not None
        assert "Wrong-password-9" not in str(body)
        assert "S3cret-typed-here" not in str(body)


def test_a_deactivated_person_is_answered_like_a_wrong_password(cast: Cast) -> None:
    type(cast.analyst).objects.filter(pk=cast.analyst.pk).update(is_active=False)
    assert sign_in("analyst").get(reverse("inbox")).status_code == 302


def test_guessing_is_slowed_down(cast: Cast) -> None:
    browser = Client()
    for _ in range(12):
        answer = browser.post("/accounts/login/", {"login": "analyst", "password": "guess"})
    assert answer.status_code == 200
    browser.post("/accounts/login/", {"login": "analyst", "password": PASSWORD})
    assert browser.get(reverse("inbox")).status_code == 302


def test_nobody_can_sign_up(cast: Cast) -> None:
    assert Client().get("/accounts/signup/").status_code == 404
