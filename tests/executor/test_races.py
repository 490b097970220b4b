"""Two at once: one wins, and the other learns it with a sentence. Real threads on real connections."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RequestStatus, RunStatus, Verdict, VersionStatus
from playbooks.models import Alert, ApprovalRequest, Attempt, IdempotencyKey, PlaybookVersion, Run
from playbooks.models.decisions import Decision
from playbooks.operations import approvals, bell, people, playbooks, rollbacks, runs, stopping
from playbooks.operations import connections as connection_operations
from playbooks.operations.caller import SYSTEM
from playbooks.operations.refusals import Invalid, LostRace, Refused
from tests.cast import ATTACKER, BLOCK, Cast, connect, make_cast, publish
from tests.databases import fresh_database
from tests.executor.world import World
from tests.operations.test_main_job import ingest

__all__ = ["fresh_database"]

ROUNDS = 20
GUARDED = """\
playbook: guarded
title: Guarded
steps:
  - id: gate
    approve: Do it?
    seats: [{role: tier-2}, {role: network-owner}]
  - id: one
    do: fake.never
    using: fake
    with: {target: one}
"""
SOON_LATE = GUARDED.replace("    approve:", "    within: 5s\n    approve:")
FREE = """\
playbook: free
title: Free
steps:
  - id: one
    do: fake.never
    using: fake
    with: {target: one}
  - id: two
    needs: []
    do: fake.never
    using: fake
    with: {target: two}
  - id: three
    needs: [one, two]
    do: fake.never
    using: fake
    with: {target: three}
"""
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer, so nobody meets a rival"
)
pytestmark = [pytest.mark.needs_postgresql, on_postgresql]


@pytest.fixture
def people_at_work(fresh_database: None, world: World) -> Iterator[Cast]:
    cast = make_cast()
    connect(cast)
    connection_operations.configure(
        "fake", caller=cast.caller("admin"), connector="fake", settings={}, secrets={}
    )
    people.grant(cast.outsider, "network-owner", actor=SYSTEM, granted_by=None)
    yield cast
    connections.close_all()


def race(*calls: Callable[[], object]) -> list[object]:
    """What each call returned or the refusal that it met. Any other error fails the test."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        try:
            start.wait()
            return call()
        except (Refused, LostRace, Invalid) as refusal:
            assert str(refusal)
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def refusals(results: list[object]) -> list[str]:
    assert not [each for each in results if isinstance(each, LostRace | Invalid)]
    return [each.rule for each in results if isinstance(each, Refused)]


def at_the_gate(cast: Cast) -> tuple[Run, ApprovalRequest]:
    run = runs.start("guarded", caller=cast.caller("analyst"))
    return run, run.requests.get()


def vote(
    cast: Cast, name: str, request: ApprovalRequest, verdict: Verdict = Verdict.APPROVE, key: str = ""
) -> Callable[[], object]:
    def decide() -> object:
        return approvals.decide(
            request.pk,
            caller=cast.caller(name),
            verdict=verdict,
            shown_digest=request.digest,
            comment="No." if verdict is Verdict.DENY else "",
            idempotency_key=key,
        )

    return decide


def test_case_41_two_who_fit_the_last_seat(people_at_work: Cast) -> None:
    publish(people_at_work, GUARDED)
    for _ in range(ROUNDS):
        run, request = at_the_gate(people_at_work)
        vote(people_at_work, "tier2", request)()
        results = race(vote(people_at_work, "netowner", request), vote(people_at_work, "outsider", request))
        (rule,) = refusals(results)
        assert rule in {"seat_taken", "closed"}
        request.refresh_from_db()
        assert (request.status, request.decisions.count()) == (RequestStatus.GRANTED, 2)
        run.refresh_from_db()
        assert run.status == RunStatus.RUNNING


def test_two_who_fill_both_seats_at_once(people_at_work: Cast) -> None:
    publish(people_at_work, GUARDED)
    for _ in range(ROUNDS):
        _, request = at_the_gate(people_at_work)
        assert not refusals(
            race(vote(people_at_work, "tier2", request), vote(people_at_work, "netowner", request))
        )
        request.refresh_from_db()
        assert request.status == RequestStatus.GRANTED


