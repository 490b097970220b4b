"""Sign-in with the password of a directory: for people who are linked to an entry of it, and for nobody else.

Asked is a real slapd, one that says yes to a bind without a password.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as configured
from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from playbooks.access import factors
from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import Membership, Principal
from playbooks.operations import identities, people
from playbooks.operations.caller import SYSTEM
from tests import slapd
from tests.cast import Cast
from tests.slapd import PASSWORDS, SERVICE, SERVICE_PASSWORD, TWINS, Slapd, running

pytestmark = pytest.mark.needs_ldap

HERE = "only-for-tests"  # the password that the cast has without any directory


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running(tmp_path_factory.mktemp("slapd")) as started:
        yield started


@pytest.fixture(autouse=True)
def _configured(settings: Any, directory: Slapd, cast: Cast) -> None:
    """An installation with a directory, in which tier2 has no password but the directory's."""
    settings.LDAP_URI, settings.LDAP_STARTS_TLS = directory.uri, False
    settings.LDAP_BASE, settings.LDAP_FILTER = slapd.BASE, "(uid=%(user)s)"
    settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD = SERVICE, SERVICE_PASSWORD
    backends = [*settings.AUTHENTICATION_BACKENDS, "playbooks.web.directory.Directory"]
    settings.AUTHENTICATION_BACKENDS = backends
    link(cast.tier2, "tier2")


def link(person: Principal, name: str) -> None:
    people.take_password(person, actor=SYSTEM)
    identities.provision(person, provider="ldap", subject=name, caller=None)


def sign_in(login: str, password: str) -> Client:
    browser = Client()
    browser.post("/accounts/login/", {"login": login, "password": password})
    return browser


def is_in(browser: Client) -> bool:
    return browser.get(reverse("inbox")).status_code == 200


def lets_in(login: str, password: str) -> bool:
    return is_in(sign_in(login, password))


def failures() -> int:
    return reading.entries(verb=Verb.SIGNIN_FAILED).filter(outcome="refused").count()


def test_who_is_linked_comes_in_with_the_directorys_password_and_the_log_says_so(cast: Cast) -> None:
    rights = Membership.objects.count()
    browser = sign_in("tier2", PASSWORDS["tier2"])
    assert is_in(browser)
    assert is_in(browser), "and stays in"
    entry = reading.entries(verb=Verb.SIGNIN_SUCCEEDED).get()
    assert entry.subject_id == str(cast.tier2.pk)
    assert "'methods': ['directory']" in str(reading.body_of(entry.pk))
    assert Membership.objects.count() == rights


def test_a_wrong_password_is_refused_and_the_log_says_so(cast: Cast) -> None:
    assert not lets_in("tier2", "wrong")
    entry = reading.entries(verb=Verb.SIGNIN_FAILED).get()
    assert (entry.subject_id, entry.outcome) == (str(cast.tier2.pk), "refused")


def test_failures_are_counted_and_lock_out() -> None:
    for _ in range(configured.AXES_FAILURE_LIMIT):
        sign_in("tier2", "guess")
    answer = Client().post("/accounts/login/", {"login": "tier2", "password": PASSWORDS["tier2"]})
    assert answer.status_code == 429
    assert reading.entries(verb=Verb.SIGNIN_LOCKED_OUT).count() == 1


@pytest.mark.parametrize("password", ["", " ", "   "])
def test_no_password_is_nobodys(password: str) -> None:
    """A server may take it for a bind as nobody, which succeeds."""
    assert not lets_in("tier2", password)
    assert authenticate(HttpRequest(), username="tier2", password=password) is None


def test_the_server_of_these_tests_would_have_said_yes(directory: Slapd) -> None:
    import ldap

    connection = ldap.initialize(directory.uri)
    connection.simple_bind_s(f"cn=tier2,{slapd.BASE}", "")
    connection.unbind_s()


def test_nobody_comes_in_who_is_there_alone_and_nobody_is_made() -> None:
    before = (Principal.objects.count(), SocialAccount.objects.count())
    assert not lets_in("grace", PASSWORDS["grace"])
    assert (Principal.objects.count(), SocialAccount.objects.count()) == before
    assert failures() == 1


def test_who_is_not_linked_does_not_come_in_by_having_the_same_name(cast: Cast) -> None:
    identities.withdraw(cast.tier2, provider="ldap", subject="tier2", caller=None)
    assert not lets_in("tier2", PASSWORDS["tier2"])


def test_who_is_linked_may_have_another_name_there(cast: Cast) -> None:
    link(cast.netowner, "ada")
    assert lets_in("netowner", PASSWORDS["ada"])
    assert lets_in("NetOwner", PASSWORDS["ada"])
    assert not lets_in("ada", PASSWORDS["ada"]), "the name to type is the one that one has here"


