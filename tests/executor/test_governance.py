"""Nobody gets past the sentence on the wall through nested steps, other runs, re-runs, questions or events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from playbooks import executor
from playbooks.domain.entries import parse_body
from playbooks.domain.outcomes import Succeeded
from playbooks.domain.replay import Replay
from playbooks.domain.statuses import RequestStatus, RunStatus, StepStatus, Verdict
from playbooks.models import ApprovalRequest, Attempt, Connection, Run, Step
from playbooks.models.audit import AuditBody
from playbooks.operations import (
    answers,
    approvals,
    connections,
    events,
    people,
    playbooks,
    requests,
    reruns,
    rollbacks,
    runs,
)
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Refused
from playbooks.operations.runs import Resolution
from tests.cast import Cast, publish
from tests.executor.world import BROKEN, LOST, REFUSED, World

pytestmark = pytest.mark.usefixtures("any_time")

Begin = Callable[..., Run]

WORKED = Succeeded({"target": "x", "changed": True, "count": 1})
ACT = "do: fake.keyed, using: fake"
CHILD = """
playbook: the-child
title: The child
inputs:
  target: {type: string}
steps:
  - id: gate
    approve: Act on ${ inputs.target }?
    seats: [{role: tier-2}]
  - id: act
    do: fake.keyed
    using: fake
    with: {target: "${ inputs.target }"}
"""
ASK = """
  - id: scope
    ask: Which host?
    fields: {host: {type: string}}
    who: {role: tier-2}
"""
GATE = """
  - id: gate
    approve: Really?
    seats: [{role: tier-2}]
"""
CONTAIN = """
  - id: contain
    run: the-child
    with: {target: "${ steps.scope.outputs.host }"}
"""


def drive(*driven: Run) -> None:
    for run in driven:
        executor.drive(run.pk, worker="test")
        run.refresh_from_db()


def later(run: Run, **delta: float) -> None:
    executor.sweep(now=timezone.now() + timedelta(**delta))
    drive(run)


def step(run: Run, key: str) -> Step:
    return run.steps.get(key=key, round=0)


def decide(request: ApprovalRequest, cast: Cast, person: str = "tier2", *, deny: bool = False) -> None:
    approvals.decide(
        request.pk,
        caller=cast.caller(person),
        verdict=Verdict.DENY if deny else Verdict.APPROVE,
        shown_digest=request.digest,
        comment="No." if deny else "",
    )


def rule_against(request: ApprovalRequest, cast: Cast, person: str = "tier2") -> str:
    with pytest.raises(Refused) as caught:
        decide(request, cast, person)
    return caught.value.rule


def answer(run: Run, cast: Cast, **values: object) -> None:
    answers.answer(run.questions.get().pk, caller=cast.caller("tier2"), answers=values)


def replayed(run: Run) -> Replay:
    """What verify.py says of the run's stream, as far as it was written."""
    entries = [parse_body(bytes(body)) for body in AuditBody.objects.values_list("body", flat=True)]
    own = [entry for entry in entries if entry.stream_key == str(run.pk)]
    replay = Replay()
    for entry in sorted(own, key=lambda each: each.stream_seq):
        replay.feed(entry)
    replay.finish()
    return replay


# Whose approval


def test_whoever_asked_for_the_run_before_decides_nothing_in_its_rerun(
    begin: Begin, world: World, cast: Cast
) -> None:
    before = begin(GATE + f"  - {{id: act, {ACT}, with: {{target: x}}}}\n")
    decide(before.requests.get(), cast)
    world.outcomes = [BROKEN]
    drive(before)
    again = reruns.rerun(before.pk, caller=cast.caller("tier2"))
    request = again.requests.get()
    assert set(request.requesters) == {str(cast.analyst.pk), str(cast.tier2.pk)}
    assert rule_against(request, cast) == "own_request"


def test_whoever_answered_in_the_run_before_decides_nothing_in_its_rerun(
    begin: Begin, world: World, cast: Cast
) -> None:
    before = begin(
        ASK + GATE + f'  - {{id: act, {ACT}, with: {{target: "${{ steps.scope.outputs.host }}"}}}}\n'
    )
    answer(before, cast, host="x")
    request = before.requests.get()
    approvals.expire(request.pk, now=timezone.now() + timedelta(days=9))
    before.refresh_from_db()
    assert before.status == RunStatus.FAILED
    again = reruns.rerun(before.pk, caller=cast.caller("analyst"))
    assert step(again, "scope").adopts is not None
    assert rule_against(again.requests.get(), cast) == "own_request"