def test_case_41_the_last_approval_against_a_denial(people_at_work: Cast, world: World) -> None:
    publish(people_at_work, GUARDED)
    for _ in range(ROUNDS):
        run, request = at_the_gate(people_at_work)
        vote(people_at_work, "tier2", request)()
        results = race(
            vote(people_at_work, "netowner", request), vote(people_at_work, "outsider", request, Verdict.DENY)
        )
        assert len(refusals(results)) == 1
        executor.drive(run.pk, worker="test")
        request.refresh_from_db()
        verdicts = set(request.decisions.values_list("verdict", flat=True))
        ran = Attempt.objects.filter(step__run=run).exists()
        assert (request.status, ran) == (("denied", False) if "deny" in verdicts else ("consumed", True))


def test_case_41_the_last_approval_against_cancelling(people_at_work: Cast, world: World) -> None:
    publish(people_at_work, GUARDED)
    for _ in range(ROUNDS):
        run, request = at_the_gate(people_at_work)
        vote(people_at_work, "tier2", request)()
        results = race(
            vote(people_at_work, "netowner", request),
            lambda run=run: stopping.cancel(run.pk, caller=people_at_work.caller("analyst")),
        )
        assert set(refusals(results)) <= {"closed"}
        executor.drive(run.pk, worker="test")
        run.refresh_from_db()
        assert run.status == RunStatus.CANCELLED
    assert not world.effects


def test_case_41_the_last_approval_against_the_deadline(people_at_work: Cast) -> None:
    publish(people_at_work, SOON_LATE)
    for _ in range(ROUNDS):
        run, request = at_the_gate(people_at_work)
        vote(people_at_work, "tier2", request)()
        results = race(
            vote(people_at_work, "netowner", request),
            lambda: executor.sweep(now=timezone.now() + timedelta(seconds=6)),
        )
        request.refresh_from_db()
        gate = run.steps.get(key="gate")
        if refusals(results):
            assert (request.status, gate.status) == (RequestStatus.EXPIRED, "failed")
        else:
            assert (request.status, gate.status) == (RequestStatus.GRANTED, "succeeded")


def test_case_42_two_workers_and_one_run(people_at_work: Cast, world: World) -> None:
    publish(people_at_work, FREE)
    for number in range(1, ROUNDS + 1):
        run = runs.start("free", caller=people_at_work.caller("analyst"))
        race(*[lambda run=run, name=name: executor.drive(run.pk, worker=name) for name in ("a", "b", "c")])
        run.refresh_from_db()
        assert run.status == RunStatus.SUCCEEDED
        assert world.effects == {"one": number, "two": number, "three": number}


def test_two_publishers_of_one_version(people_at_work: Cast) -> None:
    people.grant(people_at_work.admin, "publisher", actor=SYSTEM, granted_by=None)
    for _ in range(ROUNDS):
        draft = playbooks.draft(FREE, caller=people_at_work.caller("author"))
        playbooks.submit("free", draft.number, caller=people_at_work.caller("author"))
        results = race(
            *[
                lambda name=name, number=draft.number: playbooks.publish(
                    "free", number, caller=people_at_work.caller(name)
                )
                for name in ("publisher", "admin")
            ]
        )
        assert refusals(results) == ["version_status"]
        assert PlaybookVersion.objects.filter(status=VersionStatus.PUBLISHED).count() == 1


def test_two_authors_of_one_new_playbook(people_at_work: Cast) -> None:
    for number in range(ROUNDS):
        text = FREE.replace("playbook: free", f"playbook: free-{number}")
        first, second = race(
            *[lambda text=text: playbooks.draft(text, caller=people_at_work.caller("author"))] * 2
        )
        assert isinstance(first, PlaybookVersion)
        assert isinstance(second, PlaybookVersion)
        assert {first.number, second.number} == {1, 2}


def test_the_same_alert_posted_twice_at_once(people_at_work: Cast) -> None:
    publish(people_at_work, BLOCK)
    people.create_source("suricata", kind="suricata", actor=SYSTEM)
    for number in range(ROUNDS):
        event = suricata_event(number)
        first, second = race(lambda event=event: ingest(event), lambda event=event: ingest(event))
        assert first.alert == second.alert  # type: ignore[attr-defined]
        assert {first.is_new, second.is_new} == {True, False}  # type: ignore[attr-defined]
        assert Alert.objects.get(pk=first.alert).count == 2  # type: ignore[attr-defined]
        assert Run.objects.filter(alert=first.alert).count() == 1  # type: ignore[attr-defined]