def test_an_identity_of_another_provider_is_none_of_the_directory(cast: Cast) -> None:
    people.take_password(cast.netowner, actor=SYSTEM)
    identities.provision(cast.netowner, provider="oidc", subject="ada", caller=None)
    assert not lets_in("netowner", PASSWORDS["ada"])


def test_a_deactivated_person_is_turned_away_though_the_directory_knows_them(cast: Cast) -> None:
    browser = sign_in("tier2", PASSWORDS["tier2"])
    people.deactivate(cast.tier2, actor=SYSTEM)
    assert not is_in(browser)
    assert not lets_in("tier2", PASSWORDS["tier2"])


def test_who_has_a_password_here_has_no_other_until_it_is_taken_away(cast: Cast) -> None:
    identities.provision(cast.netowner, provider="ldap", subject="ada", caller=None)
    assert not lets_in("netowner", PASSWORDS["ada"])
    assert lets_in("netowner", HERE)
    people.take_password(cast.netowner, actor=SYSTEM)
    assert not lets_in("netowner", HERE)
    assert lets_in("netowner", PASSWORDS["ada"])


ODD = ["*", "tier*", "tier2)(uid=*", "*)(|(uid=*", "nobody)(|(cn=ada)", "\\2a", "a,cn=b"]


@pytest.mark.parametrize("odd", ODD)
def test_a_name_is_never_part_of_the_filter(cast: Cast, odd: str) -> None:
    link(cast.netowner, odd)
    for password in PASSWORDS.values():
        assert not lets_in("netowner", password)
        assert not lets_in(odd, password)


def test_of_two_entries_with_one_name_neither_counts(cast: Cast) -> None:
    link(cast.netowner, "twin")
    assert not lets_in("netowner", TWINS)


@pytest.mark.parametrize("is_linked", [True, False])
def test_a_directory_that_does_not_answer_says_so_to_everybody_alike(
    settings: Any, caplog: pytest.LogCaptureFixture, is_linked: bool
) -> None:
    settings.LDAP_URI = "ldap://127.0.0.1:1"
    name = "tier2" if is_linked else "grace"
    page = Client().post("/accounts/login/", {"login": name, "password": "Typed-by-somebody"})
    assert b"The directory cannot be asked" in page.content
    assert "SERVER_DOWN" in caplog.text
    assert not {"Typed-by-somebody", SERVICE_PASSWORD} & set(caplog.text.split())
    assert failures() == 1
    assert lets_in("analyst", HERE), "who has a password here does not need it"


def test_a_wrong_password_of_the_service_is_an_error_for_the_administrator(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LDAP_BIND_PASSWORD = "Wrong-of-the-service"
    assert not lets_in("tier2", PASSWORDS["tier2"])
    assert "INVALID_CREDENTIALS" in caplog.text
    assert "Wrong-of-the-service" not in caplog.text
    assert PASSWORDS["tier2"] not in caplog.text


@pytest.mark.parametrize("is_tls", [True, False])
def test_over_a_line_that_nobody_else_reads(settings: Any, directory: Slapd, is_tls: bool) -> None:
    settings.LDAP_URI = directory.tls_uri if is_tls else directory.uri
    settings.LDAP_STARTS_TLS = not is_tls
    settings.LDAP_CA_FILE = str(directory.certificate)
    assert lets_in("tier2", PASSWORDS["tier2"])


@pytest.mark.parametrize("is_tls", [True, False])
def test_a_directory_for_which_nobody_vouches_is_told_nothing(
    settings: Any, directory: Slapd, tmp_path: Path, caplog: pytest.LogCaptureFixture, is_tls: bool
) -> None:
    settings.LDAP_URI = directory.tls_uri if is_tls else directory.uri
    settings.LDAP_STARTS_TLS = not is_tls
    settings.LDAP_CA_FILE = str(slapd.certify(tmp_path))
    with caplog.at_level(logging.ERROR):
        assert not lets_in("tier2", PASSWORDS["tier2"])
    assert "The directory cannot be asked" in caplog.text


def test_it_is_no_proof_of_a_second_factor_and_no_way_to_a_password_here(cast: Cast) -> None:
    assert factors.paths_of(cast.tier2) == ()
    browser = sign_in("tier2", PASSWORDS["tier2"])
    form = {"oldpassword": PASSWORDS["tier2"], "password1": "Another-one-9", "password2": "Another-one-9"}
    browser.post("/accounts/password/", form)
    cast.tier2.refresh_from_db()
    assert not cast.tier2.has_usable_password()
    assert "tier2" in browser.get("/keys/").content.decode()


def test_before_a_change_of_how_one_signs_in_one_signs_in_again(cast: Cast) -> None:
    browser = sign_in("tier2", PASSWORDS["tier2"])
    assert browser.get("/accounts/passkeys/add/").status_code == 200
    session = browser.session
    for each in session["account_authentication_methods"]:
        each["at"] -= 301
    session.save()
    page = browser.get("/accounts/passkeys/add/")
    assert (page.status_code, b"sign out, and in again" in page.content) == (401, True)