def test_whoever_answered_a_question_decides_nothing_in_a_run_that_got_the_answer(
    begin: Begin, world: World, cast: Cast
) -> None:
    publish(cast, CHILD)
    run = begin(ASK + CONTAIN)
    answer(run, cast, host="x")
    drive(run)
    child = step(run, "contain").children.get()
    drive(child)
    assert rule_against(child.requests.get(), cast) == "own_request"


def test_whoever_answered_in_a_run_decides_nothing_that_follows_from_what_it_gave(
    begin: Begin, world: World, cast: Cast
) -> None:
    publish(
        cast,
        f"playbook: the-child\ntitle: Asks\nsteps:{ASK}outputs:\n  host: ${{ steps.scope.outputs.host }}\n",
    )
    act = f'  - {{id: act, {ACT}, with: {{target: "${{ steps.find.outputs.host }}"}}}}\n'
    run = begin("  - {id: find, run: the-child}\n" + GATE + act)
    drive(run)
    child = step(run, "find").children.get()
    drive(child)
    answer(child, cast, host="x")
    drive(child, run)
    assert rule_against(run.requests.get(), cast) == "own_request"


def test_whoever_reported_an_event_does_not_decide_what_it_says(
    begin: Begin, world: World, cast: Cast
) -> None:
    wait = "  - {id: told, wait: {event: host.named, key: k, within: 1h}}\n"
    act = f'  - {{id: act, {ACT}, with: {{target: "${{ steps.told.outputs.data.host }}"}}}}\n'
    run = begin(wait + GATE + act)
    events.post("host.named", "k", caller=cast.caller("tier2"), data={"host": "x"})
    assert rule_against(run.requests.get(), cast) == "own_request"


def test_whoever_wrote_a_playbook_does_not_decide_whether_another_runs_it(
    begin: Begin, world: World, cast: Cast
) -> None:
    people.grant(cast.tier2, "author", actor=SYSTEM, granted_by=None)
    draft = playbooks.draft(CHILD, caller=cast.caller("tier2"))
    playbooks.submit("the-child", draft.number, caller=cast.caller("tier2"))
    playbooks.publish("the-child", draft.number, caller=cast.caller("publisher"))
    run = begin(GATE + "  - {id: contain, run: the-child, with: {target: x}}\n")
    assert rule_against(run.requests.get(), cast) == "own_playbook"


def test_whoever_wrote_a_playbook_decides_nothing_in_the_runs_that_it_starts(
    begin: Begin, world: World, cast: Cast
) -> None:
    publish(cast, CHILD)
    people.grant(cast.author, "tier-2", actor=SYSTEM, granted_by=None)
    run = begin("  - {id: contain, run: the-child, with: {target: x}}\n")
    drive(run)
    child = step(run, "contain").children.get()
    drive(child)
    assert str(cast.author.pk) in child.requests.get().authors
    assert rule_against(child.requests.get(), cast, "author") == "own_playbook"


# What runs behind a gate


def test_what_no_gate_could_show_runs_once_in_every_turn_of_a_list_that_it_could(
    begin: Begin, world: World, cast: Cast
) -> None:
    """Its parameters come from a step of the same turn: it is named as not covered, and nobody is asked for ever."""
    run = begin(
        GATE
        + f"""
  - id: hosts
    each: ["a", "b"]
    steps:
      - {{id: look, do: fake.read, using: fake, with: {{target: "${{ item }}"}}}}
      - {{id: act, {ACT}, with: {{target: "${{ steps.look.outputs.target }}"}}}}
"""
    )
    decide(run.requests.get(), cast)
    drive(run)
    assert (run.status, world.effects) == (RunStatus.SUCCEEDED, {"a": 1, "b": 1})
    assert run.requests.count() == 1
    replayed(run)


