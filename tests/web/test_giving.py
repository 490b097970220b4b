"""Giving a right and making a token by form: the proof is in the form, also without JavaScript."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from allauth.socialaccount.models import SocialAccount
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from playbooks import access
from playbooks.domain.stepup import Purpose, need_of
from playbooks.models import Delegation, Principal, Shift, Token
from playbooks.operations import first_administrator, stepup
from playbooks.operations.caller import Caller, session_of
from tests.cast import Cast
from tests.proving import ORIGIN, PASSWORD, code_at, give_code, passkey_of
from tests.web.conftest import Look

GIVE = {"do": "give-role", "confirmed": "yes", "person": "outsider", "role": "tier-2"}
MOMENTS = {"begins_at": "2099-01-01T12:00", "ends_at": "2099-01-02T12:00"}
# The forms that give something: where they are, where they go, and what they carry.
FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "access-change": ("access-change", GIVE),
    "token-issue": ("keys", {"scope": "read", "days": "7"}),
    "rotas": ("rotas", {"rota": "network", "person": "tier2", **MOMENTS}),
    "delegations": ("delegations", {"substitute": "tier2", "reason": "Away.", "ends_at": ""}),
    "person-identity": ("person", {"provider": "oidc", "subject": "1"}),
}


def address(name: str) -> str:
    return reverse(name, args=["tier2"] if name.startswith("person") else [])


def page_of(browser: Client, name: str) -> str:
    """The page on which the form is; a change of rights is asked once more first."""
    if name == "access-change":
        asked = {key: value for key, value in GIVE.items() if key != "confirmed"}
        return browser.post(address(name), asked).content.decode()
    return browser.get(address(FORMS[name][0])).content.decode()


def send(browser: Client, name: str, **proof: str) -> HttpResponse:
    form = FORMS[name][1]
    if name == "delegations":
        form = {**form, "ends_at": f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}"}
    return browser.post(address(name), {**form, **proof})


def given(cast: Cast) -> list[bool]:
    return [
        bool(access.roles_of([cast.outsider.pk])[cast.outsider.pk]),
        Token.objects.exists(),
        Shift.objects.exists(),
        Delegation.objects.exists(),
        SocialAccount.objects.exists(),
    ]


@pytest.mark.parametrize("name", FORMS)
def test_the_form_has_the_fields_and_takes_password_and_code(cast: Cast, look: Look, name: str) -> None:
    give_code(cast.admin)
    browser = look("admin")
    page = page_of(browser, name)
    assert 'autocomplete="one-time-code"' in page
    assert "stepup.js" not in page  # without a passkey there is nothing for it to do
    for wrong in ({}, {"password": PASSWORD}, {"password": "guess", "code": code_at()}):
        refused = send(browser, name, **wrong)
        assert refused.status_code == 401
        assert '<code class="rule">not_stepped_up</code>' in refused.content.decode()
    assert not any(given(cast))
    done = send(browser, name, password=PASSWORD, code=code_at())
    assert done.status_code == (200 if name == "token-issue" else 302)
    assert sum(given(cast)) == 1
    assert "You have proven that it is you" in page_of(browser, name)


@pytest.mark.parametrize("name", FORMS)
def test_a_passkey_signs_the_form(cast: Cast, look: Look, name: str) -> None:
    browser, key = look("admin"), passkey_of(cast.admin)
    page = page_of(browser, name)
    assert "stepup.js" in page
    assert " data-signs>" in page
    purpose = Purpose.TOKEN if name == "token-issue" else Purpose.GRANT
    assert f'data-step-up="{purpose}"' in page
    caller = Caller(cast.admin, session=session_of(browser.session.session_key))
    row = stepup.begin(need_of(purpose), caller=caller)
    assertion = json.dumps(key.sign(stepup.options(row, origin=ORIGIN)))
    assert send(browser, name, step_up=str(row.pk), assertion=assertion).status_code in {200, 302}
    assert sum(given(cast)) == 1


@pytest.mark.parametrize("name", FORMS)
def test_whoever_has_no_second_factor_reads_what_to_set_up(cast: Cast, look: Look, name: str) -> None:
    browser = look("admin")
    page = page_of(browser, name)
    assert "set up a passkey or an authenticator app" in page
    assert f'href="{reverse("keys")}">Set one up' in page
    assert send(browser, name).status_code == 401
    assert not any(given(cast))


def test_a_form_that_takes_asks_for_nothing(cast: Cast, look: Look) -> None:
    give_code(cast.admin)
    browser = look("admin")
    take = {"do": "take-role", "person": "tier2", "role": "tier-2"}
    assert "one-time-code" not in browser.post(address("access-change"), take).content.decode()
    assert browser.post(address("access-change"), {**take, "confirmed": "yes"}).status_code == 302
    SocialAccount.objects.create(user=cast.tier2, provider="oidc", uid="1")
    form = {"provider": "oidc", "subject": "1", "take": "yes"}
    assert browser.post(address("person-identity"), form).status_code == 302


@pytest.mark.django_db
def test_the_first_administrator_is_led_to_a_second_factor_before_they_give_a_right() -> None:
    browser, path = Client(), f"/first-administrator/{first_administrator.offer()}/"
    answer = browser.post(path, {"username": "ada", "name": "Ada", "password": "correct horse 7"})
    assert answer["Location"] == reverse("keys")
    page = browser.get(answer["Location"]).content.decode()
    assert "without one you can neither approve what destroys something, nor give a right" in page
    Principal.objects.create(username="outsider", name="Outsider")
    assert browser.post(address("access-change"), GIVE).status_code == 401
    ada = Principal.objects.get(username="ada")
    give_code(ada)
    proof = {"password": "correct horse 7", "code": code_at()}
    assert browser.post(address("access-change"), {**GIVE, **proof}).status_code == 302
