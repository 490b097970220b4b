"""People, roles and tokens: given and taken by name, recorded, and never kept in clear."""

from __future__ import annotations

import hashlib
import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from playbooks import access
from playbooks.audit import reading
from playbooks.domain.roles import ROLES
from playbooks.domain.verbs import Verb
from playbooks.models import Membership, Token
from playbooks.models.audit import AuditBody
from playbooks.operations import people
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid, Missing
from tests.cast import Cast


def recorded() -> str:
    return "\n".join(bytes(row.body).decode() for row in AuditBody.objects.order_by("entry"))


def test_a_username_is_given_once(cast: Cast) -> None:
    with pytest.raises(Invalid) as error:
        people.create("analyst", actor=SYSTEM, name="Another", password="only-for-tests")
    assert error.value.errors[0][0] == "/username"


def test_a_person_whose_role_is_unknown_is_not_made(cast: Cast) -> None:
    with pytest.raises(Missing):
        people.create("new", actor=SYSTEM, name="New", password="only-for-tests", roles=["emperor"])
    assert not Membership.objects.filter(principal__username="new").exists()
    assert people.create("new", actor=SYSTEM, name="New", password="only-for-tests").username == "new"


def test_a_role_is_held_once_and_keeps_who_gave_it(cast: Cast) -> None:
    people.grant(cast.outsider, "tier-2", actor=SYSTEM, granted_by=cast.admin)
    people.grant(cast.outsider, "tier-2", actor=SYSTEM, granted_by=cast.tier2)
    held = Membership.objects.get(principal=cast.outsider)
    assert held.granted_by == cast.admin


def test_a_role_that_is_not_held_cannot_be_taken(cast: Cast) -> None:
    with pytest.raises(Missing):
        people.revoke(cast.outsider, "tier-2", actor=SYSTEM)


def test_a_deactivated_person_may_nothing_and_holds_nothing(cast: Cast) -> None:
    people.deactivate(cast.tier2, actor=SYSTEM)
    cast.tier2.refresh_from_db()
    assert access.permissions_of(cast.tier2) == frozenset()
    assert access.roles_of([cast.tier2.pk]) == {cast.tier2.pk: frozenset()}
    assert not access.may(cast.tier2, "see_run")


def test_a_superuser_has_the_permissions_of_the_roles_and_no_others(cast: Cast) -> None:
    assert cast.admin.is_superuser
    assert access.permissions_of(cast.admin) == ROLES["administrator"].permissions
    people.revoke(cast.admin, "administrator", actor=SYSTEM)
    assert access.permissions_of(cast.admin) == frozenset()
    assert not access.may(cast.admin, "start_run")


def test_no_role_permits_to_approve_and_the_administrator_runs_nothing() -> None:
    assert not [codename for role in ROLES.values() for codename in role.permissions if "approve" in codename]
    assert "start_run" not in ROLES["administrator"].permissions
    writing = {"start_run", "write_playbook", "publish_playbook", "manage_people", "manage_connection"}
    assert not ROLES["compliance-officer"].permissions & writing


def test_a_token_is_told_once_and_kept_as_its_digest(cast: Cast) -> None:
    text = people.issue_token(cast.analyst, actor=SYSTEM, scopes=["runs", "read"])
    token = Token.objects.get()
    assert token.digest == hashlib.sha256(text.encode()).hexdigest()
    assert (token.scopes, token.prefix) == (["read", "runs"], text[:10])
    assert text not in recorded()
    assert token.expires_at is not None


@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "approve"], ["decide"]])
def test_a_token_has_known_scopes_and_none_to_decide(cast: Cast, scopes: list[str]) -> None:
    with pytest.raises(Invalid):
        people.issue_token(cast.tier2, actor=SYSTEM, scopes=scopes)
    assert not Token.objects.exists()


def test_a_password_is_nowhere_in_the_log(cast: Cast) -> None:
    people.create("new", actor=SYSTEM, name="New", password="a-most-secret-word")
    assert "a-most-secret-word" not in recorded()


def test_a_password_that_is_taken_away_opens_nothing_and_ends_what_it_opened(cast: Cast) -> None:
    browser = Client()
    browser.force_login(cast.tier2)
    assert browser.get("/").status_code == 200
    call_command("person", "tier2", no_password=True, stdout=StringIO())
    cast.tier2.refresh_from_db()
    assert not cast.tier2.has_usable_password()
    assert browser.get("/").status_code == 302
    assert cast.tier2.is_active
    entry = reading.entries(verb=Verb.PASSWORD_CHANGED).get()
    assert entry.subject_id == str(cast.tier2.pk)


def test_every_grant_and_loss_of_a_role_is_recorded(cast: Cast) -> None:
    people.grant(cast.outsider, "tier-2", actor=SYSTEM, granted_by=None)
    people.revoke(cast.outsider, "tier-2", actor=SYSTEM)
    people.deactivate(cast.outsider, actor=SYSTEM)
    entries = [json.loads(line) for line in recorded().splitlines()]
    mine = [each["verb"] for each in entries if each["subject"]["id"] == str(cast.outsider.pk)]
    assert mine == ["person.created", "role.granted", "role.revoked", "person.changed"]


def test_an_administrator_takes_roles_and_access_away_from_the_command_line(cast: Cast) -> None:
    said = StringIO()
    call_command("person", "tier2", role=["analyst"], take=["tier-2"], stdout=said)
    assert said.getvalue() == "Tier2 has the roles analyst.\n"
    call_command("person", "tier2", deactivate=True, stdout=said)
    cast.tier2.refresh_from_db()
    assert not cast.tier2.is_active
    assert "Tier2 is deactivated" in said.getvalue()
    for options in ({"take": ["tier-2"]}, {"deactivate": True}):
        with pytest.raises(CommandError, match=r"does not hold|nobody called"):
            call_command("person", "tier2" if "take" in options else "nobody", **options)
