"""Policies at the claim: nothing runs for which they ask more than people have granted, wherever it is called from.

The numbers are those of the abuse cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from playbooks import executor
from playbooks.domain.entries import parse_body
from playbooks.domain.policies.never_touch import TargetKind
from playbooks.domain.replay import Replay
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict, WaitReason
from playbooks.models import ApprovalRequest, Connection, PermitUse, Run, Step
from playbooks.models.audit import AuditBody
from playbooks.operations import approvals, connections, never_touch, people, policies, requests, rollbacks
from playbooks.operations.actions import Call, actions
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.limits import is_beyond
from playbooks.operations.refusals import Invalid, Refused
from tests.cast import Cast
from tests.executor.world import BROKEN, World
from tests.operations.waiting import act, after, drive, published, start, step_of
from tests.proving import prove_decision

pytestmark = pytest.mark.usefixtures("any_time")

Begin = Callable[..., Run]

DESTROY = "  - id: act\n    do: fake.destroy\n    using: fake\n    with: {target: x}\n"
GATE = """\
  - id: gate
    approve: Act?
    seats: [{role: SEAT}]
"""
BEHIND = "  - id: act\n    do: fake.keyed\n    using: fake\n    with: {target: x}\n"


@pytest.fixture
def second(cast: Cast) -> Caller:
    return Caller(people.create("second", actor=SYSTEM, name="Sefa", password="x", roles=["publisher"]))


@pytest.fixture
def owner(cast: Cast) -> Caller:
    return Caller(
        people.create("owner", actor=SYSTEM, name="Oda", password="x", roles=["asset-owner"]), session="owner"
    )


def text(slug: str = "edge", when: str = "true", **effects: str) -> str:
    said = "".join(f"{name}: {value}\n" for name, value in effects.items())
    return f"policy: {slug}\ntitle: {slug.capitalize()}\nwhen: {when!r}\n{said}"


def seats(*roles: str) -> str:
    return "{seats: [" + ", ".join(f"{{role: {role}}}" for role in roles) + "]}"


def put_in_force(cast: Cast, source: str, second: Caller | None = None) -> None:
    version = policies.draft(source, caller=cast.caller("author"))
    slug, number = version.policy.slug, version.number
    policies.submit(slug, number, caller=cast.caller("author"))
    if second is not None:
        policies.second(slug, number, caller=second)
    policies.publish(slug, number, caller=cast.caller("publisher"))


def open_request(run: Run) -> ApprovalRequest:
    return ApprovalRequest.objects.get(run=run, status=RequestStatus.OPEN)


def seats_of(request: ApprovalRequest) -> list[str]:
    return [seat.role for seat in request.seats.order_by("position")]


def approve(run: Run, *callers: Caller) -> None:
    for caller in callers:
        request = open_request(run)
        if any(each["effect"] == "destroy" for each in requests.stored_subject(request)["covered"]):
            prove_decision(caller, request)
        approvals.decide(
            request.pk, caller=caller, verdict=Verdict.APPROVE, shown_digest=request.digest, comment=""
        )
    drive(run)


def replay(run: Run) -> Replay:
    told = Replay()
    bodies = AuditBody.objects.filter(entry__stream__kind="run", entry__stream__key=str(run.pk))
    for body in bodies.order_by("entry__stream_seq"):
        told.feed(parse_body(bytes(body.body)))
    told.finish()
    return told


@pytest.fixture
def begun(begin: Begin) -> Callable[[str], Run]:
    def start(steps: str = act()) -> Run:
        run = begin(steps)
        drive(run)
        return run

    return start


# --- What is asked, and by whom ---


def test_a_change_that_no_gate_guards_waits_for_an_approval_of_its_own(
    begun: Callable[..., Run], cast: Cast, world: World, default_policies: None
) -> None:
    run = begun()
    step = step_of(run)
    assert (step.wait_reason, world.effects["x"]) == (WaitReason.APPROVAL, 0)
    assert "change-in-production 1" in step.sentence
    assert seats_of(open_request(run)) == ["tier-2"]
    approve(run, cast.caller("tier2"))
    assert (run.status, world.effects["x"]) == (RunStatus.SUCCEEDED, 1)
    assert replay(run).approved_actions == 1


def test_whoever_asked_for_it_cannot_approve_what_a_policy_asks(
    begun: Callable[..., Run], cast: Cast, default_policies: None
) -> None:
    people.grant(cast.analyst, "tier-2", actor=SYSTEM, granted_by=None)
    run = begun()
    with pytest.raises(Refused) as refused:
        approve(run, cast.caller("analyst"))
    assert refused.value.rule == "own_request"


def test_a_gate_that_asks_enough_adds_nothing(
    begun: Callable[..., Run], cast: Cast, world: World, default_policies: None
) -> None:
    run = begun(GATE.replace("SEAT", "network-owner") + BEHIND)
    request = open_request(run)
    assert seats_of(request) == ["network-owner"]
    assert list(requests.stored_subject(request)["policies"]) == ["change-in-production 1"]
    approve(run, cast.caller("netowner"))
    assert (run.status, ApprovalRequest.objects.count()) == (RunStatus.SUCCEEDED, 1)
    assert replay(run).approved_actions == 1


def test_what_a_policy_asks_beyond_a_gate_is_asked_in_the_request_of_the_gate(
    begun: Callable[..., Run], cast: Cast, world: World, default_policies: None, owner: Caller
) -> None:
    run = begun(GATE.replace("SEAT", "tier-2") + DESTROY)
    assert seats_of(open_request(run)) == ["tier-2", "asset-owner"]
    approve(run, cast.caller("tier2"))
    assert world.effects["x"] == 0
    approve(run, owner)
    assert ApprovalRequest.objects.count() == 1


def test_the_request_for_what_destroys_says_that_it_takes_a_step_up(
    begun: Callable[..., Run], cast: Cast, world: World, default_policies: None, owner: Caller
) -> None:
    run = begun(GATE.replace("SEAT", "asset-owner") + DESTROY)
    request = open_request(run)
    assert seats_of(request) == ["asset-owner", "tier-2"]
    asked = requests.stored_subject(request)["policies"]
    assert {name: each["step_up"] for name, each in asked.items()} == {"destroying-takes-two 1": True}


def test_what_only_reads_is_never_asked_about(
    begun: Callable[..., Run], cast: Cast, world: World, default_policies: None
) -> None:
    put_in_force(cast, text(when="true", require=seats("tier-2")))
    assert begun(act(action="read")).status == RunStatus.SUCCEEDED


def test_a_turn_of_a_list_asks_for_each_call(
    begun: Callable[..., Run], cast: Cast, world: World, default_policies: None
) -> None:
    turns = """\
  - id: hosts
    each: [a, b]
    steps:
      - id: act
        do: fake.keyed
        using: fake
        with: {target: "${ item }"}