def suricata_event(number: int) -> dict[str, object]:
    from tests.operations.test_main_job import EVENT

    return {**EVENT, "flow_id": 1000 + number}


def test_case_44_a_double_click_on_a_decision_is_one_decision(people_at_work: Cast) -> None:
    publish(people_at_work, GUARDED)
    for number in range(ROUNDS):
        _, request = at_the_gate(people_at_work)
        click = vote(people_at_work, "tier2", request, key=f"click-{number}")
        assert not refusals(race(click, click))
        assert Decision.objects.filter(request=request).count() == 1


def test_case_44_a_double_click_without_a_key_is_one_decision(people_at_work: Cast) -> None:
    publish(people_at_work, GUARDED)
    for _ in range(ROUNDS):
        _, request = at_the_gate(people_at_work)
        click = vote(people_at_work, "tier2", request)
        assert refusals(race(click, click)) == ["already_decided"]
        assert Decision.objects.filter(request=request).count() == 1


def test_a_double_click_on_run_is_one_run(people_at_work: Cast) -> None:
    publish(people_at_work, FREE)
    for number in range(ROUNDS):

        def click(number: int = number) -> Run:
            return runs.start(
                "free", caller=people_at_work.caller("analyst"), idempotency_key=f"click-{number}"
            )

        first, second = race(click, click)
        assert first == second
        assert Run.objects.count() == number + 1
    assert IdempotencyKey.objects.count() == ROUNDS


def test_a_double_click_on_roll_back_is_one_rollback(people_at_work: Cast, world: World) -> None:
    publish(people_at_work, FREE)
    for _ in range(ROUNDS):
        run = runs.start("free", caller=people_at_work.caller("analyst"))
        executor.drive(run.pk, worker="test")
        plan = rollbacks.plan_of(Run.objects.get(pk=run.pk))

        def click(run: Run = run, digest: str = plan.digest) -> Run:
            return rollbacks.start(run.pk, caller=people_at_work.caller("analyst"), plan_digest=digest)

        assert not refusals(race(click, click))
        run.refresh_from_db()
        assert (run.status, run.rollbacks) == (RunStatus.ROLLING_BACK, 1)
        executor.drive(run.pk, worker="test")
    assert set(world.effects.values()) == {0}


def test_two_who_make_the_same_person_connection_or_grant(people_at_work: Cast) -> None:
    for number in range(ROUNDS):

        def make_person(number: int = number) -> object:
            return people.create(f"new-{number}", actor=SYSTEM, name="New", password="only-for-tests")

        def make_connection(number: int = number) -> object:
            return connection_operations.configure(
                f"new-{number}",
                caller=people_at_work.caller("admin"),
                connector="fake",
                settings={},
                secrets={},
            )

        def give_role(number: int = number) -> object:
            person = people_at_work.outsider
            return people.grant(person, "asset-owner", actor=SYSTEM, granted_by=None)

        refused = [each for each in race(make_person, make_person) if isinstance(each, Exception)]
        assert len(refused) == 1
        assert f"new-{number}" in str(refused[0])
        rows = race(make_connection, make_connection)
        assert sorted(getattr(row, "revision", 0) for row in rows) == [1, 2]
        assert race(give_role, give_role) == [None, None]
        people.revoke(people_at_work.outsider, "asset-owner", actor=SYSTEM)


def test_a_lost_bell_is_rung_again_by_the_sweep(begin: Callable[..., Run], cast: Cast) -> None:
    run = begin(FREE.partition("steps:\n")[2])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(bell.socket_path())
        listener.setblocking(False)
        executor.sweep(now=timezone.now())
        with pytest.raises(BlockingIOError):
            listener.recv(1000)
        executor.sweep(now=timezone.now() + timedelta(seconds=2))
        assert json.loads(listener.recv(1000)) == [bell.DRIVE, str(run.pk)]


def test_two_sweeps_at_once_repair_once(people_at_work: Cast) -> None:
    publish(people_at_work, SOON_LATE)
    for _ in range(ROUNDS):
        run, request = at_the_gate(people_at_work)
        later = timezone.now() + timedelta(seconds=6)
        race(*[lambda later=later: executor.sweep(now=later)] * 2)
        request.refresh_from_db()
        assert (request.status, run.steps.get(key="gate").status) == (RequestStatus.EXPIRED, "failed")
        assert ATTACKER not in request.subject
