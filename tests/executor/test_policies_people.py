"""Policies that name people otherwise than by role: the owner of what is changed, whoever is on call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from playbooks.access.history import COOLING
from playbooks.domain.statuses import RequestStatus, RunStatus, WaitReason
from playbooks.models import Connection, Run
from playbooks.operations import connections, people, policies, policy_trials
from playbooks.operations.caller import SYSTEM
from playbooks.operations.policy_trials import Question
from playbooks.operations.refusals import Refused, Unsound
from playbooks.queries.policies import policy_view
from playbooks.queries.policy_quorums import unfillable_policies
from tests.cast import Cast
from tests.executor.test_policies import (
    BEHIND,
    GATE,
    approve,
    begun,
    open_request,
    put_in_force,
    replay,
    seats_of,
    text,
)
from tests.executor.world import World
from tests.operations.test_seats import shift
from tests.operations.waiting import after, drive, step_of
from tests.proving import proven

__all__ = ["begun"]

pytestmark = pytest.mark.usefixtures("any_time")

Begun = Callable[..., Run]
OWNER = text(require="{seats: [{owner_of: target}]}")
ON_CALL = text(require="{seats: [{on_call: network}]}")


def own(cast: Cast, name: str, connection: str = "fake") -> None:
    connections.give_to(connection, caller=proven(cast.caller("admin")), owner=name)


def shift_of_nobody(cast: Cast) -> None:
    """The rota is there, and nobody is on call."""
    shift(cast, "compliance", published=COOLING - timedelta(minutes=5))


def test_a_policy_asks_the_owner_of_what_is_changed(begun: Begun, cast: Cast, world: World) -> None:
    put_in_force(cast, OWNER)
    run = begun()
    assert (seats_of(open_request(run)), world.effects["x"]) == (["owner_of:fake"], 0)
    with pytest.raises(Refused) as refused:
        approve(run, cast.caller("tier2"))
    assert refused.value.rule == "not_in_seat"
    own(cast, "tier2")
    approve(run, cast.caller("tier2"))
    assert (run.status, world.effects["x"], replay(run).approved_actions) == (RunStatus.SUCCEEDED, 1, 1)


def test_an_owner_who_asked_for_the_run_cannot_approve_it(begun: Begun, cast: Cast, world: World) -> None:
    put_in_force(cast, OWNER)
    own(cast, "analyst")
    run = begun()
    with pytest.raises(Refused) as refused:
        approve(run, cast.caller("analyst"))
    assert (refused.value.rule, world.effects["x"]) == ("own_request", 0)


def test_a_policy_asks_whoever_is_on_call_and_not_who_came_on_lately(
    begun: Begun, cast: Cast, world: World
) -> None:
    shift_of_nobody(cast)
    put_in_force(cast, ON_CALL)
    run = begun()
    with pytest.raises(Refused) as refused:
        approve(run, cast.caller("compliance"))
    assert refused.value.rule == "not_in_seat"
    shift(cast, "compliance")
    approve(run, cast.caller("compliance"))
    assert (run.status, world.effects["x"], replay(run).approved_actions) == (RunStatus.SUCCEEDED, 1, 1)


def test_the_owner_whom_a_gate_asks_is_not_asked_twice(begun: Begun, cast: Cast, world: World) -> None:
    put_in_force(cast, OWNER)
    own(cast, "netowner")
    run = begun(GATE.replace("{role: SEAT}", "{owner_of: target}") + BEHIND)
    assert seats_of(open_request(run)) == ["owner_of:fake"]
    approve(run, cast.caller("netowner"))
    assert (run.status, run.requests.filter(status=RequestStatus.CONSUMED).count()) == ("succeeded", 1)


def test_another_owner_between_approval_and_run_voids_what_the_policy_had(
    begun: Begun, cast: Cast, world: World
) -> None:
    put_in_force(cast, OWNER)
    own(cast, "netowner")
    run = begun(GATE.replace("SEAT", "tier-2") + "  - id: pause\n    wait: {for: 1h}\n" + BEHIND)
    assert seats_of(open_request(run)) == ["tier-2", "owner_of:fake"]
    approve(run, cast.caller("netowner"), cast.caller("tier2"))
    own(cast, "compliance")
    after(hours=2)
    drive(run)
    assert (step_of(run).wait_reason, world.effects["x"]) == (WaitReason.APPROVAL, 0)
    assert "the approvers' right to approve" in step_of(run).sentence


def test_a_rota_that_is_none_is_named_and_one_that_is_there_is_taken(cast: Cast) -> None:
    with pytest.raises(Unsound) as refused:
        policies.draft(ON_CALL, caller=cast.caller("author"))
    assert "there is no rota 'network'" in str(refused.value.problems[0].message)
    shift(cast, "compliance")
    assert policies.draft(ON_CALL, caller=cast.caller("author")).number == 1


def test_what_nobody_of_today_could_give_is_named(cast: Cast, fake: Connection) -> None:
    shift_of_nobody(cast)
    put_in_force(cast, text(require="{seats: [{owner_of: target}, {on_call: network}]}"))
    (unfilled,) = unfillable_policies()
    assert unfilled.roles == ("owner_of:target", "on_call:network")
    view = policy_view("edge", cast.analyst)
    assert view is not None
    assert view.roles == view.unfillable == unfilled.roles
    own(cast, "netowner")
    people.grant(cast.netowner, "analyst", actor=SYSTEM, granted_by=None)
    shift(cast, "compliance")
    assert unfillable_policies() == ()


def test_explaining_names_the_owner_whom_it_would_ask(cast: Cast, fake: Connection) -> None:
    put_in_force(cast, OWNER)
    told = policy_trials.explain(Question("fake.keyed", "fake"), caller=cast.caller("analyst"))
    assert (told.seats, told.policies[0].asks) == (("owner_of:fake",), ("owner_of:fake",))


def test_trying_a_policy_tells_whether_the_owner_could_have_approved(
    begun: Begun, cast: Cast, world: World
) -> None:
    begun()
    none = policy_trials.simulate(OWNER, caller=cast.caller("analyst"))
    assert (none.more, none.nobody_could_give) == (1, 1)
    own(cast, "netowner")
    some = policy_trials.simulate(OWNER, caller=cast.caller("analyst"))
    assert (some.more, some.nobody_could_give, some.examples[0].seats_after) == (1, 0, ("owner_of:fake",))