def test_what_no_gate_could_show_in_blocks_inside_blocks(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(
        GATE
        + f"""
  - id: sites
    each: ["a", "b"]
    steps:
      - {{id: find, set: {{hosts: ["${{ item }}1", "${{ item }}2"]}}}}
      - id: hosts
        each: ${{ steps.find.outputs.hosts }}
        steps: [{{id: act, {ACT}, with: {{target: "${{ item }}"}}}}]
"""
    )
    decide(run.requests.get(), cast)
    drive(run)
    assert run.status == RunStatus.SUCCEEDED
    assert run.requests.count() == 1
    replayed(run)


def test_a_gate_that_its_condition_leaves_out_hides_no_denied_gate_before_it(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(
        GATE
        + f"""
  - {{id: second, needs: [gate], after: always, when: "false", approve: Sure?, seats: [{{role: tier-2}}]}}
  - {{id: other, needs: [], set: {{a: 1}}}}
  - {{id: act, needs: [second, other], {ACT}, with: {{target: x}}}}
"""
    )
    decide(run.requests.get(), cast, deny=True)
    drive(run)
    assert (run.status, dict(world.effects)) == (RunStatus.FAILED, {})


def test_a_gate_that_its_condition_leaves_out_asks_for_nothing(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(
        GATE
        + f"""
  - {{id: second, needs: [gate], when: "false", approve: Sure?, seats: [{{role: tier-2}}]}}
  - {{id: other, needs: [], set: {{a: 1}}}}
  - {{id: act, needs: [second, other], {ACT}, with: {{target: x}}}}
"""
    )
    decide(run.requests.get(), cast)
    drive(run)
    assert (run.status, dict(world.effects)) == (RunStatus.SUCCEEDED, {"x": 1})


@pytest.mark.parametrize("after", ["always", "failure"])
def test_nothing_changes_behind_a_denied_gate_at_any_depth(
    begin: Begin, world: World, cast: Cast, after: str
) -> None:
    run = begin(
        GATE
        + f"""
  - id: outer
    after: {after}
    each: ["a"]
    may_fail: 5
    steps:
      - id: inner
        after: always
        repeat: {{until: "turn == 1", most: 1}}
        steps:
          - {{id: act, after: always, {ACT}, with: {{target: "${{ item }}"}}}}
"""
    )
    decide(run.requests.get(), cast, deny=True)
    drive(run)
    assert (run.status, dict(world.effects)) == (RunStatus.FAILED, {})


def test_nothing_changes_behind_a_denied_gate_of_the_same_turn(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(f"""
  - id: hosts
    each: ["a"]
    continue_on_failure: true
    steps:
      - {{id: gate, approve: Really?, seats: [{{role: tier-2}}]}}
      - {{id: act, after: always, {ACT}, with: {{target: "${{ item }}"}}}}
      - {{id: mend, after: failure, {ACT}, with: {{target: "${{ item }}"}}}}
""")
    decide(run.requests.get(), cast, deny=True)
    drive(run)
    assert (run.status, dict(world.effects)) == (RunStatus.SUCCEEDED, {})


def test_what_an_event_will_say_is_named_as_not_covered(begin: Begin, world: World, cast: Cast) -> None:
    run = begin(
        GATE
        + f"""
  - {{id: late, wait: {{event: more, key: k, within: 1h}}}}
  - {{id: act, {ACT}, with: {{target: "${{ steps.late.outputs.data.host }}"}}}}
"""
    )
    assert requests.stored_subject(run.requests.get())["not_covered"] == ["act"]


def test_a_list_that_holds_the_moment_is_the_list_that_was_approved(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin(
        GATE
        + f"""
  - {{id: rest, wait: {{for: 1s}}}}
  - id: hosts
    each: ["${{ now }}"]
    steps: [{{id: act, {ACT}, with: {{target: "${{ item }}"}}}}]
"""
    )
    request = run.requests.get()
    decide(request, cast)
    later(run, seconds=5)
    assert run.status == RunStatus.SUCCEEDED
    assert list(world.effects) == [requests.stored_subject(request)["frozen_at"]]


# Re-runs


def test_what_was_taken_back_in_the_first_of_three_runs_is_not_taken_over_by_the_third(
    begin: Begin, world: World, cast: Cast
) -> None:
    first = begin(
        f"  - {{id: act, {ACT}, with: {{target: x}}}}\n  - {{id: then, {ACT}, with: {{target: y}}}}\n"
    )
    world.outcomes = [WORKED, REFUSED]
    drive(first)
    world.outcomes = [REFUSED]
    second = reruns.rerun(first.pk, caller=cast.caller("analyst"))
    drive(second)
    assert second.status == RunStatus.FAILED
    rollbacks.start(first.pk, caller=cast.caller("tier2"), plan_digest=rollbacks.plan_of(first).digest)
    drive(first)
    assert world.order == ["undo x"]
    with pytest.raises(Refused) as caught:
        reruns.rerun(second.pk, caller=cast.caller("analyst"))
    assert caught.value.rule == "run_rolled_back"


def test_what_was_only_simulated_is_not_taken_over_by_a_run_that_is_real(
    begin: Begin, world: World, cast: Cast, fake: object
) -> None:
    admin = cast.caller("admin")
    connections.configure("fake", caller=admin, connector="fake", settings={}, secrets={}, is_simulated=True)
    before = begin(
        f"  - {{id: act, {ACT}, with: {{target: x}}}}\n"
        "  - {id: stop, each: '${ case.title }', steps: [{id: a, set: {b: 1}}]}\n"
    )
    drive(before)
    assert (before.status, before.is_simulated, dict(world.effects)) == (RunStatus.FAILED, True, {})
    connections.configure("fake", caller=admin, connector="fake", settings={}, secrets={}, is_simulated=False)
    with pytest.raises(Refused) as caught:
        reruns.rerun(before.pk, caller=cast.caller("analyst"))
    assert caught.value.rule == "run_simulated_otherwise"


def test_an_approval_is_not_taken_over(begin: Begin, world: World, cast: Cast) -> None:
    before = begin(
        GATE + f"  - {{id: one, {ACT}, with: {{target: x}}}}\n  - {{id: two, {ACT}, with: {{target: y}}}}\n"
    )
    decide(before.requests.get(), cast)
    world.outcomes = [WORKED, REFUSED]
    drive(before)
    again = reruns.rerun(before.pk, caller=cast.caller("analyst"))
    drive(again)
    assert (step(again, "one").status, step(again, "gate").status) == (
        StepStatus.SUCCEEDED,
        StepStatus.WAITING,
    )
    assert dict(world.effects) == {}
    assert again.requests.get().status == RequestStatus.OPEN
    decide(again.requests.get(), cast)
    drive(again)
    assert (again.status, dict(world.effects)) == (RunStatus.SUCCEEDED, {"y": 1})
    replayed(again)


# Evidence


def test_a_step_that_had_to_ask_and_no_longer_has_to_is_no_contradiction(
    begin: Begin, world: World, cast: Cast
) -> None:
    """Its connection has changed fewer targets again when the approval comes."""
    Connection.objects.update(most_targets=1, targets_seconds=60, targets_role="tier-2")
    run = begin(f"  - {{id: one, {ACT}, with: {{target: x}}}}\n  - {{id: two, {ACT}, with: {{target: y}}}}\n")
    drive(run)
    request = run.requests.get()
    Attempt.objects.update(started_at=timezone.now() - timedelta(hours=1))
    decide(request, cast)
    drive(run)
    assert run.status == RunStatus.SUCCEEDED
    replayed(run)


def test_a_run_of_another_playbook_is_evidence_as_an_action_is(
    begin: Begin, world: World, cast: Cast
) -> None:
    publish(cast, CHILD)
    run = begin(GATE + "  - {id: contain, run: the-child, with: {target: x}}\n")
    decide(run.requests.get(), cast)
    drive(run)
    child = step(run, "contain").children.get()
    drive(child)
    decide(child.requests.get(), cast)
    drive(child, run)
    assert run.status == RunStatus.SUCCEEDED
    assert (replayed(run).approved_actions, replayed(child).approved_actions) == (1, 1)


def test_a_run_gets_the_moment_that_was_approved(begin: Begin, world: World, cast: Cast) -> None:
    publish(cast, CHILD)
    run = begin(
        GATE
        + """
  - {id: rest, wait: {for: 1s}}
  - {id: contain, run: the-child, with: {target: "${ now }"}}
"""
    )
    request = run.requests.get()
    decide(request, cast)
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        later(run)
    child = step(run, "contain").children.get()
    assert child.inputs == {"target": requests.stored_subject(request)["frozen_at"]}


def test_who_says_what_became_of_a_step_approves_nothing_that_follows(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin("""
  - {id: first, do: fake.never, using: fake, with: {target: first}}
  - {id: gate, approve: Go on?, seats: [{role: tier-2}]}
  - {id: second, do: fake.keyed, using: fake, with: {target: "${ steps.first.outputs.target }"}}
""")
    world.outcomes = [LOST]
    drive(run)
    runs.resolve(
        run.pk,
        "first",
        caller=cast.caller("tier2"),
        resolution=Resolution.HAPPENED,
        outputs={"target": "mine"},
        comment="I looked.",
    )
    request = run.requests.get()
    with pytest.raises(Refused) as refused:
        approvals.decide(
            request.pk, caller=cast.caller("tier2"), verdict=Verdict.APPROVE, shown_digest=request.digest
        )
    assert refused.value.rule == "own_request"


def test_a_run_of_a_version_that_is_no_longer_in_force_is_not_run_again(
    begin: Begin, world: World, cast: Cast
) -> None:
    run = begin("  - {id: one, do: fake.keyed, using: fake, with: {target: one}}\n")
    world.outcomes = [REFUSED]
    drive(run)
    playbooks.retire("under-test", 1, caller=cast.caller("publisher"))
    with pytest.raises(Refused, match="no longer in force"):
        reruns.rerun(run.pk, caller=cast.caller("analyst"))
