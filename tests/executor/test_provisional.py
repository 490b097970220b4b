"""What runs provisionally: at once, within its caps, and taken back by itself unless people countersign it in time.

Never what destroys or cannot be undone, never past a freeze, the never-touch list or a playbook's own gate.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from playbooks.domain.policies.never_touch import TargetKind
from playbooks.domain.statuses import ExpiryStatus, RequestStatus, RunStatus, Verdict
from playbooks.models import ApprovalRequest, Connection, Expiry, PermitUse, PolicyVersion, Run, RunTrigger
from playbooks.models.audit import AuditEntry
from playbooks.operations import (
    approvals,
    break_glass,
    connections,
    denied,
    never_touch,
    people,
    policies,
    policy_trials,
    requests,
    reruns,
    rollbacks,
    runs,
    stopping,
    withdrawals,
)
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.policy_trials import Question
from playbooks.operations.refusals import Refused, Unsound
from playbooks.operations.runs import Resolution
from playbooks.queries import approvals as approval_queries
from tests.cast import Cast
from tests.executor.test_policies import (
    BEHIND,
    DESTROY,
    GATE,
    begun,
    put_in_force,
    replay,
    seats,
    seats_of,
    second,
    text,
)
from tests.executor.world import BROKEN, LOST, REFUSED, World
from tests.operations.waiting import act, after, drive, published, start, step_of
from tests.proving import proven

__all__ = ["begun", "second"]

pytestmark = pytest.mark.usefixtures("any_time")

Begun = Callable[..., Run]
RETRY = act().replace("with:", "retry: {times: 2, every: 5s}\n    with:")


def provisional(targets: int = 2, minutes: int = 30, *, when: str = "true", more: str = "") -> str:
    caps = f"minutes: {minutes}, targets: {targets}, actions: [fake.keyed], seats: [{{role: tier-2}}]"
    return text("contain", when=when, provisional=f"{{{caps}{more}}}")


@pytest.fixture
def contain(cast: Cast, second: Caller, fake: Connection) -> None:
    """Everything asks for tier 2, and what contains runs before they are asked."""
    put_in_force(cast, text(require=seats("tier-2")))
    put_in_force(cast, provisional(), second)


@pytest.fixture
def small(cast: Cast, fake: Connection) -> Callable[[str], Run]:
    slug = published(cast, "small", act(target='"${ inputs.name }"'), "inputs: {name: {type: string}}\n")

    def run(name: str) -> Run:
        begun = start(cast, slug, name=name)
        drive(begun)
        return begun

    return run


def asked(run: Run) -> ApprovalRequest:
    return ApprovalRequest.objects.get(run=run)


def decide(run: Run, caller: Caller, verdict: Verdict = Verdict.APPROVE) -> ApprovalRequest:
    request = asked(run)
    return approvals.decide(
        request.pk, caller=caller, verdict=verdict, shown_digest=request.digest, comment="Looked."
    )


def let_go_by(**time: float) -> None:
    """So much time goes by, and what is due then is done."""
    after(**time)
    drive(*Run.objects.filter(trigger=RunTrigger.EXPIRY, ended_at=None))


def state(run: Run) -> tuple[str, str]:
    return asked(run).status, Expiry.objects.get(step__run=run).status


# --- It runs at once, and is taken back unless it is countersigned ---


def test_it_runs_at_once_and_people_are_asked_afterwards(
    contain: None, begun: Begun, cast: Cast, world: World
) -> None:
    run = begun()
    assert (run.status, world.effects["x"], state(run)) == (RunStatus.SUCCEEDED, 1, ("open", "active"))
    request = asked(run)
    assert (seats_of(request), request.countersigns) == (["tier-2"], True)
    assert "It ran before anybody was asked: contain 1 and edge 1." in request.question
    (shown,) = requests.stored_subject(request)["covered"]
    assert (shown["step"], shown["target"], shown["undo"]["action"]) == ("act", "x", "fake.undo")
    due_at = Expiry.objects.get(step__run=run).due_at
    assert timedelta(minutes=29) < due_at - timezone.now() < timedelta(minutes=30)
    told = replay(run)
    assert (told.provisional_actions, told.approved_actions, told.other_actions) == (1, 0, 0)


def test_what_is_countersigned_stays(contain: None, begun: Begun, cast: Cast, world: World) -> None:
    run = begun()
    assert decide(run, cast.caller("tier2")).status == RequestStatus.GRANTED
    let_go_by(days=3)
    run.refresh_from_db()
    assert (run.status, world.effects["x"], state(run)) == (RunStatus.SUCCEEDED, 1, ("granted", "kept"))
    assert replay(run).decisions == 1


def test_what_nobody_countersigns_is_taken_back_though_everything_was_down(
    contain: None, begun: Begun, world: World
) -> None:
    run = begun()
    let_go_by(minutes=29)
    assert world.effects["x"] == 1
    let_go_by(days=7)
    assert (world.effects["x"], state(run)) == (0, ("expired", "ended"))
    replay(run)


def test_what_is_denied_is_taken_back_at_once(contain: None, begun: Begun, cast: Cast, world: World) -> None:
    run = begun()
    decide(run, cast.caller("tier2"), Verdict.DENY)
    let_go_by(seconds=1)
    run.refresh_from_db()
    assert (run.status, world.effects["x"], state(run)) == (RunStatus.SUCCEEDED, 0, ("denied", "ended"))
    replay(run)


def test_nobody_countersigns_once_its_time_is_over(
    contain: None, begun: Begun, cast: Cast, world: World
) -> None:
    run = begun()
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        with pytest.raises(Refused) as refused:
            decide(run, cast.caller("tier2"))
        assert refused.value.rule == "closed"
        let_go_by(seconds=1)
    assert world.effects["x"] == 0


def test_whoever_asked_for_the_run_does_not_countersign_it(contain: None, begun: Begun, cast: Cast) -> None:
    people.grant(cast.analyst, "tier-2", actor=SYSTEM, granted_by=None)
    people.grant(cast.author, "tier-2", actor=SYSTEM, granted_by=None)
    run = begun()
    for name, rule in (("analyst", "own_request"), ("author", "own_playbook"), ("netowner", "not_in_seat")):
        with pytest.raises(Refused) as refused:
            decide(run, cast.caller(name))
        assert refused.value.rule == rule
    assert asked(run).status == RequestStatus.OPEN


@pytest.mark.parametrize("name", ["publisher", "second"])
def test_whoever_had_a_hand_in_the_provisional_does_not_countersign_what_it_let_run(
    contain: None, begun: Begun, cast: Cast, second: Caller, name: str
) -> None:
    caller = second if name == "second" else cast.caller(name)
    people.grant(caller.principal, "tier-2", actor=SYSTEM, granted_by=None)
    run = begun()
    with pytest.raises(Refused) as refused:
        decide(run, Caller(caller.principal, session=name))
    assert "own_policy" in [each.rule for each in refused.value.denials]


def test_whoever_asked_takes_the_request_back_and_with_it_the_change(
    contain: None, begun: Begun, cast: Cast, world: World
) -> None:
    run = begun()
    withdrawals.withdraw_request(asked(run).pk, caller=cast.caller("analyst"), reason="Not needed.")
    let_go_by(seconds=1)
    assert (world.effects["x"], state(run)) == (0, ("withdrawn", "ended"))


def test_the_countersignature_takes_all_that_policies_asked_at_the_claim(
    cast: Cast, second: Caller, begun: Begun, world: World
) -> None:
    put_in_force(cast, text(require=seats("tier-2", "network-owner")))
    put_in_force(cast, provisional(), second)
    run = begun()
    assert seats_of(asked(run)) == ["network-owner", "tier-2"]
    decide(run, cast.caller("tier2"))
    let_go_by(hours=1)
    assert (world.effects["x"], asked(run).status) == (0, RequestStatus.EXPIRED)


def test_a_provisional_alone_asks_afterwards_and_past_its_caps_before(
    cast: Cast, second: Caller, small: Callable[[str], Run], world: World
) -> None:
    put_in_force(cast, provisional(targets=1), second)
    first, other = small("a"), small("b")
    assert (first.status, other.status) == (RunStatus.SUCCEEDED, RunStatus.WAITING)
    assert (asked(first).countersigns, asked(other).countersigns) == (True, False)
    decide(other, cast.caller("tier2"))
    drive(other)
    assert (other.status, world.effects["b"]) == (RunStatus.SUCCEEDED, 1)
    let_go_by(hours=1)
    assert (world.effects["a"], world.effects["b"]) == (0, 1)
    replay(other)


# --- It lasts as its playbook says ---


@pytest.mark.parametrize(("expires", "until"), [("2h", 120), ("10m", 10)])
def test_countersigned_it_lasts_as_long_as_its_playbook_says(
    contain: None, begun: Begun, cast: Cast, world: World, expires: str, until: int
) -> None:
    run = begun(act().replace("with:", f"expires: {expires}\n    with:"))
    decide(run, cast.caller("tier2"))
    let_go_by(minutes=until - 1)
    assert world.effects["x"] == 1
    let_go_by(minutes=until + 1)
    assert (world.effects["x"], state(run)) == (0, ("granted", "ended"))


def test_its_own_time_comes_first_where_that_is_sooner(contain: None, begun: Begun, world: World) -> None:
    begun(act().replace("with:", "expires: 10m\n    with:"))
    let_go_by(minutes=11)
    assert world.effects["x"] == 0


def test_a_rollback_takes_it_back_and_nobody_is_asked_any_more(
    contain: None, begun: Begun, cast: Cast, world: World
) -> None:
    run = begun()
    rollbacks.start(run.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(run).digest)
    drive(run)
    assert (world.effects["x"], state(run)) == (0, ("withdrawn", "ended"))
    let_go_by(hours=1)
    assert (world.effects["x"], Run.objects.count()) == (0, 1)
    replay(run)


def test_what_a_rollback_leaves_to_others_who_hold_it_is_not_asked_about_any_more(
    contain: None, begun: Begun, small: Callable[[str], Run], cast: Cast, world: World
) -> None:
    first, other = begun(act() + act("also", "y")), small("x")
    rollbacks.start(first.pk, caller=cast.caller("analyst"), plan_digest=rollbacks.plan_of(first).digest)
    drive(first)
    left = Expiry.objects.get(step__run=first, step__key="act")
    assert (world.effects["y"], left.status, state(other)) == (0, "released", ("open", "active"))
    assert set(first.requests.values_list("status", flat=True)) == {"withdrawn"}
    decide(other, cast.caller("tier2"), Verdict.DENY)
    let_go_by(seconds=1)
    left.refresh_from_db()
    assert (left.status, state(other)) == ("ended", ("denied", "ended"))


def test_a_run_that_is_cancelled_leaves_it_to_be_countersigned(
    contain: None, begun: Begun, cast: Cast, world: World
) -> None:
    run = begun(act() + "  - id: pause\n    wait: {for: 1h}\n")
    stopping.cancel(run.pk, caller=cast.caller("analyst"))
    assert state(run) == ("open", "active")
    decide(run, cast.caller("tier2"))
    let_go_by(hours=2)
    assert world.effects["x"] == 1


def test_what_goes_on_behind_it_does_not_wait(contain: None, begun: Begun, cast: Cast, world: World) -> None:
    run = begun(act() + "  - id: look\n    do: fake.read\n    using: fake\n    with: {target: y}\n")
    assert (run.status, asked(run).status) == (RunStatus.SUCCEEDED, RequestStatus.OPEN)


def test_a_run_that_failed_later_goes_on_from_where_it_was_countersigned(
    contain: None, begun: Begun, cast: Cast, world: World
) -> None:
    then = BEHIND.replace("id: act", "id: then").replace("target: x", "target: y")
    run = begun(act() + "  - id: pause\n    wait: {for: 1h}\n" + then)
    decide(run, cast.caller("tier2"))
    world.outcomes.append(REFUSED)
    let_go_by(hours=2)
    drive(run)
    assert run.status == RunStatus.FAILED
    assert [each["step"] for each in rollbacks.plan_of(run).as_json()["undo"]] == ["act"]
    again = reruns.rerun(run.pk, caller=cast.caller("analyst"))
    drive(again)
    assert step_of(again).adopts_id is not None


# --- Its caps ---


def test_past_its_targets_people_are_asked_before_and_a_countersigned_one_makes_room(
    contain: None, small: Callable[[str], Run], cast: Cast, world: World
) -> None:
    first = small("a")
    assert [small(name).status for name in ("b", "a", "c")] == ["succeeded", "succeeded", "waiting"]
    decide(first, cast.caller("tier2"))
    again = small("d")  # the second run on a stands on nobody's word still
    assert again.status == "waiting"
    for run in Run.objects.filter(requests__countersigns=True, requests__status="open"):
        decide(run, cast.caller("tier2"))
    assert small("e").status == "succeeded"
    assert world.effects["c"] == world.effects["d"] == 0


def test_what_was_not_countersigned_makes_no_room(contain: None, small: Callable[[str], Run]) -> None:
    assert [small(name).status for name in ("a", "b")] == ["succeeded"] * 2
    let_go_by(hours=1)
    assert small("c").status == "waiting"


def test_what_was_denied_is_asked_about_before_it_is_done_again(
    contain: None, small: Callable[[str], Run], cast: Cast, world: World
) -> None:
    run = small("a")
    decide(run, cast.caller("tier2"), Verdict.DENY)
    assert (small("a").status, small("b").status) == ("waiting", "succeeded")
    with pytest.raises(Refused) as refused:
        denied.ask_again(asked(run).pk, caller=cast.caller("analyst"), evidence="More of it.")
    assert refused.value.rule == "not_denied"


@pytest.mark.parametrize(("more", "days"), [("", 93), (", until: '{}'", 11)])
def test_it_ends_by_itself(
    cast: Cast, second: Caller, small: Callable[[str], Run], more: str, days: int
) -> None:
    put_in_force(cast, text(require=seats("tier-2")))
    until = (timezone.now() + timedelta(days=10)).isoformat()
    put_in_force(cast, provisional(more=more.format(until)), second)
    assert small("a").status == "succeeded"
    with time_machine.travel(timezone.now() + timedelta(days=days)):
        assert small("b").status == "waiting"


def test_retired_it_lets_nothing_run_at_once(
    contain: None, small: Callable[[str], Run], second: Caller
) -> None:
    policies.retire("contain", 1, caller=second, reason="It was used wrongly.")
    assert PolicyVersion.objects.get(policy__slug="contain").status == "retired"
    assert small("a").status == "waiting"


def test_it_takes_two_who_did_not_write_it(cast: Cast, second: Caller, fake: Connection) -> None:
    author = cast.caller("author")
    policies.draft(provisional(), caller=author)
    policies.submit("contain", 1, caller=author)
    for caller, rule in ((cast.caller("publisher"), "permit_takes_two"),):
        with pytest.raises(Refused) as refused:
            policies.publish("contain", 1, caller=caller)
        assert refused.value.rule == rule
    policies.second("contain", 1, caller=cast.caller("publisher"))
    assert policies.publish("contain", 1, caller=second).status == "published"


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("fake.destroy", "nothing that destroys"),
        ("fake.undo", "no change that can be undone"),
        ("fake.x", "no action"),
    ],
)
def test_what_destroys_or_cannot_be_undone_is_never_provisional(
    cast: Cast, fake: Connection, action: str, words: str
) -> None:
    with pytest.raises(Unsound) as refused:
        policies.draft(provisional().replace("fake.keyed", action), caller=cast.caller("author"))
    assert any(words in each.message for each in refused.value.problems), refused.value.problems


# --- What stands above it ---


def test_a_step_that_its_playbook_never_undoes_is_asked_about_before(
    contain: None, begun: Begun, world: World
) -> None:
    run = begun(act().replace("with:", "undo: {none: It is wanted.}\n    with:"))
    assert (run.status, world.effects["x"], asked(run).countersigns) == (RunStatus.WAITING, 0, False)


def test_the_gate_of_a_playbook_stands(contain: None, begun: Begun, cast: Cast, world: World) -> None:
    run = begun(GATE.replace("SEAT", "network-owner") + BEHIND)
    assert (seats_of(asked(run)), world.effects["x"]) == (["network-owner", "tier-2"], 0)
    assert not PermitUse.objects.exists()


def test_a_freeze_and_the_never_touch_list_stand(
    contain: None, small: Callable[[str], Run], cast: Cast, world: World
) -> None:
    never_touch.add(TargetKind.HOST, "a", caller=cast.caller("author"), reason="Ours.")
    assert (small("a").status, world.effects["a"]) == ("failed", 0)
    put_in_force(cast, text("freeze", forbid="There is a freeze."))
    assert (small("b").status, world.effects["b"]) == ("failed", 0)


def test_the_limit_of_a_connection_stands(
    contain: None, small: Callable[[str], Run], fake: Connection, world: World
) -> None:
    Connection.objects.filter(pk=fake.pk).update(
        most_targets=1, targets_seconds=3600, targets_role="network-owner"
    )
    assert small("a").status == "succeeded"
    run = small("b")
    assert (run.status, seats_of(asked(run))) == ("waiting", ["network-owner", "tier-2"])


def test_break_glass_does_not_countersign(contain: None, begun: Begun, cast: Cast, world: World) -> None:
    run = begun()
    people.grant(cast.netowner, "break-glass", actor=SYSTEM, granted_by=None)
    with pytest.raises(Refused) as refused:
        break_glass.use(
            asked(run).pk, caller=cast.caller("netowner"), shown_digest=asked(run).digest, reason="Now."
        )
    assert refused.value.rule == "nothing_waits"
    assert asked(run).status == RequestStatus.OPEN


# --- When things go wrong ---


def test_a_step_that_is_tried_again_uses_it_once(
    contain: None, begun: Begun, cast: Cast, world: World
) -> None:
    world.outcomes.append(BROKEN)
    run = begun(RETRY)
    assert not ApprovalRequest.objects.exists()
    after(minutes=1)
    drive(run)
    assert (run.status, PermitUse.objects.count(), state(run)) == ("succeeded", 1, ("open", "active"))
    assert replay(run).provisional_actions == 2


def test_what_a_person_says_happened_is_to_be_countersigned_too(
    contain: None, begun: Begun, cast: Cast, world: World
) -> None:
    world.outcomes += [LOST] * 6
    run = begun()
    for _ in range(8):
        after(hours=1)
        drive(run)
    step = step_of(run)
    assert step.status == "unknown"
    runs.resolve(
        run.pk, step.key, caller=cast.caller("analyst"), resolution=Resolution.HAPPENED, comment="There."
    )
    assert state(run) == ("open", "active")
    replay(run)


def test_a_turn_of_a_list_is_countersigned_by_itself(
    contain: None, begun: Begun, cast: Cast, world: World
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
    assert run.status == RunStatus.SUCCEEDED
    for request in ApprovalRequest.objects.filter(step__key="hosts[0].act"):
        approvals.decide(
            request.pk,
            caller=cast.caller("tier2"),
            verdict=Verdict.APPROVE,
            shown_digest=request.digest,
            comment="",
        )
    let_go_by(hours=1)
    assert (world.effects["a"], world.effects["b"]) == (1, 0)
    replay(run)


def test_another_profile_asks_again_until_the_same_time(
    contain: None, begun: Begun, cast: Cast, world: World
) -> None:
    run = begun()
    before = asked(run)
    requests_of = ApprovalRequest.objects.filter(run=run, status=RequestStatus.OPEN)
    put_in_force(cast, text("also", require=seats("network-owner")))
    with pytest.raises(Refused) as refused:
        decide(run, cast.caller("tier2"))
    assert refused.value.rule == "stale_digest"
    request = requests_of.get()
    assert (seats_of(request), request.countersigns) == (["network-owner", "tier-2"], True)
    assert before.due_at is not None
    assert request.due_at is not None
    assert abs(request.due_at - before.due_at) <= timedelta(seconds=1)
    for name in ("tier2", "netowner"):
        approvals.decide(
            request.pk,
            caller=cast.caller(name),
            verdict=Verdict.APPROVE,
            shown_digest=request.digest,
            comment="",
        )
    let_go_by(hours=1)
    assert world.effects["x"] == 1
    replay(run)


# --- What is shown and told of it ---


def test_each_of_it_is_in_the_log(contain: None, begun: Begun, cast: Cast) -> None:
    run = begun()
    decide(run, cast.caller("tier2"))
    verbs = list(AuditEntry.objects.filter(stream__key=str(run.pk)).values_list("verb", flat=True))
    for verb in (
        "provisional.used",
        "expiry.scheduled",
        "request.opened",
        "request.granted",
        "expiry.dropped",
    ):
        assert verbs.count(verb) == 1


def test_whoever_may_countersign_has_it_in_the_inbox(contain: None, begun: Begun, cast: Cast) -> None:
    run = begun()
    (view,) = approval_queries.views(list(approval_queries.inbox(cast.tier2)), cast.tier2)
    assert (view.run, view.countersigns, view.may_decide) == (run.pk, True, True)
    assert "it is taken back" in view.late_sentence


def test_explain_and_simulate_know_of_it(begun: Begun, cast: Cast, second: Caller, fake: Connection) -> None:
    begun()
    tried = policy_trials.simulate(provisional(), caller=cast.caller("analyst"))
    assert (tried.matched, tried.more, tried.examples[0].seats_after) == (1, 1, ("tier-2",))
    put_in_force(cast, provisional(), second)
    told = policy_trials.explain(Question("fake.keyed", "fake"), caller=cast.caller("analyst"))
    assert (told.policies[0].countersigned_by, told.seats) == (("tier-2",), ())


def test_the_owner_of_the_target_may_countersign(
    cast: Cast, second: Caller, begun: Begun, world: World
) -> None:
    put_in_force(cast, provisional().replace("{role: tier-2}", "{owner_of: target}"), second)
    connections.give_to("fake", caller=proven(cast.caller("admin")), owner="netowner")
    run = begun()
    assert seats_of(asked(run)) == ["owner_of:fake"]
    decide(run, cast.caller("netowner"))
    assert state(run) == ("granted", ExpiryStatus.KEPT)


def test_what_destroys_waits_whatever_is_provisional(contain: None, begun: Begun, world: World) -> None:
    run = begun(GATE.replace("SEAT", "tier-2") + DESTROY)
    assert (run.status, asked(run).countersigns, world.effects["x"]) == (RunStatus.WAITING, False, 0)
