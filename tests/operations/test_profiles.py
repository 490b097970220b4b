"""Profiles: who changes them, and what a team of two, and one person alone, can and cannot do."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from playbooks import executor
from playbooks.access.profile import profile_at
from playbooks.audit import bundle, scopes
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import load_signer
from playbooks.domain.profiles import COOLING, TIME_TO_THINK, Profile
from playbooks.domain.statuses import RequestStatus, RunStatus, Verdict, WaitReason
from playbooks.domain.verify import Report, verify
from playbooks.models import ApprovalRequest, ProfileChange, Run
from playbooks.models.audit import AuditEntry
from playbooks.models.decisions import Decision
from playbooks.operations import approvals, people, profiles, stopping
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.queries.quorums import unfillable_gates
from tests.audit.making import ANALYST
from tests.cast import Cast, connect, publish, start
from tests.databases import any_time

__all__ = ["any_time"]

pytestmark = pytest.mark.usefixtures("any_time")
WHY = "There are two of us."


def holds(profile: Profile) -> None:
    """As if it had been chosen at the installation."""
    now = timezone.now()
    ProfileChange.objects.create(profile=profile, reason=WHY, proposed_at=now, takes_effect_at=now)


@pytest.fixture
def ready(cast: Cast) -> Cast:
    connect(cast)
    publish(cast)
    return cast


def asked(cast: Cast) -> ApprovalRequest:
    run = start(cast)
    executor.drive(run.pk, worker="test")
    return run.requests.get(status=RequestStatus.OPEN)


def decide(request: ApprovalRequest, cast: Cast, who: str, verdict: Verdict = Verdict.APPROVE) -> None:
    approvals.decide(request.pk, caller=cast.caller(who), verdict=verdict, shown_digest=request.digest)


def refusal_of(request: ApprovalRequest, cast: Cast, who: str) -> Refused:
    with pytest.raises(Refused) as refused:
        decide(request, cast, who)
    return refused.value


def drive(run: Run, *, after: timedelta = timedelta()) -> Run:
    executor.sweep(now=timezone.now() + after)
    executor.drive(run.pk, worker="test")
    run.refresh_from_db()
    return run


# Who changes it.


def test_by_default_it_is_a_team(cast: Cast) -> None:
    assert profile_at(timezone.now()) is Profile.TEAM


def test_two_of_those_who_decide_change_it_and_neither_alone(cast: Cast) -> None:
    change = profiles.propose(Profile.PAIR, caller=cast.caller("tier2"), reason=WHY)
    assert profile_at(timezone.now()) is Profile.TEAM
    with pytest.raises(Refused) as refused:
        profiles.confirm(change.pk, caller=cast.caller("tier2"))
    assert refused.value.rule == "confirmer_is_proposer"
    profiles.confirm(change.pk, caller=cast.caller("netowner"))
    assert profile_at(timezone.now()) is Profile.PAIR
    verbs = (
        AuditEntry.objects.filter(verb__startswith="profile.").order_by("pk").values_list("verb", flat=True)
    )
    assert list(verbs) == ["profile.proposed", "profile.changed"]


@pytest.mark.parametrize("who", ["analyst", "author", "publisher", "compliance", "admin", "outsider"])
def test_whom_it_does_not_bind_neither_proposes_nor_confirms(cast: Cast, who: str) -> None:
    with pytest.raises(Refused) as refused:
        profiles.propose(Profile.SOLO, caller=cast.caller(who), reason=WHY)
    assert refused.value.rule == "not_bound"
    change = profiles.propose(Profile.PAIR, caller=cast.caller("tier2"), reason=WHY)
    with pytest.raises(Refused) as refused:
        profiles.confirm(change.pk, caller=cast.caller(who))
    assert refused.value.rule == "not_bound"
    assert profile_at(timezone.now()) is Profile.TEAM


def test_no_token_changes_it(cast: Cast) -> None:
    people.issue_token(cast.tier2, actor=SYSTEM, scopes=["runs"])
    by_token = Caller(cast.tier2, cast.tier2.tokens.get())
    with pytest.raises(Refused) as refused:
        profiles.propose(Profile.PAIR, caller=by_token, reason=WHY)
    assert refused.value.rule == "token_not_person"


def test_the_command_chooses_it_only_while_fewer_than_two_decide(cast: Cast) -> None:
    with pytest.raises(CommandError, match="two people or more"):
        call_command("profile", "solo")
    people.deactivate(cast.netowner, actor=SYSTEM)
    call_command("profile", "solo")
    assert profile_at(timezone.now()) is Profile.SOLO


def test_case_28_whoever_is_left_alone_waits_a_day_and_anybody_who_manages_people_can_stop_it(
    ready: Cast,
) -> None:
    """Deactivating the other approvers leads to no fallback in the night."""
    asked(ready)
    people.deactivate(ready.netowner, actor=SYSTEM)
    change = profiles.propose(Profile.SOLO, caller=ready.caller("tier2"), reason="Nobody else is here.")
    assert profile_at(timezone.now() + COOLING - timedelta(minutes=1)) is Profile.TEAM
    assert profile_at(timezone.now() + COOLING) is Profile.SOLO
    with pytest.raises(CommandError, match="waits already"):
        call_command("profile", "pair")
    profiles.withdraw(change.pk, caller=ready.caller("admin"))
    assert profile_at(timezone.now() + COOLING) is Profile.TEAM
    for act in (profiles.confirm, profiles.withdraw):
        with pytest.raises(Refused) as refused:
            act(change.pk, caller=ready.caller("tier2"))
        assert refused.value.rule == "profile_not_pending"


def test_one_change_waits_at_a_time_and_needs_its_reason(cast: Cast) -> None:
    with pytest.raises(Invalid):
        profiles.propose(Profile.PAIR, caller=cast.caller("tier2"), reason=" ")
    with pytest.raises(Refused) as refused:
        profiles.propose(Profile.TEAM, caller=cast.caller("tier2"), reason=WHY)
    assert refused.value.rule == "profile_unchanged"
    profiles.propose(Profile.PAIR, caller=cast.caller("tier2"), reason=WHY)
    with pytest.raises(Refused) as refused:
        profiles.propose(Profile.SOLO, caller=cast.caller("netowner"), reason=WHY)
    assert refused.value.rule == "profile_pending"
    with pytest.raises(Missing):
        profiles.confirm(cast.tier2.pk, caller=cast.caller("netowner"))


# What it means.


def test_in_a_pair_one_approval_is_enough_and_whoever_asked_does_not_give_it(ready: Cast) -> None:
    holds(Profile.PAIR)
    people.grant(ready.analyst, "tier-2", actor=SYSTEM, granted_by=None)
    request = asked(ready)
    assert [seat.role for seat in request.seats.all()] == ["tier-2"]
    assert refusal_of(request, ready, "analyst").rule == "own_request"
    decide(request, ready, "tier2")
    request.refresh_from_db()
    assert (request.status, Decision.objects.get().verdict) == (RequestStatus.GRANTED, "approve")
    assert drive(request.run).status == RunStatus.SUCCEEDED


def test_another_profile_than_was_shown_asks_again_and_voids_what_was_granted(ready: Cast) -> None:
    holds(Profile.PAIR)
    first = asked(ready)
    holds(Profile.TEAM)
    assert refusal_of(first, ready, "tier2").rule == "stale_digest"
    again = ApprovalRequest.objects.get(run=first.run, status=RequestStatus.OPEN)
    assert again.seats.count() == 2
    entry = AuditEntry.objects.get(verb="request.voided")
    assert entry.subject_id == str(first.pk)
    decide(again, ready, "tier2")
    decide(again, ready, "netowner")
    holds(Profile.SOLO)
    drive(first.run)
    again.refresh_from_db()
    assert again.status == RequestStatus.VOIDED


def confirmed_alone(cast: Cast) -> ApprovalRequest:
    holds(Profile.SOLO)
    people.grant(cast.analyst, "tier-2", actor=SYSTEM, granted_by=None)
    request = asked(cast)
    decide(request, cast, "analyst")
    request.refresh_from_db()
    return request


def test_alone_one_confirms_what_one_asked_for_and_it_is_never_called_approved(ready: Cast) -> None:
    request = confirmed_alone(ready)
    assert (request.status, Decision.objects.get().verdict) == (RequestStatus.GRANTED, "confirm")
    assert AuditEntry.objects.get(verb="decision.made").outcome == "confirm"
    assert request.run.steps.get(key="gate").outputs["approvers"] == ["Analyst (self-confirmed)"]
    with pytest.raises(Invalid):
        decide(request, ready, "tier2", Verdict.CONFIRM)


def test_what_was_confirmed_alone_begins_after_a_while_and_can_be_cancelled_until_then(ready: Cast) -> None:
    request = confirmed_alone(ready)
    run = drive(request.run)
    block = run.steps.get(key="block")
    assert (block.wait_reason, block.attempt_count) == (WaitReason.DELAY, 0)
    stopping.cancel(run.pk, caller=ready.caller("analyst"))
    run = drive(run, after=TIME_TO_THINK * 2)
    assert (run.status, run.steps.get(key="block").attempt_count) == (RunStatus.CANCELLED, 0)


def test_without_profile_solo_nobody_confirms_alone(ready: Cast) -> None:
    people.grant(ready.analyst, "tier-2", actor=SYSTEM, granted_by=None)
    request = asked(ready)
    assert refusal_of(request, ready, "analyst").rule == "own_request"


def test_gates_that_nobody_could_open_are_named_for_the_profile_that_holds(ready: Cast) -> None:
    people.deactivate(ready.netowner, actor=SYSTEM)
    assert [each.roles for each in unfillable_gates()] == [("network-owner",)]
    holds(Profile.PAIR)
    assert unfillable_gates() == ()


def exported(run: Run, folder: Path) -> Report:
    signer = load_signer(folder)
    sequence_once(signer)
    file = BytesIO()
    bundle.make(
        scopes.run(str(run.pk)),
        file,
        actor=ANALYST,
        now=timezone.now(),
        wait=lambda: sequence_once(signer),
    )
    path = folder / "export.zip"
    path.write_bytes(file.getvalue())
    return verify(str(path), signer.key)


def test_an_export_says_that_duties_were_not_segregated(
    ready: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playbooks.executor import authority

    request = confirmed_alone(ready)
    monkeypatch.setattr(authority, "TIME_TO_THINK", timedelta())
    assert drive(request.run, after=TIME_TO_THINK * 2).status == RunStatus.SUCCEEDED
    report = exported(request.run, tmp_path)
    assert (report.profiles, report.approved_actions, report.self_confirmed_actions) == (("solo",), 0, 1)
    assert "duties not segregated; of the actions that ran, 1 had been confirmed by one person alone" in str(
        report
    )


def test_an_export_of_a_pair_says_so_too(ready: Cast, tmp_path: Path) -> None:
    holds(Profile.PAIR)
    request = asked(ready)
    decide(request, ready, "tier2")
    assert drive(request.run).status == RunStatus.SUCCEEDED
    assert "Profile pair: one approval was enough" in str(exported(request.run, tmp_path))
