"""Runs over HTTP: started once a key, shown with why they wait, stopped, rolled back by the plan shown."""

from __future__ import annotations

from uuid import UUID

import pytest

from playbooks import executor
from playbooks.models import Connection, Run
from playbooks.operations.runs import start
from tests.api.callers import at_the_gate, session, succeeded, token_of
from tests.cast import ATTACKER, Cast, connect, publish
from tests.executor.conftest import fake, world  # noqa: F401 — fixtures
from tests.executor.world import LOST, World
from tests.web.scenes import Stage, child, failed, turns

BODY = {"playbook": "block-attacker", "inputs": {"address": ATTACKER}}


def test_a_run_is_started_once_a_key(cast: Cast) -> None:
    connect(cast)
    publish(cast)
    api = token_of(cast.analyst, "runs")
    first = api.post("runs/", BODY, Idempotency_Key="k")
    again = api.post("runs/", BODY, Idempotency_Key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"] == str(Run.objects.get().pk)
    other = api.post("runs/", {**BODY, "simulate": True}, Idempotency_Key="k")
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"playbook": "nowhere"}, 404),
        ({**BODY, "version": 9}, 404),
        ({**BODY, "version": 0}, 404),
        ({**BODY, "inputs": {"address": "x"}}, 400),
        ({**BODY, "inputs": {"wat": 1}}, 400),
        ({**BODY, "alert": "0190a0a0-0000-7000-8000-000000000000"}, 404),
    ],
)
def test_what_cannot_be_started_is_refused(cast: Cast, body: dict[str, object], status: int) -> None:
    connect(cast)
    publish(cast)
    assert session(cast.analyst).post("runs/", body).status_code == status
    assert not Run.objects.exists()


