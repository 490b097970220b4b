"""Second factors: set up, asked for at the sign-in, used once, lost, and taken away, each an entry of the log."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.test import Client
from django.urls import reverse

from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import Principal
from tests.cast import Cast

Committing = Callable[..., AbstractContextManager[object]]

PASSWORD = "only-for-tests"
RIGHT_NOW = 1_790_000_000  # seconds since 1970, at which the codes of these tests are shown


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time by which codes are reckoned; a test moves it on."""
    at = [RIGHT_NOW]
    monkeypatch.setattr(totp, "time", SimpleNamespace(time=lambda: at[0]))
    return at


def code(secret: str, at: int = RIGHT_NOW) -> str:
    return totp.format_hotp_value(totp.hotp_value(secret, at // 30))


def browser_of(person: Principal) -> Client:
    """Signed in, and confirmed again just now."""
    browser = Client()
    browser.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    confirm(browser)
    return browser


def confirm(browser: Client) -> None:
    assert browser.post(reverse("account_reauthenticate"), {"password": PASSWORD}).status_code == 302


def set_up(browser: Client) -> str:
    """The secret of an authenticator app that has been set up."""
    secret: str = browser.get(reverse("mfa_activate_totp")).context["form"].secret
    answer = browser.post(reverse("mfa_activate_totp"), {"code": code(secret)})
    assert answer["Location"] == reverse("mfa_view_recovery_codes")
    return secret


def with_password(person: Principal) -> Client:
    browser = Client()
    answer = browser.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    assert answer["Location"] == reverse("mfa_authenticate")
    return browser


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("inbox")).status_code == 200


def codes_shown(browser: Client) -> list[str]:
    return re.findall(
        r"<li><code>(\d{8})</code>", browser.get(reverse("mfa_view_recovery_codes")).content.decode()
    )


def test_nothing_of_it_is_open_without_confirming_that_it_is_you(cast: Cast) -> None:
    browser = Client()
    browser.force_login(cast.analyst)
    for name in ("mfa_activate_totp", "mfa_add_webauthn", "mfa_generate_recovery_codes"):
        assert browser.get(reverse(name))["Location"].startswith(reverse("account_reauthenticate"))
        assert Client().get(reverse(name))["Location"].startswith(settings.LOGIN_URL)


def test_with_an_app_the_password_alone_is_not_enough(cast: Cast, now: list[int]) -> None:
    secret = set_up(browser_of(cast.analyst))
    now[0] += 30
    browser = with_password(cast.analyst)
    assert not is_signed_in(browser)
    assert browser.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    assert not is_signed_in(browser)
    browser.post(reverse("mfa_authenticate"), {"code": code(secret, now[0])})
    assert is_signed_in(browser)
    body = reading.body_of(reading.entries(verb=Verb.SIGNIN_SUCCEEDED).latest("id").pk)
    assert body is not None
    assert body.facts["methods"] == ["password", "totp"]


def test_a_code_is_good_for_once(cast: Cast, now: list[int]) -> None:
    secret = set_up(browser_of(cast.analyst))
    now[0] += 30
    first, second = with_password(cast.analyst), with_password(cast.analyst)
    for browser in (first, second):
        browser.post(reverse("mfa_authenticate"), {"code": code(secret, now[0])})
    assert (is_signed_in(first), is_signed_in(second)) == (True, False)


def test_what_was_used_is_known_to_every_process() -> None:
    """The codes that were used are in the cache: were it the memory of a process, another one would take them again."""
    assert settings.CACHES["default"]["BACKEND"] == "django.core.cache.backends.db.DatabaseCache"


def test_codes_are_guessed_no_more_often_than_passwords(cast: Cast) -> None:
    set_up(browser_of(cast.analyst))
    browser = with_password(cast.analyst)
    answers = [
        browser.post(reverse("mfa_authenticate"), {"code": f"{each:06}"}).status_code for each in range(6)
    ]
    assert answers == [200, 200, 200, 200, 429, 429]
    assert reading.entries(verb=Verb.SIGNIN_LOCKED_OUT).count() == 1
    assert Client().post("/accounts/login/", {"login": "analyst", "password": PASSWORD}).status_code == 429


def test_the_secret_is_sealed_in_the_database(cast: Cast) -> None:
    secret = set_up(browser_of(cast.analyst))
    for row in Authenticator.objects.all():
        assert secret not in str(row.data)
    assert Authenticator.objects.count() == 2


def test_recovery_codes_are_shown_once_and_each_is_good_for_once(cast: Cast) -> None:
    own = browser_of(cast.analyst)
    set_up(own)
    codes = codes_shown(own)
    assert len(set(codes)) == 10
    assert codes_shown(own) == []
    first = with_password(cast.analyst)
    first.post(reverse("mfa_authenticate"), {"code": codes[3]})
    again = with_password(cast.analyst)
    again.post(reverse("mfa_authenticate"), {"code": codes[3]})
    assert (is_signed_in(first), is_signed_in(again)) == (True, False)
    assert b"9 left" in own.get(reverse("keys")).content


def test_new_recovery_codes_stop_the_old_ones(
    cast: Cast, django_capture_on_commit_callbacks: Committing
) -> None:
    own = browser_of(cast.analyst)
    set_up(own)
    old = codes_shown(own)
    with django_capture_on_commit_callbacks(execute=True):
        own.post(reverse("mfa_generate_recovery_codes"))
    new = codes_shown(own)
    assert (len(new), set(old) & set(new)) == (10, set())
    browser = with_password(cast.analyst)
    browser.post(reverse("mfa_authenticate"), {"code": old[0]})
    assert not is_signed_in(browser)
    assert reading.entries(verb=Verb.FACTOR_RENEWED).get().subject_id == str(cast.analyst.pk)


def test_taking_the_app_away_takes_the_recovery_codes_too_and_both_are_entries(
    cast: Cast, django_capture_on_commit_callbacks: Committing
) -> None:
    own = browser_of(cast.analyst)
    with django_capture_on_commit_callbacks(execute=True):
        set_up(own)
    own.post(reverse("mfa_deactivate_totp"))
    assert not Authenticator.objects.exists()
    for verb in (Verb.FACTOR_ADDED, Verb.FACTOR_REMOVED):
        bodies = [reading.body_of(each.pk) for each in reading.entries(verb=verb)]
        assert {body.facts["factor"] for body in bodies if body} == {"totp", "recovery_codes"}
    browser = Client()
    browser.post("/accounts/login/", {"login": "analyst", "password": PASSWORD})
    assert is_signed_in(browser)


def test_nobody_touches_the_factors_of_another(cast: Cast) -> None:
    theirs = Authenticator.objects.create(user=cast.tier2, type="webauthn", data={"name": "Key"})
    own = browser_of(cast.analyst)
    assert own.get(reverse("mfa_remove_webauthn", args=[theirs.pk])).status_code == 404
    assert own.post(reverse("mfa_remove_webauthn", args=[theirs.pk])).status_code == 404
    assert Authenticator.objects.filter(pk=theirs.pk).exists()


def test_the_picture_of_the_secret_is_there_only_while_it_is_set_up(cast: Cast) -> None:
    own = browser_of(cast.analyst)
    assert own.get(reverse("app-code")).status_code == 404
    own.get(reverse("mfa_activate_totp"))
    picture = own.get(reverse("app-code"))
    assert (picture["Content-Type"], "no-store" in picture["Cache-Control"]) == ("image/svg+xml", True)
    set_up(own)
    assert own.get(reverse("app-code")).status_code == 404


def test_a_new_password_ends_the_other_sessions_and_is_an_entry(cast: Cast) -> None:
    own, other = browser_of(cast.analyst), browser_of(cast.analyst)
    form = {"oldpassword": PASSWORD, "password1": "seven-tall-ships", "password2": "seven-tall-ships"}
    assert own.post(reverse("account_change_password"), {**form, "oldpassword": "guess"}).status_code == 200
    assert is_signed_in(other)
    assert own.post(reverse("account_change_password"), form).status_code == 302
    assert (is_signed_in(own), is_signed_in(other)) == (True, False)
    entry = reading.entries(verb=Verb.PASSWORD_CHANGED).get()
    assert "seven-tall-ships" not in str(reading.body_of(entry.pk))


def test_who_has_no_password_is_not_offered_one(cast: Cast) -> None:
    """They sign in through their provider, which a password would pass by."""
    cast.analyst.set_unusable_password()
    cast.analyst.save()
    browser = Client()
    browser.force_login(cast.analyst)
    assert browser.get(reverse("account_change_password")).status_code == 404


@pytest.mark.parametrize("name", ["keys", "mfa_view_recovery_codes", "mfa_add_webauthn", "mfa_activate_totp"])
def test_the_pages_are_ours_and_load_nothing_inline(cast: Cast, name: str) -> None:
    own = browser_of(cast.analyst)
    set_up(own) if name == "mfa_view_recovery_codes" else None
    page: Any = own.get(reverse(name))
    assert page.status_code == 200
    text = page.content.decode()
    assert "countersign.css" in text
    assert not re.search(r"<script(?![^>]*(\bsrc=|type=\"application/json\"))", text)
    assert not re.search(r"\sstyle=|\son[a-z]+=", text)
