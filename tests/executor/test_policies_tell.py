"""Policies that tell people of what begins: once for each step, with its claim, and nothing waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from playbooks.domain.entries import parse_body
from playbooks.domain.notices import Medium, NoticeKind, Rules, When
from playbooks.domain.statuses import RunStatus
from playbooks.models import Case, Connection, Notice, Run
from playbooks.models.audit import AuditBody
from playbooks.operations import connections, delegations, notice_rules, people, policy_trials, rollbacks
from playbooks.operations.caller import SYSTEM
from playbooks.operations.delegations import Period
from playbooks.operations.policy_trials import Question
from playbooks.operations.telling import run_path
from tests.cast import Cast
from tests.executor.test_policies import BEHIND, GATE, approve, begun, put_in_force, replay, text
from tests.executor.world import BROKEN, World
from tests.operations.test_seats import shift
from tests.operations.waiting import act, after, drive
from tests.proving import proven

__all__ = ["begun"]

pytestmark = pytest.mark.usefixtures("any_time", "mailboxes")

Begun = Callable[..., Run]
TELL = text(notify="{to: [{role: tier-2}], say: Watch it.}")
RETRY = act().replace("with:", "retry: {times: 2, every: 5s}\n    with:")


@pytest.fixture
def mailboxes(cast: Cast, settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    for name in fields(cast):
        people.set_email(getattr(cast, name.name), f"{name.name}@example.org", actor=SYSTEM)


def told() -> list[str]:
    rows = Notice.objects.filter(kind=NoticeKind.ACTION_BEGUN).select_related("person")
    return sorted(each.person.username for each in rows if each.person)


def test_those_whom_a_policy_names_are_told_and_nobody_is_asked(
    begun: Begun, cast: Cast, world: World
) -> None:
    put_in_force(cast, TELL)
    run = begun()
    assert (run.status, world.effects["x"], run.requests.count()) == (RunStatus.SUCCEEDED, 1, 0)
    assert told() == ["tier2"]
    notice = Notice.objects.get(kind=NoticeKind.ACTION_BEGUN)
    assert (notice.title, notice.path) == ("Begins: fake.keyed on x", run_path(run.pk))
    assert notice.text.splitlines()[:2] == ["Edge", "Watch it."]
    assert replay(run).other_actions == 1


def test_the_claim_records_whom_a_policy_meant(begun: Begun, cast: Cast, world: World) -> None:
    put_in_force(cast, TELL)
    run = begun()
    bodies = AuditBody.objects.filter(entry__stream__key=str(run.pk), entry__verb="step.claimed")
    facts = parse_body(bytes(bodies.get().body)).facts
    assert facts["tells"]["edge 1"]["to"] == ["tier-2"]


def test_the_owner_and_whoever_is_on_call_or_stands_in_is_told(
    begun: Begun, cast: Cast, world: World
) -> None:
    shift(cast, "compliance")
    connections.give_to("fake", caller=proven(cast.caller("admin")), owner="netowner")
    period = Period(timezone.now(), timezone.now() + timedelta(days=1))
    delegations.name("publisher", caller=proven(cast.caller("netowner")), period=period, reason="Away.")
    put_in_force(cast, text(notify="{to: [{owner_of: target}, {on_call: network}]}"))
    begun()
    assert told() == ["compliance", "netowner", "publisher"]


def test_a_step_that_is_tried_again_is_told_once(begun: Begun, cast: Cast, world: World) -> None:
    put_in_force(cast, TELL)
    world.outcomes.append(BROKEN)
    run = begun(RETRY)
    after(minutes=1)
    drive(run)
    assert (run.steps.get().attempt_count, told()) == (2, ["tier2"])


def test_two_steps_are_told_twice_and_two_versions_of_one_policy_once(
    begun: Begun, cast: Cast, world: World
) -> None:
    put_in_force(cast, TELL)
    put_in_force(cast, TELL.replace("tier-2", "publisher"))
    begun(act() + act("again", "y"))
    assert told() == ["publisher", "publisher", "tier2", "tier2"]


def test_nobody_is_told_before_the_gate_has_opened(begun: Begun, cast: Cast, world: World) -> None:
    put_in_force(cast, TELL)
    run = begun(GATE.replace("SEAT", "network-owner") + BEHIND)
    assert told() == []
    approve(run, cast.caller("netowner"))
    assert told() == ["tier2"]


def test_what_only_reads_and_what_does_not_match_is_not_told(begun: Begun, cast: Cast, world: World) -> None:
    put_in_force(cast, TELL.replace("'true'", "'target == \"y\"'"))
    begun(act() + act("look", "y", action="read"))
    assert told() == []


def test_a_condition_that_cannot_be_evaluated_is_told_and_blocks_nothing(
    begun: Begun, cast: Cast, world: World
) -> None:
    put_in_force(cast, TELL.replace("'true'", "'alert.no_such == 1'"))
    assert begun().status == RunStatus.SUCCEEDED
    assert "told to be sure" in Notice.objects.get(kind=NoticeKind.ACTION_BEGUN).text


def test_an_undo_is_told_where_a_policy_looks_at_undos(begun: Begun, cast: Cast, world: World) -> None:
    put_in_force(cast, text(when='phase == "undo"', notify="{to: [{role: tier-2}]}"))
    run = begun()
    assert told() == []
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)
    assert Notice.objects.get(kind=NoticeKind.ACTION_BEGUN).title.startswith("Taken back: fake.")


def test_the_rules_of_who_is_told_are_kept_to(begun: Begun, cast: Cast, world: World) -> None:
    never = {NoticeKind.ACTION_BEGUN: {Medium.EMAIL: When.NEVER}}
    notice_rules.set_rules(Rules(chosen=never), caller=cast.caller("tier2"))
    put_in_force(cast, TELL)
    begun()
    assert told() == []


def test_whoever_may_not_see_the_run_is_not_told_of_it(begun: Begun, cast: Cast, world: World) -> None:
    put_in_force(cast, TELL)
    run = begun("  - id: pause\n    wait: {for: 1h}\n" + BEHIND)
    Case.objects.filter(pk=run.case_id).update(is_restricted=True)
    after(hours=2)
    drive(run)
    assert (world.effects["x"], told()) == (1, [])


def test_explain_and_simulate_name_those_who_would_be_told(
    begun: Begun, cast: Cast, world: World, fake: Connection
) -> None:
    begun()
    tried = policy_trials.simulate(TELL, caller=cast.caller("analyst"))
    assert (tried.matched, tried.told, tried.more, tried.forbidden) == (1, 1, 0, 0)
    put_in_force(cast, TELL)
    said = policy_trials.explain(Question("fake.keyed", "fake"), caller=cast.caller("analyst"))
    assert (said.policies[0].tells, said.seats, said.forbidden) == (("tier-2",), (), "")