def test_a_waiting_run_says_who_has_to_act_and_until_when(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    view = session(cast.analyst).get(f"runs/{run.pk}/").json()
    (wait,) = view["waits"]
    assert wait["owner"] == "Tier 2 analyst and Network owner"
    assert view["why"] == wait
    assert wait["sentence"].startswith("Waits for Tier 2 analyst and Network owner to decide on “Block")
    assert (wait["reason"], wait["request"]) == ("approval", str(request.pk))
    assert wait["until"] > wait["since"]
    assert wait["then"] == "it is put above all others and gets the same time once more"
    assert view["may"] == ["cancel", "pause"]
    by_key = {each["step"]: each for each in view["steps"]}
    assert by_key["reputation"]["attempts"][0]["status"] == "succeeded"
    assert by_key["block"]["status"] == "pending"


def test_a_cancelled_run_withdraws_its_request(cast: Cast) -> None:
    run, request = at_the_gate(cast)
    answer = session(cast.analyst).post(f"runs/{run.pk}/cancel/", {"reason": "A false alarm."})
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    request.refresh_from_db()
    assert request.status == "withdrawn"
    again = session(cast.analyst).post(f"runs/{run.pk}/cancel/")
    assert (again.status_code, again.json()["rule"]) == (409, "run_not_cancellable")


def test_a_rollback_takes_the_digest_of_the_plan_that_was_shown(cast: Cast) -> None:
    run = succeeded(cast)
    api = session(cast.analyst)
    plan = api.get(f"runs/{run.pk}/rollback/").json()
    assert [each["action"] for each in plan["undo"]] == ["nftables.unblock_address"]
    assert plan["undo"][0]["parameters"]["address"] == ATTACKER
    stale = api.post(f"runs/{run.pk}/rollback/", {"digest": "0" * 64})
    assert (stale.status_code, stale.json()["rule"]) == (409, "stale_plan")
    begun = api.post(f"runs/{run.pk}/rollback/", {"digest": plan["digest"]})
    assert (begun.status_code, begun.json()["status"]) == (200, "rolling_back")
    executor.drive(run.pk, worker="test")
    view = api.get(f"runs/{run.pk}/").json()
    assert view["status"] == "rolled_back"
    (round_,) = view["rollbacks"]
    assert [(each["undoes"], each["status"]) for each in round_["steps"]] == [("block", "succeeded")]


def test_a_run_that_has_not_ended_is_not_rolled_back(cast: Cast) -> None:
    run, _ = at_the_gate(cast)
    digest = session(cast.analyst).get(f"runs/{run.pk}/rollback/").json()["digest"]
    answer = session(cast.analyst).post(f"runs/{run.pk}/rollback/", {"digest": digest})
    assert (answer.status_code, answer.json()["rule"]) == (409, "run_not_ended")


def test_a_person_says_what_became_of_an_unknown_step(cast: Cast, fake: Connection, world: World) -> None:  # noqa: F811
    version = publish(
        cast, "playbook: once\ntitle: Once\nsteps:\n  - {id: act, do: fake.never, with: {target: a}}\n"
    )
    run = start(version.playbook.slug, caller=cast.caller("analyst"))
    world.outcomes.append(LOST)
    executor.drive(run.pk, worker="test")
    api = session(cast.analyst)
    view = api.get(f"runs/{run.pk}/").json()
    assert view["may"] == ["cancel", "pause", "resolve"]
    assert "Nobody knows whether act happened" in view["waits"][0]["sentence"]
    path = f"runs/{run.pk}/steps/act/resolve/"
    assert api.post(path, {"outcome": "happened", "comment": " "}).status_code == 400
    assert api.post(path, {"outcome": "wat", "comment": "x"}).status_code == 400
    word = {"outputs": {"count": 1}, "comment": "The log of the far side says so."}
    said = api.post(path, {"outcome": "happened", **word})
    assert (said.status_code, said.json()["status"]) == (200, "succeeded")
    (entry,) = session(cast.compliance).get("audit/entries/", verb="step.resolved").json()["results"]
    assert entry["facts"] == {**entry["facts"], **word, "resolution": "happened"}
    again = api.post(path, {"outcome": "give_up", "comment": "x"})
    assert (again.status_code, again.json()["rule"]) == (409, "not_unknown")


def test_who_may_look_may_not_act(cast: Cast) -> None:
    run, _ = at_the_gate(cast)
    api = session(cast.compliance)
    assert api.get(f"runs/{run.pk}/").json()["may"] == []
    for path in ("runs/", f"runs/{run.pk}/cancel/", f"runs/{run.pk}/rollback/"):
        answer = api.post(path, {})
        assert (answer.status_code, answer.json()["rule"]) == (403, "no_permission")


def test_runs_are_filtered(cast: Cast) -> None:
    run, _ = at_the_gate(cast)
    api = session(cast.analyst)
    assert [UUID(each["id"]) for each in api.get("runs/", status="waiting").json()["results"]] == [run.pk]
    assert api.get("runs/", playbook="another").json()["results"] == []


def test_a_run_is_paused_and_resumed(cast: Cast) -> None:
    run, _ = at_the_gate(cast)
    api = session(cast.analyst)
    refused = api.post(f"runs/{run.pk}/resume/")
    assert (refused.status_code, refused.json()["rule"]) == (409, "run_not_paused")
    assert api.post(f"runs/{run.pk}/pause/").status_code == 200
    view = api.get(f"runs/{run.pk}/").json()
    assert (view["paused_at"] is not None, view["may"]) == (True, ["cancel", "resume"])
    assert "paused" in [each["reason"] for each in view["waits"]]
    assert api.post(f"runs/{run.pk}/resume/").status_code == 200
    assert api.get(f"runs/{run.pk}/").json()["paused_at"] is None


def test_a_failed_run_is_run_again_and_both_know_of_each_other(
    cast: Cast,
    fake: Connection,  # noqa: F811
    world: World,  # noqa: F811
) -> None:
    run = failed(Stage(cast, world, fake))
    api = session(cast.analyst)
    assert api.get(f"runs/{run.pk}/").json()["may"] == ["roll_back", "run_again"]
    answer = api.post(f"runs/{run.pk}/rerun/")
    assert answer.status_code == 201
    (again,) = api.get("runs/", repeats=str(run.pk)).json()["results"]
    assert (again["id"], again["repeats"]) == (answer.json()["id"], str(run.pk))
    steps = {each["step"]: each for each in api.get(f"runs/{again['id']}/").json()["steps"]}
    assert steps["block"]["adopted_from"] == str(run.pk)
    succeeding = api.post(f"runs/{again['id']}/rerun/")
    assert (succeeding.status_code, succeeding.json()["rule"]) == (409, "run_not_failed")


def test_children_and_parents_are_listed(cast: Cast, fake: Connection, world: World) -> None:  # noqa: F811
    run = child(Stage(cast, world, fake))
    api = session(cast.analyst)
    (step, _) = api.get(f"runs/{run.pk}/").json()["steps"]
    (inner,) = api.get("runs/", parent=str(run.pk)).json()["results"]
    assert (step["child"]["id"], step["child"]["status"]) == (inner["id"], "waiting")
    assert (inner["parent"]["run"], inner["parent"]["step"]) == (str(run.pk), "contain")


def test_turns_are_counted_in_the_run_and_listed_page_by_page(
    cast: Cast,
    fake: Connection,  # noqa: F811
    world: World,  # noqa: F811
) -> None:
    run = turns(Stage(cast, world, fake))
    api = session(cast.analyst)
    view = api.get(f"runs/{run.pk}/").json()
    block = next(each for each in view["steps"] if each["step"] == "hosts")
    assert block["turns"] == {"count": 7, "running": 3, "succeeded": 0, "failed": 1, "cancelled": 0}
    inner = {each["step"]: each for each in view["inner"]}
    assert inner["isolate"]["counts"] == {"failed": 1, "succeeded": 3}
    assert inner["settle"]["block"] == "hosts"
    first = api.get(f"runs/{run.pk}/turns/", step="hosts", page_size="5").json()
    assert [each["path"] for each in first["results"]] == [f"hosts[{index}]" for index in range(5)]
    assert first["next"]
    (gone,) = api.get(f"runs/{run.pk}/turns/", step="hosts", status="failed").json()["results"]
    assert "there is no such host" in gone["sentence"]
    steps = api.get(f"runs/{run.pk}/steps/", frame="hosts[1]").json()["results"]
    assert [(each["step"], each["status"]) for each in steps] == [
        ("hosts[1].isolate", "succeeded"),
        ("hosts[1].settle", "waiting"),
        ("hosts[1].verify", "pending"),
    ]
    assert (
        api.get(f"runs/{run.pk}/steps/", status="failed").json()["results"][0]["title"] == "Isolate the host"
    )
