"""Roles: who gave them, what is blocked when they go, and those of an installation's own."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from playbooks import access, executor
from playbooks.access.history import COOLING, grantors_of
from playbooks.domain.roles import PERMISSIONS, ROLES
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Membership, Principal
from playbooks.operations import people, roles
from playbooks.operations.approvals import decide
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Invalid, Missing, Refused
from tests.api.callers import at_the_gate
from tests.cast import Cast
from tests.proving import proven
from tests.teams import make_person, named_in_log


def approve(request: ApprovalRequest, person: Principal) -> None:
    decide(request.pk, caller=Caller(person), verdict=Verdict.APPROVE, shown_digest=request.digest)


def refused(request: ApprovalRequest, person: Principal) -> str:
    with pytest.raises(Refused) as error:
        approve(request, person)
    assert not request.decisions.filter(person=person).exists()
    return error.value.rule


def directory_gives(person: Principal, role: str) -> None:
    with transaction.atomic():
        people.grant_within(
            person, role, actor=SYSTEM, granted_by=None, now=timezone.now(), is_of_directory=True
        )


def test_nobody_gives_themselves_a_role(cast: Cast) -> None:
    with pytest.raises(Refused) as error:
        roles.give("admin", "tier-2", caller=proven(cast.caller("admin")))
    assert error.value.rule == "grantor_is_beneficiary"
    assert "tier-2" not in access.roles_of([cast.admin.pk])[cast.admin.pk]


def test_who_held_a_role_since_when_and_through_whom_stays(cast: Cast) -> None:
    admin = proven(cast.caller("admin"))
    roles.give("outsider", "tier-2", caller=admin)
    roles.give("outsider", "tier-2", caller=admin)
    assert roles.take("outsider", "tier-2", caller=admin) == ()
    row = Membership.history.get(principal=cast.outsider)
    assert (row.granted_by, row.ended_by) == (cast.admin, cast.admin)
    assert access.permissions_of(cast.outsider) == frozenset()
    assert access.roles_of([cast.outsider.pk]) == {cast.outsider.pk: frozenset()}
    roles.give("outsider", "tier-2", caller=admin)
    assert access.roles_of([cast.outsider.pk]) == {cast.outsider.pk: frozenset({"tier-2"})}
    with pytest.raises(Missing):
        roles.take("outsider", "author", caller=admin)


@pytest.mark.parametrize("who", ["analyst", "compliance", "outsider"])
def test_roles_are_given_by_those_who_manage_people(cast: Cast, who: str) -> None:
    caller = cast.caller(who)
    for tried in (
        lambda: roles.give("outsider", "tier-2", caller=caller),
        lambda: roles.take("tier2", "tier-2", caller=caller),
        lambda: roles.deactivate("tier2", caller=caller),
        lambda: roles.create("night", caller=caller, title="Night", permissions=[]),
    ):
        with pytest.raises(Refused):
            tried()
    assert not Membership.history.filter(ended_at__isnull=False).exists()


def test_case_28_taking_the_last_approver_away_blocks_and_never_satisfies(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    approve(request, cast.tier2)
    admin = proven(cast.caller("admin"))
    (blocked,) = roles.take("netowner", "network-owner", caller=admin)
    assert blocked.request == request.pk
    make_person("spare", "network-owner")
    (blocked,) = roles.deactivate("spare", caller=admin)
    assert blocked.request == request.pk
    executor.drive(run.pk, worker="test")
    request.refresh_from_db()
    assert request.status == RequestStatus.OPEN
    assert not run.steps.filter(key="block", status="succeeded").exists()


def test_nothing_is_said_to_be_blocked_while_somebody_is_left(cast: Cast) -> None:
    at_the_gate(cast)
    make_person("spare", "network-owner")
    assert roles.take("netowner", "network-owner", caller=cast.caller("admin")) == ()


def test_who_asked_does_not_count_as_somebody_who_is_left(cast: Cast) -> None:
    people.grant(cast.analyst, "network-owner", actor=SYSTEM, granted_by=None)
    _, request = at_the_gate(cast)
    (blocked,) = roles.take("netowner", "network-owner", caller=cast.caller("admin"))
    assert blocked.request == request.pk


def test_case_23_whom_the_requester_made_an_approver_does_not_count_today(cast: Cast) -> None:
    people.grant(cast.analyst, "administrator", actor=SYSTEM, granted_by=None)
    _, request = at_the_gate(cast)
    friend = make_person("friend")
    roles.give("friend", "tier-2", caller=proven(cast.caller("analyst")))
    assert refused(request, friend) == "own_grant"


def test_case_23_neither_does_whom_they_had_made_an_approver_by_another(cast: Cast) -> None:
    """The analyst makes a friend an administrator, who makes a third person an approver."""
    people.grant(cast.analyst, "administrator", actor=SYSTEM, granted_by=None)
    _, request = at_the_gate(cast)
    friend, third = make_person("friend"), make_person("third")
    roles.give("friend", "administrator", caller=proven(cast.caller("analyst")))
    roles.give("third", "tier-2", caller=proven(Caller(friend, session="theirs")))
    assert refused(request, third) == "own_grant"


def test_nobody_decides_with_a_right_that_whom_they_made_administrator_gave_them(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    friend = make_person("friend")
    roles.give("friend", "administrator", caller=proven(cast.caller("admin")))
    roles.give("admin", "tier-2", caller=proven(Caller(friend, session="theirs")))
    assert refused(request, cast.admin) == "own_grant"


def test_what_somebody_without_a_hand_in_it_gave_counts_at_once(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    fresh = make_person("fresh")
    roles.give("fresh", "tier-2", caller=proven(cast.caller("admin")))
    approve(request, fresh)
    assert request.decisions.get().person == fresh


def test_case_27_what_a_directory_gave_counts_on_the_next_day(cast: Cast) -> None:
    _, request = at_the_gate(cast)
    late = make_person("late")
    directory_gives(late, "tier-2")
    assert access.roles_of([late.pk])[late.pk] == {"tier-2"}
    assert refused(request, late) == "own_grant"
    since = timezone.now() + timedelta(seconds=1)
    assert grantors_of({late.pk: frozenset({"tier-2"})}, since) == {late.pk: {}}


def test_the_chain_of_givers_is_read_in_a_bounded_number_of_queries(
    cast: Cast, django_assert_num_queries: object
) -> None:
    friend, third = make_person("friend"), make_person("third")
    roles.give("friend", "administrator", caller=proven(cast.caller("admin")))
    roles.give("third", "tier-2", caller=proven(Caller(friend, session="theirs")))
    since = timezone.now() - COOLING
    with django_assert_num_queries(2):  # type: ignore[operator]
        chain = grantors_of({third.pk: frozenset({"tier-2", "analyst"})}, since)[third.pk]
    assert chain == {"tier-2": frozenset({str(friend.pk), str(cast.admin.pk)})}
    with django_assert_num_queries(1):  # type: ignore[operator]
        nobody = {cast.outsider.pk: frozenset({"tier-2"})}
        assert grantors_of(nobody, since) == {cast.outsider.pk: {}}
    with time_machine.travel(timezone.now() + COOLING):
        held = {third.pk: frozenset({"tier-2"})}
        assert grantors_of(held, timezone.now() - COOLING) == {third.pk: {}}


def test_case_29_a_role_that_is_taken_between_approval_and_run_no_longer_counts(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    approve(request, cast.tier2)
    approve(request, cast.netowner)
    roles.take("tier2", "tier-2", caller=cast.caller("admin"))
    executor.drive(run.pk, worker="test")
    assert not run.steps.filter(key="block", status="succeeded").exists()
    request.refresh_from_db()
    assert request.status != RequestStatus.CONSUMED


def test_a_role_of_ones_own_permits_what_it_says_and_is_a_seat_by_its_slug(cast: Cast) -> None:
    admin = proven(cast.caller("admin"))
    made = roles.create("night-watch", caller=admin, title="Night watch", permissions=["see_run", "see_case"])
    assert (
        roles.create("night-watch", caller=admin, title="Night watch", permissions=["see_case", "see_run"])
        == made
    )
    roles.give("outsider", "night-watch", caller=admin)
    assert access.permissions_of(cast.outsider) == {"see_run", "see_case"}
    roles.change("night-watch", caller=admin, title="Night", permissions=["see_run"])
    assert access.permissions_of(cast.outsider) == {"see_run"}
    changed = named_in_log(Verb.ROLE_CHANGED)[0]
    assert changed["before"] == {"title": "Night watch", "permissions": ["see_case", "see_run"]}
    roles.end("night-watch", caller=admin)
    assert access.roles_of([cast.outsider.pk]) == {cast.outsider.pk: frozenset()}
    assert access.permissions_of(cast.outsider) == frozenset()
    with pytest.raises(Missing):
        roles.give("outsider", "night-watch", caller=admin)
    with pytest.raises(Invalid):
        roles.create("night-watch", caller=admin, title="Night", permissions=[])


def test_no_permission_is_a_right_to_approve(cast: Cast) -> None:
    assert not [each for each in PERMISSIONS if "approve" in each or "decide" in each]
    with pytest.raises(Invalid):
        roles.create("king", caller=cast.caller("admin"), title="King", permissions=["approve_request"])
    assert not Group.objects.filter(name="king").exists()


@pytest.mark.parametrize("slug", sorted(ROLES))
def test_a_built_in_role_stays_as_it_is(cast: Cast, slug: str) -> None:
    admin = proven(cast.caller("admin"))
    for tried in (
        lambda: roles.change(slug, caller=admin, title="Mine", permissions=["see_run"]),
        lambda: roles.end(slug, caller=admin),
    ):
        with pytest.raises(Refused) as error:
            tried()
        assert error.value.rule == "role_built_in"
    with pytest.raises(Invalid):
        roles.create(slug, caller=admin, title="Mine", permissions=[])


def test_nobody_adds_to_a_role_that_they_hold(cast: Cast) -> None:
    admin = proven(cast.caller("admin"))
    roles.create("helper", caller=admin, title="Helper", permissions=["see_run"])
    people.grant(cast.admin, "helper", actor=SYSTEM, granted_by=None)
    with pytest.raises(Refused) as error:
        roles.change("helper", caller=admin, title="Helper", permissions=["see_run", "start_run"])
    assert error.value.rule == "grantor_is_beneficiary"
    roles.change("helper", caller=admin, title="Helper", permissions=[])


def test_case_40_a_session_and_a_person_in_memory_have_no_right_that_was_taken(cast: Cast) -> None:
    """Nothing is kept between two questions, neither on the person nor by guardian or Django."""
    _, request = at_the_gate(cast)
    caller = Caller(cast.tier2)
    assert access.may(cast.tier2, "start_run")
    assert cast.tier2.get_all_permissions() is not None  # Django's own cache is filled
    roles.take("tier2", "tier-2", caller=cast.caller("admin"))
    assert not access.may(cast.tier2, "start_run")
    with pytest.raises(Refused):
        decide(request.pk, caller=caller, verdict=Verdict.APPROVE, shown_digest=request.digest)
    people.deactivate(cast.netowner, actor=SYSTEM)
    assert not access.may(cast.netowner, "see_run")  # the row in memory says that they are active still
    assert not access.visible(cast.netowner, "see_request", ApprovalRequest.objects.all()).exists()
