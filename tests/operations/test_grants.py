"""Rights on one object: they open that object and nothing else, end at their moment, and leave nothing behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db.models import Model
from django.utils import timezone

from playbooks import access
from playbooks.access.grants import GRANTS
from playbooks.domain.roles import PERMISSIONS as KNOWN
from playbooks.domain.verbs import Verb
from playbooks.models import Case, Connection, Playbook, Source
from playbooks.operations import cases, grants, identities, people, roles, teams
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.grants import PERMISSIONS, To
from playbooks.operations.objects import KINDS
from playbooks.operations.refusals import Hidden, Invalid, Missing, Refused
from tests.cast import Cast, connect, publish
from tests.models.rows import Rows, make_rows
from tests.proving import proven
from tests.teams import case_of_nobody, make_person, make_teams, named_in_log

WHY = "Helps out this week."


def give_case(cast: Cast, case: Case, to: To, permission: str = "see_case", **more: object) -> grants.Grant:
    return grants.give(
        "case",
        str(case.pk),
        caller=proven(cast.caller("admin")),
        to=to,
        permission=permission,
        reason=WHY,
        **more,
    )


def sees(person: object, case: Case) -> bool:
    return access.may(person, "see_case", on=case)  # type: ignore[arg-type]


def test_a_grant_opens_one_object_to_somebody_without_a_role(cast: Cast) -> None:
    mine, other = case_of_nobody(), case_of_nobody()
    give_case(cast, mine, To(person="outsider"))
    assert list(access.visible(cast.outsider, "see_case", Case.objects.all())) == [mine]
    assert not access.may(cast.outsider, "see_case")
    assert not access.may(cast.outsider, "work_case", on=mine)
    assert not sees(cast.outsider, other)


def test_a_grant_to_a_role_is_its_holders_as_long_as_they_hold_it(cast: Cast) -> None:
    make_teams(cast)
    case = case_of_nobody()
    teams.assign("case", str(case.pk), caller=cast.caller("analyst"), team="red")
    give_case(cast, case, To(role="network-owner"))
    assert sees(cast.netowner, case)
    assert not sees(cast.tier2, case)
    roles.take("netowner", "network-owner", caller=cast.caller("admin"))
    assert not sees(cast.netowner, case)


def test_what_is_given_is_done_with_it(cast: Cast) -> None:
    case = case_of_nobody()
    outsider = cast.caller("outsider")
    with pytest.raises(Refused) as refused:
        cases.close(case.pk, caller=outsider, resolution="Done.")
    assert refused.value.rule == "no_permission"
    give_case(cast, case, To(person="outsider"), "work_case")
    other = case_of_nobody()
    with pytest.raises(Hidden):
        cases.close(other.pk, caller=outsider, resolution="Done.")
    assert cases.close(case.pk, caller=outsider, resolution="Done.").status == "closed"


def test_a_grant_stops_at_its_moment(cast: Cast) -> None:
    case, until = case_of_nobody(), timezone.now() + timedelta(hours=1)
    give_case(cast, case, To(person="outsider"), until=until)
    with time_machine.travel(until - timedelta(microseconds=1), tick=False):
        assert sees(cast.outsider, case)
    with time_machine.travel(until, tick=False):
        assert not sees(cast.outsider, case)


def test_what_has_stopped_is_given_again(cast: Cast) -> None:
    case, over = case_of_nobody(), timezone.now() - timedelta(seconds=1)
    give_case(cast, case, To(person="outsider"), until=timezone.now() + timedelta(hours=1))
    table = GRANTS[Case].to_person
    table.history.update(expires_at=over)
    again = give_case(cast, case, To(person="outsider"))
    assert sees(cast.outsider, case)
    first = table.history.exclude(pk=again.pk).get()
    assert (first.ended_at, first.ended_by) == (over, None)


def test_a_grant_that_is_taken_stays_in_the_history(cast: Cast) -> None:
    case = case_of_nobody()
    give_case(cast, case, To(person="outsider"))
    admin = cast.caller("admin")
    grants.take("case", str(case.pk), caller=admin, to=To(person="outsider"), permission="see_case")
    assert not sees(cast.outsider, case)
    row = GRANTS[Case].to_person.history.get()
    assert (row.granted_by, row.reason, row.ended_by) == (cast.admin, WHY, cast.admin)
    with pytest.raises(Missing):
        grants.take("case", str(case.pk), caller=admin, to=To(person="outsider"), permission="see_case")
    (given,), (taken,) = named_in_log(Verb.GRANT_GIVEN), named_in_log(Verb.GRANT_TAKEN)
    assert (given["to"], given["permission"], given["reason"]) == ("Outsider", "see_case", WHY)
    assert taken["to_id"] == str(cast.outsider.pk)


def test_what_was_given_is_not_given_twice(cast: Cast) -> None:
    case = case_of_nobody()
    assert give_case(cast, case, To(person="outsider")) == give_case(cast, case, To(person="outsider"))
    assert len(named_in_log(Verb.GRANT_GIVEN)) == 1
    until = timezone.now() + timedelta(days=1)
    give_case(cast, case, To(person="outsider"), until=until)
    assert GRANTS[Case].to_person.objects.get().expires_at == until


def test_case_24_nobody_gives_themselves_a_right(cast: Cast) -> None:
    case = case_of_nobody()
    for to in (To(person="admin"), To(role="administrator")):
        with pytest.raises(Refused) as refused:
            give_case(cast, case, to, "work_case")
        assert refused.value.rule == "grantor_is_beneficiary"
    assert not GRANTS[Case].to_person.history.exists()


def test_case_13_nobody_gives_a_right_to_their_other_account(cast: Cast) -> None:
    identities.link(make_person("second"), cast.admin, caller=None)
    for tried in (
        lambda: give_case(cast, case_of_nobody(), To(person="second")),
        lambda: roles.give("second", "tier-2", caller=cast.caller("admin")),
    ):
        with pytest.raises(Refused) as refused:
            tried()
        assert refused.value.rule == "grantor_is_beneficiary"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"permission": "see_run"}, Invalid),
        ({"permission": "decide_request"}, Invalid),
        ({"to": To()}, Invalid),
        ({"to": To(person="outsider", role="analyst")}, Invalid),
        ({"to": To(person="nobody")}, Missing),
        ({"to": To(role="emperor")}, Missing),
        ({"reason": " "}, Invalid),
        ({"until": timezone.now() - timedelta(seconds=1)}, Invalid),
        ({"kind": "weather"}, Invalid),
        ({"key": "0190a0a0-0000-7000-8000-000000000000"}, Missing),
        ({"key": "not an id"}, Missing),
    ],
)
def test_what_cannot_be_given_is_pointed_at(
    cast: Cast, change: dict[str, object], error: type[Exception]
) -> None:
    call: dict[str, object] = {
        "kind": "case",
        "key": str(case_of_nobody().pk),
        "to": To(person="outsider"),
        "permission": "see_case",
        "reason": WHY,
        **change,
    }
    with pytest.raises(error):
        grants.give(caller=proven(cast.caller("admin")), **call)  # type: ignore[arg-type]
    assert not GRANTS[Case].to_person.history.exists()


@pytest.mark.parametrize("who", ["author", "compliance", "netowner"])
def test_only_who_manages_people_or_works_on_the_case_gives(cast: Cast, who: str) -> None:
    case = case_of_nobody()
    to = To(person="outsider")
    with pytest.raises(Refused):
        grants.give("case", str(case.pk), caller=cast.caller(who), to=to, permission="see_case", reason=WHY)
    grants.give(
        "case", str(case.pk), caller=proven(cast.caller("analyst")), to=to, permission="see_case", reason=WHY
    )
    publish(cast)
    with pytest.raises(Refused):
        grants.give(
            "playbook",
            "block-attacker",
            caller=cast.caller("analyst"),
            to=to,
            permission="see_playbook",
            reason=WHY,
        )


def test_nobody_gives_what_they_may_not_know_of(cast: Cast) -> None:
    sides = make_teams(cast)
    case = case_of_nobody()
    teams.assign("case", str(case.pk), caller=cast.caller("analyst"), team="blue")
    with pytest.raises(Hidden):
        grants.give(
            "case",
            str(case.pk),
            caller=Caller(sides.rita),
            to=To(person="outsider"),
            permission="see_case",
            reason=WHY,
        )


def test_every_kind_of_object_can_be_opened_by_a_grant(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    people.create_source("siem", kind="normal", actor=SYSTEM)
    keys = {
        "case": str(case_of_nobody().pk),
        "playbook": "block-attacker",
        "connection": "edge-firewall",
        "source": "siem",
    }
    for kind, key in keys.items():
        model = KINDS[kind]
        for permission in PERMISSIONS[model]:
            assert not access.visible(cast.outsider, permission, model._default_manager.all()).exists()
            grants.give(
                kind,
                key,
                caller=proven(cast.caller("admin")),
                to=To(person="outsider"),
                permission=permission,
                reason=WHY,
            )
            assert access.visible(cast.outsider, permission, model._default_manager.all()).count() == 1


def test_every_permission_that_can_be_given_exists_and_none_is_to_decide() -> None:
    given = {each for some in PERMISSIONS.values() for each in some}
    assert given <= KNOWN
    assert not [each for each in given if "approv" in each or "decide" in each or "request" in each]


@pytest.mark.parametrize("model", GRANTS, ids=lambda each: each.__name__)
def test_no_grant_outlives_its_object(db: None, model: type[Model]) -> None:
    rows: Rows = make_rows()
    tables = GRANTS[model]
    assert tables.to_person.history.count() == tables.to_role.history.count() == 1
    spare = {
        Case: case_of_nobody,
        Playbook: lambda: Playbook.objects.create(slug="p", title="P", created_at=timezone.now()),
        Connection: lambda: Connection.objects.create(
            name="c", connector="http", created_at=timezone.now(), changed_at=timezone.now()
        ),
        Source: lambda: Source.objects.create(slug="s", kind="normal", created_at=timezone.now()),
    }[model]()
    for table in (tables.to_person, tables.to_role):
        grant = table.history.get()
        grant.pk, grant.content_object = None, spare
        grant.save(force_insert=True)
    spare.delete()
    for table in (tables.to_person, tables.to_role):
        assert table.history.get().content_object == rows[model]


def test_what_a_stranger_holds_opens_nothing_once_they_are_deactivated(cast: Cast) -> None:
    case = case_of_nobody()
    ghost = make_person("ghost", "analyst")
    give_case(cast, case, To(person="ghost"))
    people.deactivate(ghost, actor=SYSTEM)
    assert not sees(ghost, case)  # the row in memory says that they are active still
