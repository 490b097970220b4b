"""Teams and roles on the screen: who has what since when and through whom, given and taken with one more question."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from playbooks import access
from playbooks.models import Case, Team, TeamMembership
from playbooks.operations import grants, roles, teams
from playbooks.operations.grants import To
from tests.cast import Cast
from tests.proving import proven, proven_in
from tests.teams import case_of_nobody, make_person, make_teams
from tests.web.conftest import Look, World

CHANGE = "access-change"


def ask(browser: Client, do: str, **form: object) -> object:
    return browser.post(reverse(CHANGE), {"do": do, **form})


def confirm(browser: Client, do: str, **form: object) -> object:
    return browser.post(reverse(CHANGE), {"do": do, "confirmed": "yes", **form}, follow=True)


def text_of(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined]


def test_a_persons_page_says_what_they_have_since_when_and_through_whom(cast: Cast, look: Look) -> None:
    make_teams(cast)
    admin = proven(cast.caller("admin"))
    roles.give("outsider", "tier-2", caller=admin)
    roles.take("outsider", "tier-2", caller=admin)
    roles.give("outsider", "author", caller=admin)
    teams.add("blue", "outsider", caller=admin)
    case = case_of_nobody("A leak")
    to = To(person="outsider")
    grants.give("case", str(case.pk), caller=admin, to=to, permission="see_case", reason="Knows the host.")
    text = text_of(look("tier2").get(reverse("access-person", args=["outsider"])))
    for said in ("Playbook author", "Blue team", "by Admin", "A leak", "Knows the host.", "Before", "Tier 2"):
        assert said in text
    assert "Take…" not in text  # tier 2 looks, and changes nothing


def test_giving_a_role_asks_once_more_and_then_does_it(cast: Cast, look: Look) -> None:
    browser = proven_in(look("admin"), cast.admin)
    asked = ask(browser, "give-role", person="outsider", role="tier-2")
    assert "Give outsider the role tier-2?" in text_of(asked)
    assert access.roles_of([cast.outsider.pk])[cast.outsider.pk] == frozenset()
    done = confirm(browser, "give-role", person="outsider", role="tier-2")
    assert "outsider has the role tier-2." in text_of(done)
    assert access.roles_of([cast.outsider.pk])[cast.outsider.pk] == {"tier-2"}


def test_what_nobody_can_grant_any_more_is_named(world: World, look: Look) -> None:
    done = confirm(look("admin"), "take-role", person="netowner", role="network-owner")
    assert "Nobody can grant this any more" in text_of(done)
    assert world.request.question in text_of(done)


def test_a_refusal_stands_on_the_page_and_changes_nothing(cast: Cast, look: Look) -> None:
    answer = look("admin").post(
        reverse(CHANGE), {"do": "give-role", "confirmed": "yes", "person": "admin", "role": "tier-2"}
    )
    assert answer.status_code == 403
    assert "grantor_is_beneficiary" in answer.content.decode()
    assert "tier-2" not in access.roles_of([cast.admin.pk])[cast.admin.pk]


def test_a_team_is_made_filled_renamed_and_ended(cast: Cast, look: Look) -> None:
    browser = proven_in(look("admin"), cast.admin)
    assert text_of(browser.get(reverse("access-teams"))).count("No teams") == 1
    confirm(browser, "make-team", team="blue", name="Blue team")
    confirm(browser, "join-team", team="blue", person="tier2")
    confirm(browser, "rename-team", team="blue", name="Night shift")
    text = text_of(browser.get(reverse("access-team", args=["blue"])))
    assert "Night shift" in text
    assert "Tier2" in text
    confirm(browser, "leave-team", team="blue", person="tier2")
    assert not TeamMembership.objects.exists()
    confirm(browser, "end-team", team="blue")
    assert Team.objects.get().ended_at is not None


def test_a_role_of_ones_own_is_made_changed_and_ended(cast: Cast, look: Look) -> None:
    browser = proven_in(look("admin"), cast.admin)
    confirm(browser, "make-role", role="watch", name="Watch", permissions=["see_run", "see_case"])
    confirm(browser, "give-role", role="watch", person="outsider")
    assert access.permissions_of(cast.outsider) == {"see_run", "see_case"}
    confirm(browser, "change-role", role="watch", name="Watch", permissions=["see_run"])
    assert access.permissions_of(cast.outsider) == {"see_run"}
    confirm(browser, "end-role", role="watch")
    assert access.permissions_of(cast.outsider) == frozenset()


def test_a_right_is_given_with_its_reason_and_its_end_and_taken(cast: Cast, look: Look) -> None:
    case, browser = case_of_nobody(), proven_in(look("admin"), cast.admin)
    form = {"kind": "case", "key": str(case.pk), "permission": "see_case", "person": "outsider", "role": ""}
    given = {**form, "reason": "Knows the host.", "until": "2099-01-01T12:00"}
    assert "Knows the host." in text_of(ask(browser, "give-right", **given))
    confirm(browser, "give-right", **given)
    assert access.may(cast.outsider, "see_case", on=case)
    assert "1 Jan 12:00" in text_of(browser.get(reverse("access-rights")))
    confirm(browser, "take-right", **form)
    assert not access.may(cast.outsider, "see_case", on=case)


@pytest.mark.parametrize("who", ["tier2", "compliance", "outsider"])
def test_who_does_not_manage_people_changes_nothing(cast: Cast, look: Look, who: str) -> None:
    browser = look(who)
    for do in ("give-role", "make-team", "end-team", "deactivate", "assign"):
        form = {"person": "outsider", "role": "tier-2", "team": "blue", "name": "Blue", "do": do}
        assert browser.post(reverse(CHANGE), {**form, "confirmed": "yes"}).status_code == 403
    assert not Team.objects.exists()
    assert access.roles_of([cast.outsider.pk])[cast.outsider.pk] == frozenset()


def test_rights_on_what_is_not_within_reach_are_not_listed(cast: Cast, look: Look) -> None:
    make_teams(cast)
    case = case_of_nobody("A secret matter")
    to = To(person="outsider")
    admin = proven(cast.caller("admin"))
    grants.give("case", str(case.pk), caller=admin, to=to, permission="see_case", reason="Helps.")
    teams.assign("case", str(case.pk), caller=cast.caller("analyst"), team="red")
    for address in (reverse("access-rights"), reverse("access-person", args=["outsider"])):
        assert "A secret matter" not in text_of(look("tier2").get(address))
        assert "A secret matter" in text_of(look("compliance").get(address))


def cost(browser: Client, address: str) -> int:
    """The lesser of two looks: once a minute, one of them writes down that the session was used."""
    return min(_cost(browser, address), _cost(browser, address))


def _cost(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200, address
    return len(queries)


def test_the_pages_cost_the_same_for_three_and_for_many(cast: Cast, look: Look) -> None:
    make_teams(cast)
    browser = look("admin")
    addresses = [
        *(reverse(name) for name in ("access", "access-roles", "access-teams", "access-rights")),
        reverse("access-team", args=["blue"]),
        reverse("access-role", args=["tier-2"]),
        reverse("access-person", args=["tier2"]),
    ]
    to = To(person="tier2")
    few = {address: cost(browser, address) for address in addresses}
    admin = proven(cast.caller("admin"))
    for number in range(20):
        make_person(f"p{number}", "tier-2")
        teams.create(f"t{number}", caller=admin, name=f"T {number}")
        teams.add("blue", f"p{number}", caller=admin)
        case = Case.objects.get(pk=case_of_nobody().pk)
        grants.give("case", str(case.pk), caller=admin, to=to, permission="see_case", reason="Helps.")
    assert {address: cost(browser, address) for address in addresses} == few
