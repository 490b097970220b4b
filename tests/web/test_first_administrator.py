"""A new installation gets its first administrator by a link that works once, and never by a default password."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from playbooks import access
from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import FirstAdministratorLink, Principal
from playbooks.operations import first_administrator, people
from playbooks.operations.caller import SYSTEM

FORM = {"username": "ada", "name": "Ada Novak", "password": "seven-tall-ships"}


def link() -> str:
    """The path of the link that the command prints."""
    printed = StringIO()
    call_command("first_administrator", stdout=printed)
    found = re.search(r"http://localhost:\d+(/first-administrator/\S+/)", printed.getvalue())
    assert found is not None, printed.getvalue()
    return found[1]


def accept(path: str, browser: Client | None = None, **change: str) -> int:
    return (browser or Client()).post(path, {**FORM, **change}).status_code


@pytest.mark.django_db
def test_the_link_makes_an_administrator_who_is_signed_in_and_may_approve_nothing() -> None:
    browser, path = Client(), link()
    assert b"The first administrator" in browser.get(path).content
    assert accept(path, browser) == 302
    ada = Principal.objects.get()
    assert browser.get(reverse("keys")).wsgi_request.user == ada
    assert access.roles_of([ada.pk])[ada.pk] == {"administrator"}
    assert not ada.is_superuser
    assert ada.check_password(FORM["password"])


@pytest.mark.django_db
def test_it_works_once() -> None:
    path = link()
    assert accept(path) == 302
    for answer in (Client().get(path), Client().post(path, {**FORM, "username": "eve"})):
        assert answer.status_code == 404
        assert b"The first administrator is there already" in answer.content
    assert Principal.objects.get().username == "ada"
    assert not FirstAdministratorLink.objects.exists()


@pytest.mark.django_db
def test_a_newer_link_stops_the_one_before() -> None:
    old, new = link(), link()
    assert accept(old) == 404
    assert accept(new) == 302


@pytest.mark.django_db
def test_it_expires() -> None:
    path = link()
    FirstAdministratorLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert accept(path) == 404
    assert not Principal.objects.exists()


@pytest.mark.django_db
def test_a_guess_and_a_mistyped_form_leave_the_link_in_force() -> None:
    path = link()
    assert accept("/first-administrator/guess/") == 404
    for change in (
        {"password": "short"},
        {"username": "not a name"},
        {"name": ""},
        {"password": "password1234"},
    ):
        assert accept(path, **change) == 200
    assert not Principal.objects.exists()
    assert accept(path) == 302


@pytest.mark.django_db
@pytest.mark.parametrize("is_active", [True, False])
def test_there_is_no_link_once_somebody_exists_and_the_one_before_stops(is_active: bool) -> None:
    path = link()
    somebody = people.create("eve", actor=SYSTEM, name="Eve", password="only-for-tests")
    if not is_active:
        people.deactivate(somebody, actor=SYSTEM)
    assert accept(path) == 404
    with pytest.raises(CommandError, match="There is somebody already"):
        call_command("first_administrator")


@pytest.mark.django_db
def test_only_its_digest_is_kept_and_all_of_it_is_in_the_log() -> None:
    path = link()
    secret = path.split("/")[2]
    accept("/first-administrator/guess/")
    accept(path)
    row_and_log = [str(FirstAdministratorLink.objects.values().first())]
    for verb in (
        Verb.SETUP_OFFERED,
        Verb.SETUP_REFUSED,
        Verb.SETUP_DONE,
        Verb.PERSON_CREATED,
        Verb.ROLE_GRANTED,
    ):
        entry = reading.entries(verb=verb).get()
        row_and_log += [str(reading.body_of(entry.pk))]
    assert secret not in "".join(row_and_log)
    created = reading.body_of(reading.entries(verb=Verb.PERSON_CREATED).get().pk)
    assert created is not None
    assert created.actor_id == "one-time-link"


@pytest.mark.django_db
def test_the_sign_in_says_where_the_link_is_until_somebody_exists() -> None:
    assert b"manage.py first_administrator" in Client().get("/accounts/login/").content
    accept(link())
    assert b"manage.py first_administrator" not in Client().get("/accounts/login/").content


@pytest.mark.django_db
def test_it_is_asked_for_again_inside_the_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two have the same form open: the page let both through, the operation lets one."""
    path = link()
    monkeypatch.setattr(first_administrator, "is_in_force", lambda _secret: True)
    assert accept(path) == 302
    assert accept(path, username="eve") == 404
    assert Principal.objects.get().username == "ada"
