"""A restricted case is seen by those who are named on it; a case about somebody is never seen by them."""

from __future__ import annotations

import pytest

from playbooks import access
from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.domain.verbs import Verb
from playbooks.models import ApprovalRequest, Case, Principal, Run
from playbooks.operations import cases, confidences, identities, people
from playbooks.operations.approvals import decide
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Hidden, Invalid, Missing, Refused
from tests.api.callers import at_the_gate
from tests.cast import Cast
from tests.proving import proven
from tests.teams import case_of_nobody, make_person, named_in_log

WHY = "It concerns one of us."


def sees(person: Principal, case: Case) -> bool:
    return access.may(person, "see_case", on=case)


def restricted(cast: Cast, *named: str) -> tuple[Run, ApprovalRequest]:
    run, request = at_the_gate(cast)
    confidences.restrict(run.case_id, caller=proven(cast.caller("analyst")), named=named, reason=WHY)
    return run, request


def test_a_restricted_case_is_seen_by_those_who_are_named_and_by_nobody_else(cast: Cast) -> None:
    run, _ = restricted(cast, "tier2")
    for name in ("analyst", "tier2"):
        assert sees(getattr(cast, name), run.case), name
    for name in ("netowner", "author", "publisher", "compliance", "admin", "outsider"):
        person = getattr(cast, name)
        assert not sees(person, run.case), name
        assert not access.visible(person, "see_run", Run.objects.all()).exists(), name
        assert not access.visible(person, "see_request", ApprovalRequest.objects.all()).exists(), name


def test_who_is_named_does_what_their_role_permits(cast: Cast) -> None:
    run, _ = restricted(cast, "tier2", "netowner")
    with pytest.raises(Refused) as refused:
        cases.close(run.case_id, caller=cast.caller("netowner"), resolution="Done.")
    assert refused.value.rule == "no_permission"
    assert cases.close(run.case_id, caller=cast.caller("tier2"), resolution="Done.").status == "closed"


def test_who_is_not_named_decides_nothing_though_they_hold_the_seat(cast: Cast) -> None:
    _, request = restricted(cast, "tier2")
    decide(request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest)
    with pytest.raises(Hidden):
        decide(
            request.pk, caller=cast.caller("netowner"), verdict=Verdict.APPROVE, shown_digest=request.digest
        )
    assert ApprovalRequest.objects.get().status == RequestStatus.OPEN
    assert named_in_log(Verb.DECISION_REFUSED)[0]["rule"] == "outside_team"


def test_restricting_says_which_requests_nobody_can_grant_any_more(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    analyst = cast.caller("analyst")
    blocked = confidences.restrict(run.case_id, caller=proven(analyst), named=["tier2"], reason=WHY)
    assert [each.request for each in blocked] == [request.pk]
    assert named_in_log(Verb.CASE_RESTRICTED)[0]["blocked"] == [str(request.pk)]
    confidences.release(run.case_id, caller=analyst, reason="It was nothing.")
    assert sees(cast.compliance, run.case)
    assert named_in_log(Verb.CASE_RELEASED)[0]["reason"] == "It was nothing."


def test_case_62_whom_a_case_is_about_neither_sees_it_nor_decides(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    analyst = cast.caller("analyst")
    blocked = confidences.name_subject(run.case_id, "tier2", caller=analyst, reason=WHY)
    assert [each.request for each in blocked] == [request.pk]
    assert not sees(cast.tier2, run.case)
    assert not access.visible(cast.tier2, "see_run", Run.objects.all()).exists()
    with pytest.raises(Hidden) as hidden:
        decide(request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest)
    assert hidden.value.rule == "conflict_of_interest"
    assert not request.decisions.exists()
    assert named_in_log(Verb.DECISION_REFUSED)[0]["rule"] == "conflict_of_interest"


@pytest.mark.parametrize("name", ["compliance", "admin"])
def test_case_62_no_role_and_no_naming_shows_somebody_the_case_that_is_about_them(
    cast: Cast, name: str
) -> None:
    case = case_of_nobody()
    analyst = cast.caller("analyst")
    confidences.name_subject(case.pk, name, caller=analyst, reason=WHY)
    confidences.restrict(case.pk, caller=proven(analyst), named=[name], reason=WHY)
    person = getattr(cast, name)
    Principal.objects.filter(pk=person.pk).update(is_superuser=True)
    assert not sees(person, case)


def test_case_62_neither_by_another_account_of_theirs(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    second = make_person("second", "tier-2")
    identities.link(second, cast.author, caller=None)
    confidences.name_subject(run.case_id, "author", caller=cast.caller("analyst"), reason=WHY)
    assert not sees(second, run.case)
    with pytest.raises(Hidden):
        decide(request.pk, caller=Caller(second), verdict=Verdict.APPROVE, shown_digest=request.digest)


def test_nobody_says_that_a_case_is_no_longer_about_themselves(cast: Cast) -> None:
    case = case_of_nobody()
    confidences.name_subject(case.pk, "tier2", caller=cast.caller("analyst"), reason=WHY)
    with pytest.raises(Hidden):
        confidences.clear_subject(case.pk, "tier2", caller=cast.caller("tier2"), reason="It is not.")
    confidences.clear_subject(case.pk, "tier2", caller=cast.caller("analyst"), reason="It was not.")
    assert sees(cast.tier2, case)
    with pytest.raises(Missing):
        confidences.clear_subject(case.pk, "tier2", caller=cast.caller("analyst"), reason="Again.")
    assert len(named_in_log(Verb.CASE_SUBJECT_NAMED)) == len(named_in_log(Verb.CASE_SUBJECT_CLEARED)) == 1


@pytest.mark.parametrize("who", ["netowner", "author", "compliance", "admin", "outsider"])
def test_only_who_works_on_cases_restricts_them(cast: Cast, who: str) -> None:
    case = case_of_nobody()
    caller: Caller = cast.caller(who)
    for tried in (
        lambda: confidences.restrict(case.pk, caller=caller, named=[], reason=WHY),
        lambda: confidences.name_subject(case.pk, "tier2", caller=caller, reason=WHY),
    ):
        with pytest.raises(Refused):
            tried()
    case.refresh_from_db()
    assert not case.is_restricted


def test_it_takes_a_reason_and_people_who_are_there(cast: Cast) -> None:
    case, analyst = case_of_nobody(), cast.caller("analyst")
    people.deactivate(cast.author, actor=SYSTEM)
    with pytest.raises(Invalid):
        confidences.restrict(case.pk, caller=proven(analyst), named=[], reason=" ")
    with pytest.raises(Missing):
        confidences.restrict(case.pk, caller=proven(analyst), named=["author"], reason=WHY)
    case.refresh_from_db()
    assert not case.is_restricted