"""
    run = begun(turns)
    assert (ApprovalRequest.objects.count(), sum(world.effects.values())) == (1, 0)
    approve(run, cast.caller("tier2"))
    assert (open_request(run).step.key, sum(world.effects.values())) == ("hosts[1].act", 1)


def test_a_run_that_another_starts_asks_for_itself(
    begin: Begin, cast: Cast, world: World, default_policies: None
) -> None:
    """32: not by a sub-playbook either."""
    published(cast, "the-child", act())
    run = begin("  - id: child\n    run: the-child\n")
    drive(run)
    child = Run.objects.get(parent__run=run)
    drive(child)
    assert (step_of(child).wait_reason, world.effects["x"]) == (WaitReason.APPROVAL, 0)


def test_a_retry_goes_on_under_the_approval_of_its_step(
    begun: Callable[..., Run], cast: Cast, world: World, default_policies: None
) -> None:
    run = begun(act().replace("with:", "retry: {times: 2, every: 5s}\n    with:"))
    world.outcomes.append(BROKEN)
    approve(run, cast.caller("tier2"))
    after(minutes=1)
    drive(run)
    assert (run.status, world.effects["x"], ApprovalRequest.objects.count()) == (RunStatus.SUCCEEDED, 1, 1)
    assert replay(run).approved_actions == 2


# --- What was shown binds, and the stricter of then and now counts ---


def test_tightening_a_policy_after_the_approval_asks_again_and_names_it(
    begun: Callable[..., Run], cast: Cast, world: World, owner: Caller
) -> None:
    """43: what was approved under the old rule is not enough."""
    put_in_force(cast, text(require=seats("tier-2")))
    run = begun(GATE.replace("SEAT", "tier-2") + "  - id: pause\n    wait: {for: 1h}\n" + BEHIND)
    approve(run, cast.caller("tier2"))
    put_in_force(cast, text(require=seats("tier-2", "asset-owner")))
    after(hours=2)
    drive(run)
    assert world.effects["x"] == 0
    request = open_request(run)
    assert seats_of(request) == ["tier-2", "asset-owner"]
    assert "policies.edge 2" in step_of(run).sentence
    approve(run, cast.caller("tier2"), owner)
    assert world.effects["x"] == 1
    replay(run)


def test_case_43_tightening_between_two_approvals_makes_the_second_one_stale(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    put_in_force(cast, text(require=seats("tier-2", "network-owner")))
    run = begun()
    approve(run, cast.caller("tier2"))
    put_in_force(cast, text(require=seats("tier-2", "network-owner", "asset-owner")))
    with pytest.raises(Refused) as refused:
        approve(run, cast.caller("netowner"))
    assert refused.value.rule == "stale_digest"
    assert seats_of(open_request(run)) == ["asset-owner", "network-owner", "tier-2"]
    assert world.effects["x"] == 0


def test_a_policy_that_appears_after_the_approval_is_asked_too(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    run = begun(GATE.replace("SEAT", "tier-2") + "  - id: pause\n    wait: {for: 1h}\n" + BEHIND)
    approve(run, cast.caller("tier2"))
    put_in_force(cast, text(require=seats("network-owner")))
    after(hours=2)
    drive(run)
    assert (seats_of(open_request(run)), world.effects["x"]) == (["tier-2", "network-owner"], 0)


def test_a_policy_that_asks_nothing_more_voids_nothing(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    run = begun(GATE.replace("SEAT", "tier-2") + "  - id: pause\n    wait: {for: 1h}\n" + BEHIND)
    approve(run, cast.caller("tier2"))
    put_in_force(cast, text(require=seats("tier-2")))
    after(hours=2)
    drive(run)
    assert (run.status, world.effects["x"]) == (RunStatus.SUCCEEDED, 1)


def test_case_22_lowering_a_quorum_and_then_asking_gains_nothing_for_a_day(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    """22: the stricter of then and now holds."""
    put_in_force(cast, text(require=seats("tier-2", "network-owner")))
    put_in_force(cast, text(require=seats("tier-2")))
    run = begun()
    assert seats_of(open_request(run)) == ["network-owner", "tier-2"]
    approve(run, cast.caller("tier2"))
    assert world.effects["x"] == 0


def test_after_that_day_the_lower_quorum_is_asked(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    put_in_force(cast, text(require=seats("tier-2", "network-owner")))
    put_in_force(cast, text(require=seats("tier-2")))
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert seats_of(open_request(begun())) == ["tier-2"]


def test_case_21_a_request_that_needs_a_policy_stays_blocked_when_the_policy_goes(
    begun: Callable[..., Run], cast: Cast, world: World, second: Caller
) -> None:
    """21: it is never satisfied by what is not there."""
    put_in_force(cast, text(require=seats("tier-2", "network-owner")))
    run = begun()
    policies.retire("edge", 1, caller=cast.caller("publisher"), reason="Gone.")
    policies.retire("edge", 1, caller=second, reason="Gone.")
    with time_machine.travel(timezone.now() + timedelta(hours=3)):
        approve(run, cast.caller("tier2"))
        assert (world.effects["x"], seats_of(open_request(run))) == (0, ["network-owner", "tier-2"])


def test_a_request_keeps_what_it_asked_also_after_that_day(
    begun: Callable[..., Run], cast: Cast, world: World, second: Caller
) -> None:
    put_in_force(cast, text(require=seats("tier-2", "network-owner")))
    run = begun()
    request = open_request(run)
    ApprovalRequest.objects.filter(pk=request.pk).update(due_at=timezone.now() + timedelta(days=9))
    policies.retire("edge", 1, caller=cast.caller("publisher"), reason="Gone.")
    policies.retire("edge", 1, caller=second, reason="Gone.")
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        approve(run, cast.caller("tier2"))
        assert (open_request(run).pk, world.effects["x"]) == (request.pk, 0)
        approve(run, cast.caller("netowner"))
        assert (world.effects["x"], ApprovalRequest.objects.count()) == (1, 1)


# --- What cannot be told, and what is forbidden ---


def test_case_21_a_policy_that_cannot_be_evaluated_lets_nothing_past_it(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    """21: a failing policy means blocked, and the sentence names it."""
    put_in_force(cast, text(when="alert.rule.name == 'x'", require=seats("tier-2")))
    run = begun()
    step = step_of(run)
    assert (step.status, world.effects["x"]) == (StepStatus.FAILED, 0)
    assert "The policy Edge cannot be evaluated" in step.sentence


def test_mending_a_policy_that_could_not_be_evaluated_takes_effect_at_once(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    put_in_force(cast, text(when="alert.rule.name == 'x'", require=seats("tier-2")))
    put_in_force(cast, text(when="has(alert.rule)", require=seats("tier-2")))
    assert begun().status == RunStatus.SUCCEEDED


def test_a_freeze_forbids_in_its_time_whoever_has_approved(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    put_in_force(cast, text(when='time.weekday == "saturday"', forbid='"We change nothing on Saturdays."'))
    run = begun(GATE.replace("SEAT", "tier-2") + BEHIND)
    saturday = datetime(2026, 12, 5, 12, tzinfo=UTC)
    ApprovalRequest.objects.update(due_at=saturday + timedelta(days=1))
    with time_machine.travel(saturday):
        approve(run, cast.caller("tier2"))
    assert (step_of(run).status, world.effects["x"]) == (StepStatus.FAILED, 0)
    assert step_of(run).sentence == "The policy Edge forbids this: We change nothing on Saturdays."


# --- 35: a production target as a test ---


def test_case_35_a_connection_that_was_just_marked_as_a_test_is_production_for_a_day(
    begun: Callable[..., Run], cast: Cast, fake: Connection, world: World, default_policies: None
) -> None:
    connections.configure(
        "fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={}, environment="test"
    )
    assert step_of(begun()).wait_reason == WaitReason.APPROVAL


def test_a_connection_that_has_been_a_test_for_a_day_is_not_asked_about(
    begun: Callable[..., Run], cast: Cast, fake: Connection, world: World, default_policies: None
) -> None:
    connections.configure(
        "fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={}, environment="test"
    )
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert begun().status == RunStatus.SUCCEEDED


# --- 34: splitting one big change into many small ones ---


def test_case_34_many_small_runs_are_counted_together(cast: Cast, fake: Connection, world: World) -> None:
    put_in_force(cast, text(limit="{targets: 2, within: hour, seats: [{role: tier-2}]}"))
    slug = published(cast, "small", act(target='"${ inputs.name }"'), "inputs: {name: {type: string}}\n")
    runs = [start(cast, slug, name=f"t{number}") for number in range(4)]
    drive(*runs)
    assert [run.status for run in runs] == ["succeeded", "succeeded", "waiting", "waiting"]
    again = start(cast, slug, name="t0")
    drive(again)
    assert again.status == "succeeded"  # it changes no further target
    approve(runs[2], cast.caller("tier2"))
    assert runs[2].status == "succeeded"


def test_case_34_one_big_list_counts_as_many(cast: Cast) -> None:
    put_in_force(cast, text(limit="{targets: 2, within: hour, seats: [{role: tier-2}]}"))
    assert step_of(begin_quarantine(cast, ["a", "b", "c"])).wait_reason == WaitReason.APPROVAL
    assert step_of(begin_quarantine(cast, ["a", "b"])).wait_reason == WaitReason.JOB  # it is performed
    assert step_of(begin_quarantine(cast, ["d"])).wait_reason == WaitReason.APPROVAL


def begin_quarantine(cast: Cast, messages: list[str]) -> Run:
    connections.configure(
        "mail",
        caller=cast.caller("admin"),
        connector="mail",
        settings={"base_url": "https://mail.example"},
        secrets={"token": "t"},
        is_simulated=True,
    )
    step = '  - id: act\n    do: mail.quarantine_messages\n    with: {messages: "${ inputs.messages }"}\n'
    head = "inputs: {messages: {type: list}}\n"
    run = start(cast, published(cast, f"mail-{len(messages)}", step, head), messages=messages)
    drive(run)
    return run


def test_a_list_counts_as_many_for_the_limit_of_its_connection() -> None:
    action = actions()["mail.purge_messages"]
    few, many = (Call(action, None, {"messages": list(names)}, False) for names in ("ab", "abc"))
    assert (few.breadth, many.breadth) == (2, 3)
    assert not is_beyond(few, {}, 2)
    assert is_beyond(many, {}, 2)
    assert is_beyond(few, {"x": 1}, 2)
    assert not is_beyond(few, {"a, b": 2}, 2)  # it was changed already


# --- The never-touch list ---


def listed(cast: Cast, value: str = "x", kind: TargetKind = TargetKind.HOST) -> Any:
    return never_touch.add(kind, value, caller=cast.caller("author"), reason="A domain controller.")


def test_nothing_touches_what_is_on_the_list_whoever_approves(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    listed(cast)
    run = begun(GATE.replace("SEAT", "tier-2") + BEHIND)
    approve(run, cast.caller("tier2"))
    assert (step_of(run).status, world.effects["x"]) == (StepStatus.FAILED, 0)
    assert step_of(run).sentence == "x is never touched (host x): A domain controller."


def test_what_is_taken_off_the_list_is_kept_to_for_a_day(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    row = listed(cast)
    never_touch.remove(row.pk, caller=cast.caller("publisher"), reason="It was replaced.")
    assert step_of(begun()).status == StepStatus.FAILED


def test_reading_a_protected_target_is_no_touching(begun: Callable[..., Run], cast: Cast) -> None:
    listed(cast)
    assert begun(act(action="read")).status == RunStatus.SUCCEEDED


def test_what_was_done_before_it_was_listed_can_be_taken_back(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    run = begun()
    listed(cast)
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)
    assert (run.status, world.effects["x"]) == (RunStatus.ROLLED_BACK, 0)


def test_who_may_keep_the_list(cast: Cast) -> None:
    row = listed(cast)
    with pytest.raises(Refused):
        listed(cast)
    with pytest.raises(Refused):
        never_touch.add(TargetKind.HOST, "y", caller=cast.caller("analyst"), reason="Mine.")
    with pytest.raises(Refused):
        never_touch.remove(row.pk, caller=cast.caller("author"), reason="In my way.")
    with pytest.raises(Invalid):
        never_touch.add(TargetKind.ADDRESS, "nowhere", caller=cast.caller("author"), reason="Why not.")


# --- What is taken back ---


def test_a_rollback_is_covered_by_the_approval_of_what_it_takes_back(
    begun: Callable[..., Run], cast: Cast, world: World, default_policies: None
) -> None:
    run = begun()
    approve(run, cast.caller("tier2"))
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)
    assert (run.status, world.effects["x"]) == (RunStatus.ROLLED_BACK, 0)


def test_a_policy_that_names_the_phase_is_asked_before_anything_is_taken_back(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    """32: not by a rollback either."""
    put_in_force(cast, text(when='phase == "undo"', require=seats("tier-2")))
    run = begun()
    assert run.status == RunStatus.SUCCEEDED
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)
    request = open_request(run)
    assert (run.status, world.effects["x"]) == (RunStatus.ROLLING_BACK, 1)
    assert "the undo of act" in request.question
    approve(run, cast.caller("tier2"))
    assert (run.status, world.effects["x"]) == (RunStatus.ROLLED_BACK, 0)
    replay(run)


def test_the_denial_of_an_undo_ends_the_rollback(begun: Callable[..., Run], cast: Cast, world: World) -> None:
    put_in_force(cast, text(when='phase == "undo"', require=seats("tier-2")))
    run = begun()
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)
    request = open_request(run)
    approvals.decide(
        request.pk,
        caller=cast.caller("tier2"),
        verdict=Verdict.DENY,
        shown_digest=request.digest,
        comment="It still attacks.",
    )
    drive(run)
    assert (run.status, world.effects["x"]) == (RunStatus.ROLLBACK_FAILED, 1)


def test_a_change_whose_time_is_over_is_asked_about_like_a_rollback(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    put_in_force(cast, text(when='phase == "undo"', require=seats("tier-2")))
    begun(act().replace("with:", "expires: 1h\n    with:"))
    after(hours=2)
    run = Run.objects.get(trigger="expiry")
    drive(run)
    assert world.effects["x"] == 1
    approve(run, cast.caller("tier2"))
    assert (run.status, world.effects["x"]) == (RunStatus.SUCCEEDED, 0)
    replay(run)


# --- 61: a permit used past its count, target or date ---


@pytest.fixture
def routine(cast: Cast, second: Caller, fake: Connection) -> Iterator[None]:
    until = (timezone.now() + timedelta(days=10)).isoformat()
    put_in_force(cast, text(require=seats("tier-2")))
    caps = f"{{until: {until!r}, actions: [fake.keyed], times: 3, targets: 2}}"
    put_in_force(cast, text("routine", when='target.startsWith("t")', permit=caps), second)
    return


@pytest.fixture
def small(cast: Cast, fake: Connection) -> Callable[[str], Run]:
    slug = published(cast, "small", act(target='"${ inputs.name }"'), "inputs: {name: {type: string}}\n")

    def run(name: str) -> Run:
        begun = start(cast, slug, name=name)
        drive(begun)
        return begun

    return run


def test_a_permit_lets_run_what_was_agreed_to_beforehand_and_says_so(
    routine: None, small: Callable[[str], Run], world: World
) -> None:
    run = small("t1")
    assert (run.status, world.effects["t1"]) == (RunStatus.SUCCEEDED, 1)
    assert str(PermitUse.objects.get().version) == "routine 1"
    assert replay(run).other_actions == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["t1", "t1", "t1", "t1"], ["succeeded"] * 3 + ["waiting"]),  # its count
        (["t1", "t2", "t3", "t1"], ["succeeded", "succeeded", "waiting", "succeeded"]),  # its targets
        (["other"], ["waiting"]),  # its constraint
    ],
)
def test_case_61_past_its_caps_a_permit_permits_nothing(
    routine: None, small: Callable[[str], Run], names: list[str], expected: list[str]
) -> None:
    assert [small(name).status for name in names] == expected


def test_case_61_past_its_date_a_permit_permits_nothing(routine: None, small: Callable[[str], Run]) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=11)):
        assert small("t1").status == "waiting"


def test_another_action_is_not_permitted(routine: None, begun: Callable[..., Run], world: World) -> None:
    assert begun(act(target="t1", action="safe")).status == RunStatus.WAITING


def test_a_permit_that_was_retired_permits_nothing_at_once(
    routine: None, small: Callable[[str], Run], second: Caller
) -> None:
    policies.retire("routine", 1, caller=second, reason="It was used wrongly.")
    assert small("t1").status == "waiting"


def test_a_permit_leaves_the_gates_of_a_playbook_as_they_are(
    routine: None, begun: Callable[..., Run], world: World
) -> None:
    run = begun(GATE.replace("SEAT", "network-owner") + BEHIND.replace("target: x", "target: t1"))
    assert (seats_of(open_request(run)), world.effects["t1"]) == (["network-owner", "tier-2"], 0)


def test_a_step_uses_a_permit_once_however_often_it_is_tried(
    routine: None, begun: Callable[..., Run], world: World
) -> None:
    world.outcomes.append(BROKEN)
    run = begun(act(target="t1").replace("with:", "retry: {times: 2, every: 5s}\n    with:"))
    after(minutes=1)
    drive(run)
    assert (run.status, PermitUse.objects.count()) == (RunStatus.SUCCEEDED, 1)
    assert Step.objects.get(run=run).attempt_count == 2
    replay(run)


def test_nothing_is_sent_while_it_waits(begun: Callable[..., Run], default_policies: None) -> None:
    run = begun()
    assert executor.sweep() == 0
    assert not Step.objects.get(run=run).attempts.exists()


# --- Who has changed the rules, and what a policy asks of whoever approves ---


def test_whoever_put_a_policy_in_force_lately_does_not_decide_by_it(
    begun: Callable[..., Run], cast: Cast
) -> None:
    """22, 23: nobody lowers a rule and then decides under it."""
    people.grant(cast.publisher, "tier-2", actor=SYSTEM, granted_by=None)
    put_in_force(cast, text(require=seats("tier-2")))
    run = begun()
    with pytest.raises(Refused) as refused:
        approve(run, cast.caller("publisher"))
    assert refused.value.rule == "own_policy"
    assert "the policy edge" in str(refused.value)


def test_a_policy_that_has_been_in_force_for_a_day_is_nobodys_any_more(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    people.grant(cast.publisher, "tier-2", actor=SYSTEM, granted_by=None)
    put_in_force(cast, text(require=seats("tier-2")))
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        run = begun()
        approve(run, cast.caller("publisher"))
    assert world.effects["x"] == 1


def test_a_policy_asks_for_a_second_factor_where_nothing_is_destroyed(
    begun: Callable[..., Run], cast: Cast, world: World
) -> None:
    put_in_force(cast, text(step_up="true"))
    run = begun(GATE.replace("SEAT", "tier-2") + BEHIND)
    with pytest.raises(Refused) as refused:
        approve(run, cast.caller("tier2"))
    assert refused.value.rule == "not_stepped_up"
    prove_decision(cast.caller("tier2"), open_request(run))
    approve(run, cast.caller("tier2"))
    assert world.effects["x"] == 1
