"""Who guesses is locked out for a while, by every process alike, and can read until when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import F
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.web.lockout import PEOPLE_BEHIND_AN_ADDRESS
from tests.cast import Cast

PASSWORD = "only-for-tests"
HERE, ELSEWHERE = "198.51.100.7", "203.0.113.20"
LIMIT = settings.AXES_FAILURE_LIMIT


def attempt(login: str, password: str, address: str = HERE, **more: str) -> HttpResponse:
    form = {"login": login, "password": password}
    return Client().post("/accounts/login/", form, REMOTE_ADDR=address, **more)  # type: ignore[return-value]


def guess(login: str, times: int = LIMIT, address: str = HERE) -> HttpResponse:
    for number in range(times):
        answer = attempt(login, f"guess-{number}", address, HTTP_USER_AGENT=f"browser {number}")
    return answer


def is_in(answer: HttpResponse) -> bool:
    return answer.status_code == 302 and answer["Location"] == "/"


def test_after_so_many_failures_also_the_right_password_is_refused_from_there(cast: Cast) -> None:
    assert guess("analyst", LIMIT - 1).status_code == 200
    answer = guess("analyst", 1)
    assert (answer.status_code, b"Too many attempts" in answer.content) == (429, True)
    assert attempt("analyst", PASSWORD).status_code == 429
    assert is_in(attempt("analyst", PASSWORD, ELSEWHERE)), "nobody can lock out an account as such"
    assert is_in(attempt("tier2", PASSWORD)), "nor everybody behind an address, by a few failures"


def test_the_page_says_until_when_and_trying_makes_it_no_longer(cast: Cast) -> None:
    guess("analyst")
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=10))
    latest = AccessAttempt.objects.latest("attempt_time").attempt_time
    said = f"{latest + settings.AXES_COOLOFF_TIME:%H:%M} UTC"
    for _ in range(2):
        assert said in attempt("analyst", PASSWORD).content.decode()
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=6))
    assert is_in(attempt("analyst", PASSWORD))


def test_names_are_compared_as_the_sign_in_compares_them(cast: Cast) -> None:
    for name in ("analyst", "Analyst", "ANALYST", "aNALYST", "AnAlYsT"):
        answer = attempt(name, "guess")
    assert answer.status_code == 429


@pytest.mark.parametrize("login", ["nobody-at-all", "名前"])
def test_an_unknown_name_is_locked_out_like_a_known_one(cast: Cast, login: str) -> None:
    """Else the answer would tell who exists."""
    answers = [attempt(login, "guess").status_code for _ in range(LIMIT)]
    known = [attempt("analyst", "guess", ELSEWHERE).status_code for _ in range(LIMIT)]
    assert answers == known


def test_an_address_from_which_many_names_are_tried_is_locked_out_as_a_whole(cast: Cast) -> None:
    for number in range(LIMIT * PEOPLE_BEHIND_AN_ADDRESS):
        attempt(f"name-{number}", "guess")
    assert attempt("tier2", PASSWORD).status_code == 429
    assert is_in(attempt("tier2", PASSWORD, ELSEWHERE))


def test_whoever_holds_one_ipv6_address_holds_its_whole_network(cast: Cast) -> None:
    for number in range(LIMIT):
        attempt("analyst", "guess", f"2001:db8::{number + 1:x}")
    assert attempt("analyst", PASSWORD, "2001:db8::ffff").status_code == 429
    assert is_in(attempt("analyst", PASSWORD, "2001:db8:0:1::1"))


def test_an_own_sign_in_in_between_does_not_buy_more_guesses(cast: Cast) -> None:
    for number in range(LIMIT * PEOPLE_BEHIND_AN_ADDRESS - 1):
        attempt(f"name-{number}", "guess")
    assert is_in(attempt("tier2", PASSWORD))
    attempt("analyst", "guess")
    assert attempt("tier2", PASSWORD).status_code == 429


def test_a_sign_in_forgets_the_failures_of_its_own_name(cast: Cast) -> None:
    for _ in range(3):
        guess("analyst", LIMIT - 1)
        assert is_in(attempt("analyst", PASSWORD))


def test_a_lock_out_is_one_entry_however_often_somebody_tries_on(cast: Cast) -> None:
    guess("analyst", LIMIT + 3)
    entry = reading.entries(verb=Verb.SIGNIN_LOCKED_OUT).get()
    body = reading.body_of(entry.pk)
    assert body is not None
    assert (body.subject_label, body.facts["address"], body.outcome) == ("Analyst", HERE, "refused")
    assert reading.entries(verb=Verb.SIGNIN_FAILED).count() == LIMIT + 3


def test_what_was_typed_is_kept_nowhere(cast: Cast) -> None:
    attempt("S3cret-typed-here", "An0ther-secret")
    attempt("analyst", "An0ther-secret")
    for row in AccessAttempt.objects.values():
        assert "S3cret-typed-here" not in str(row)
        assert "An0ther-secret" not in str(row)
    assert AccessAttempt.objects.filter(username="analyst").exists()


def test_behind_a_proxy_only_what_the_proxy_itself_says_counts(cast: Cast, settings: object) -> None:
    settings.BEHIND_PROXY = True  # type: ignore[attr-defined]
    for number in range(LIMIT):
        attempt("analyst", "guess", "10.0.0.1", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}, {HERE}")
    assert attempt("analyst", PASSWORD, "10.0.0.1", HTTP_X_FORWARDED_FOR=HERE).status_code == 429
    assert is_in(attempt("analyst", PASSWORD, "10.0.0.1", HTTP_X_FORWARDED_FOR=f"{HERE}, {ELSEWHERE}"))


def test_a_password_that_is_asked_for_again_is_guessed_no_more_often(cast: Cast) -> None:
    browser = Client(REMOTE_ADDR=HERE)
    browser.force_login(cast.analyst)
    answers = [
        browser.post(reverse("account_reauthenticate"), {"password": f"guess-{number}"}).status_code
        for number in range(LIMIT)
    ]
    assert answers == [*[200] * (LIMIT - 1), 429]
