"""Teams: who belongs to them since when and by whom, what belongs to them, and who therefore sees and does what."""

from __future__ import annotations

import pytest

from playbooks import access, executor
from playbooks.access.teams import teams_of
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.domain.verbs import Verb
from playbooks.models import (
    Alert,
    ApprovalRequest,
    Case,
    Playbook,
    PlaybookVersion,
    Run,
    TeamMembership,
)
from playbooks.operations import cases, people, playbooks, rollbacks, runs, stopping, teams
from playbooks.operations.approvals import decide
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Hidden, Invalid, Missing, Refused
from tests.api.callers import at_the_gate
from tests.cast import BLOCK, Cast, publish, start
from tests.proving import proven
from tests.teams import Teams, make_person, make_teams, named_in_log
from tests.web.conftest import post_alert


@pytest.fixture
def sides(cast: Cast) -> Teams:
    return make_teams(cast)


def of_blue(cast: Cast) -> tuple[Run, ApprovalRequest]:
    """A run that waits at its gate, in a case of the blue team."""
    run, request = at_the_gate(cast)
    teams.assign("case", str(run.case_id), caller=cast.caller("analyst"), team="blue")
    return run, request


def test_a_team_is_read_by_id_in_one_query(
    cast: Cast, sides: Teams, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = teams_of([cast.analyst.pk, sides.rita.pk, cast.outsider.pk])
    assert found == {
        cast.analyst.pk: frozenset({sides.blue.pk}),
        sides.rita.pk: frozenset({sides.red.pk}),
        cast.outsider.pk: frozenset(),
    }


def test_a_deactivated_person_is_in_no_team(cast: Cast, sides: Teams) -> None:
    people.deactivate(sides.rita, actor=SYSTEM)
    assert teams_of([sides.rita.pk]) == {sides.rita.pk: frozenset()}


def test_case_25_a_team_that_is_renamed_is_the_same_team(cast: Cast, sides: Teams) -> None:
    before = teams_of([cast.analyst.pk])
    teams.rename("blue", caller=cast.caller("admin"), name="Red team")
    assert teams_of([cast.analyst.pk]) == before
    with pytest.raises(Invalid):
        teams.create("red", caller=cast.caller("admin"), name="Blue team")
    assert named_in_log(Verb.TEAM_RENAMED)[0]["before"] == "Blue team"


def test_a_slug_is_never_given_again(cast: Cast, sides: Teams) -> None:
    admin = proven(cast.caller("admin"))
    teams.end("red", caller=admin)
    with pytest.raises(Invalid):
        teams.create("red", caller=admin, name="Red team")
    with pytest.raises(Refused) as refused:
        teams.add("red", "outsider", caller=admin)
    assert refused.value.rule == "team_ended"


def test_a_team_that_is_there_is_not_made_again(cast: Cast, sides: Teams) -> None:
    again = teams.create("blue", caller=cast.caller("admin"), name="Blue  team")
    assert again.pk == sides.blue.pk
    assert len(named_in_log(Verb.TEAM_CREATED)) == 2


def test_nobody_takes_themselves_into_a_team(cast: Cast, sides: Teams) -> None:
    with pytest.raises(Refused) as refused:
        teams.add("blue", "admin", caller=cast.caller("admin"))
    assert refused.value.rule == "grantor_is_beneficiary"
    assert not TeamMembership.history.filter(principal=cast.admin).exists()


def test_who_left_a_team_stays_in_its_history(cast: Cast, sides: Teams) -> None:
    admin = proven(cast.caller("admin"))
    teams.remove("blue", "tier2", caller=admin)
    teams.add("blue", "tier2", caller=admin)
    first, second = TeamMembership.history.filter(principal=cast.tier2).order_by("granted_at")
    assert (first.granted_by, first.ended_by, second.ended_at) == (cast.admin, cast.admin, None)
    with pytest.raises(Missing):
        teams.remove("red", "tier2", caller=admin)


@pytest.mark.parametrize("who", ["analyst", "tier2", "author", "compliance", "outsider"])
def test_teams_are_kept_by_those_who_manage_people(cast: Cast, sides: Teams, who: str) -> None:
    caller = cast.caller(who)
    for tried in (
        lambda: teams.create("green", caller=caller, name="Green"),
        lambda: teams.rename("blue", caller=caller, name="Green"),
        lambda: teams.end("blue", caller=caller),
        lambda: teams.add("blue", "outsider", caller=caller),
        lambda: teams.remove("blue", "tier2", caller=caller),
        lambda: teams.assign("playbook", "block-attacker", caller=caller, team="blue"),
    ):
        with pytest.raises(Refused):
            tried()
    assert not TeamMembership.history.filter(ended_at__isnull=False).exists()


def test_what_is_a_teams_is_seen_by_its_members_and_by_who_reads_everything(cast: Cast, sides: Teams) -> None:
    run, _ = of_blue(cast)
    for model, permission in ((Case, "see_case"), (Run, "see_run"), (ApprovalRequest, "see_request")):
        rows = model._default_manager.all()
        for person in (cast.analyst, cast.tier2, cast.compliance, cast.admin):
            assert access.visible(person, permission, rows).exists(), (model, person)
        for person in (sides.rita, cast.outsider):
            assert not access.visible(person, permission, rows).exists(), (model, person)
    assert access.may(cast.analyst, "work_case", on=run.case)
    assert not access.may(sides.rita, "work_case", on=run.case)


def test_a_run_is_seen_where_its_case_and_its_playbook_are(cast: Cast, sides: Teams) -> None:
    run, _ = at_the_gate(cast)
    rows = Run.objects.filter(pk=run.pk)
    assert access.visible(sides.rita, "see_run", rows).exists()
    teams.assign("playbook", "block-attacker", caller=cast.caller("admin"), team="blue")
    assert not access.visible(sides.rita, "see_run", rows).exists()
    assert access.visible(sides.rita, "see_case", Case.objects.filter(pk=run.case_id)).exists()


def test_what_is_another_teams_is_not_there_for_whoever_would_change_it(cast: Cast, sides: Teams) -> None:
    run, request = of_blue(cast)
    teams.assign("playbook", "block-attacker", caller=cast.caller("admin"), team="blue")
    rita = Caller(sides.rita)
    run.refresh_from_db()
    before = run.case.status, run.status, run.paused_at, PlaybookVersion.objects.count()
    for tried in (
        lambda: cases.close(run.case_id, caller=rita, resolution="Done."),
        lambda: runs.start("block-attacker", caller=rita, inputs={"address": "203.0.113.1"}),
        lambda: stopping.cancel(run.pk, caller=rita),
        lambda: stopping.pause(run.pk, caller=rita),
        lambda: rollbacks.start(run.pk, caller=rita, plan_digest="0" * 64),
        lambda: playbooks.draft(BLOCK, caller=rita),
        lambda: playbooks.adapt("block-attacker", 1, caller=rita),
        lambda: playbooks.retire("block-attacker", 1, caller=rita),
        lambda: decide(request.pk, caller=rita, verdict=Verdict.APPROVE, shown_digest=request.digest),
        lambda: teams.assign("case", str(run.case_id), caller=rita, team="red"),
    ):
        with pytest.raises(Hidden):
            tried()
    run = Run.objects.get(pk=run.pk)
    assert (run.case.status, run.status, run.paused_at, PlaybookVersion.objects.count()) == before
    assert run.case.team == sides.blue
    assert ApprovalRequest.objects.get(pk=request.pk).status == RequestStatus.OPEN


def test_what_is_not_there_and_what_is_another_teams_are_told_in_the_same_words(
    cast: Cast, sides: Teams
) -> None:
    run, _ = of_blue(cast)
    rita, nothing = Caller(sides.rita), Case().pk
    sentences = []
    for case in (run.case_id, nothing):
        with pytest.raises(Missing) as missing:
            cases.close(case, caller=rita, resolution="Done.")
        sentences.append(str(missing.value).replace(str(case), "it"))
    assert sentences[0] == sentences[1]


def test_case_59_an_approver_of_another_team_decides_nothing(cast: Cast, sides: Teams) -> None:
    _, request = of_blue(cast)
    with pytest.raises(Hidden) as hidden:
        decide(request.pk, caller=Caller(sides.rita), verdict=Verdict.APPROVE, shown_digest=request.digest)
    assert hidden.value.rule == "outside_team"
    assert named_in_log(Verb.DECISION_REFUSED)[0]["rule"] == "outside_team"
    assert not request.decisions.exists()


def test_who_reads_everything_decides_only_for_their_own_team(cast: Cast, sides: Teams) -> None:
    """Reading what belongs to others is no membership."""
    _, request = of_blue(cast)
    people.grant(cast.compliance, "tier-2", actor=SYSTEM, granted_by=None)
    with pytest.raises(Refused) as refused:
        decide(
            request.pk, caller=cast.caller("compliance"), verdict=Verdict.APPROVE, shown_digest=request.digest
        )
    assert refused.value.rule == "outside_team"
    assert not isinstance(refused.value, Hidden)


def test_case_23_whom_the_requester_took_into_the_team_does_not_count_there_today(
    cast: Cast, sides: Teams
) -> None:
    _, request = of_blue(cast)
    people.grant(cast.analyst, "administrator", actor=SYSTEM, granted_by=None)
    friend = Caller(make_person("friend", "tier-2"))
    teams.add("blue", "friend", caller=proven(cast.caller("analyst")))
    with pytest.raises(Refused) as refused:
        decide(request.pk, caller=friend, verdict=Verdict.APPROVE, shown_digest=request.digest)
    assert refused.value.rule == "outside_team"


def test_a_case_has_the_team_of_the_source_or_of_the_playbook_that_opened_it(
    cast: Cast, sides: Teams
) -> None:
    post_alert("The first, which makes the source")
    teams.assign("source", "monitoring", caller=cast.caller("admin"), team="red")
    assert post_alert("A sign-in", external_id="2").case.team == sides.red
    publish(cast)
    teams.assign("playbook", "block-attacker", caller=cast.caller("admin"), team="blue")
    assert start(cast).case.team == sides.blue


def test_what_a_teams_source_posts_starts_no_playbook_of_another_team(cast: Cast, sides: Teams) -> None:
    publish(cast, BLOCK.replace('alert.source == "suricata" && alert.severity >= 70', "alert.severity >= 10"))
    post_alert("The first, which makes the source", severity=1)
    admin = proven(cast.caller("admin"))
    teams.assign("source", "monitoring", caller=admin, team="red")
    teams.assign("playbook", "block-attacker", caller=admin, team="blue")
    alert = post_alert("One", observables={"ip": ["203.0.113.7"]})
    assert (alert.considered, Run.objects.count()) == ([], 0)
    teams.assign("source", "monitoring", caller=admin, team="blue")
    alert = post_alert("Two", observables={"ip": ["203.0.113.7"]})
    assert Run.objects.filter(alert=alert).count() == 1


def test_case_21_the_end_of_a_team_blocks_what_needs_it_and_satisfies_nothing(
    cast: Cast, sides: Teams
) -> None:
    run, request = of_blue(cast)
    decide(request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest)
    _, blocked = teams.end("blue", caller=cast.caller("admin"))
    assert [each.request for each in blocked] == [request.pk]
    assert named_in_log(Verb.TEAM_ENDED)[0]["blocked"] == [str(request.pk)]
    executor.drive(run.pk, worker="test")
    request.refresh_from_db()
    assert request.status == RequestStatus.OPEN
    assert not run.steps.filter(key="block", status="succeeded").exists()
    with pytest.raises(Hidden):
        decide(
            request.pk, caller=cast.caller("netowner"), verdict=Verdict.APPROVE, shown_digest=request.digest
        )


def test_who_leaves_a_team_is_told_about_when_they_were_the_last_for_a_seat(cast: Cast, sides: Teams) -> None:
    _, request = of_blue(cast)
    admin = proven(cast.caller("admin"))
    make_person("spare", "network-owner")
    teams.add("blue", "spare", caller=admin)
    assert teams.remove("blue", "netowner", caller=admin) == ()
    (blocked,) = teams.remove("blue", "spare", caller=admin)
    assert (blocked.request, blocked.question) == (request.pk, request.question)


def test_alerts_inherit_the_team_of_their_case(cast: Cast, sides: Teams) -> None:
    alert = post_alert("A sign-in")
    teams.assign("case", str(alert.case_id), caller=cast.caller("analyst"), team="blue")
    assert not access.visible(sides.rita, "see_alert", Alert.objects.all()).exists()
    assert access.visible(cast.tier2, "see_alert", Alert.objects.all()).exists()


def test_a_source_a_connection_and_a_playbook_belong_to_a_team_too(cast: Cast, sides: Teams) -> None:
    publish(cast)
    admin = proven(cast.caller("admin"))
    teams.assign("playbook", "block-attacker", caller=admin, team="red")
    assert not access.visible(cast.author, "see_playbook", Playbook.objects.all()).exists()
    teams.assign("playbook", "block-attacker", caller=admin, team="")
    assert access.visible(cast.author, "see_playbook", Playbook.objects.all()).exists()
    with pytest.raises(Missing):
        teams.assign("playbook", "nothing", caller=admin, team="red")
    with pytest.raises(Missing):
        teams.assign("playbook", "block-attacker", caller=admin, team="nobody")
    with pytest.raises(Invalid):
        teams.assign("weather", "rain", caller=admin, team="red")
