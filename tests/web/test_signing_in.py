"""Sign-ins, failures and sign-outs are entries of the audit log, and nobody gets in by another door."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from soar import urls
from tests.cast import Cast

PASSWORD = "only-for-tests"


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


ABSENT = [
    *("accounts/signup/", "accounts/email/", "accounts/confirm-email/", "accounts/password/reset/"),
    *("accounts/password/set/", "accounts/inactive/", "accounts/passkeys/signup/", "accounts/social/signup/"),
    *("admin/", "impersonate/", "hijack/", "su/", "people/analyst/become", "demo/become"),
]


@pytest.mark.parametrize("path", ABSENT)
def test_nobody_signs_up_resets_a_password_by_mail_or_becomes_somebody_else(cast: Cast, path: str) -> None:
    """There is no impersonation and no admin site: their addresses do not exist, for an administrator neither."""
    admin = sign_in("admin")
    assert admin.get(f"/{path}").status_code in {404, 405}
    assert admin.post(f"/{path}", {"username": "analyst"}).status_code == 404
    assert admin.get(reverse("inbox")).wsgi_request.user == cast.admin


def test_the_addresses_for_signing_in_are_these(cast: Cast) -> None:
    """A page of django-allauth that is not wanted has no address; a new one needs its row here."""
    assert {str(each.name) for each in urls.SIGN_IN} == {
        *("account_login", "account_logout", "account_reauthenticate", "account_change_password"),
        *("mfa_authenticate", "mfa_reauthenticate", "mfa_activate_totp", "mfa_deactivate_totp", "mfa_index"),
        *("mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_login_webauthn"),
        *("mfa_reauthenticate_webauthn", "mfa_add_webauthn", "mfa_remove_webauthn", "mfa_list_webauthn"),
    }


def test_a_deactivated_persons_open_session_is_over_at_its_next_request(cast: Cast) -> None:
    browser = sign_in("analyst")
    assert browser.get(reverse("inbox")).status_code == 200
    type(cast.analyst).objects.filter(pk=cast.analyst.pk).update(is_active=False)
    assert browser.get(reverse("inbox")).status_code == 302
