"""Two at once where something runs provisionally: the last target is taken once, and it stands or is taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RequestStatus
from playbooks.models import ApprovalRequest, Expiry, Run
from playbooks.operations import people, runs
from playbooks.operations.caller import SYSTEM, Caller
from tests.cast import Cast
from tests.executor.test_policies import put_in_force
from tests.executor.test_provisional import provisional
from tests.executor.test_races import fresh_database, on_postgresql, people_at_work, race, refusals, vote
from tests.executor.world import World
from tests.operations.waiting import act, published

__all__ = ["fresh_database", "people_at_work"]

ROUNDS = 10
SOON = timedelta(seconds=10)  # no entry may be far from the clock
pytestmark = [pytest.mark.needs_postgresql, on_postgresql]


def ready(cast: Cast, targets: int) -> str:
    """The slug of a playbook whose step is provisional on so many targets."""
    second = Caller(people.create("second", actor=SYSTEM, name="Sefa", password="x", roles=["publisher"]))
    put_in_force(cast, provisional(targets), second)
    return published(cast, "small", act(target='"${ inputs.name }"'), "inputs: {name: {type: string}}\n")


def begin(cast: Cast, slug: str, name: str) -> Run:
    return runs.start(slug, caller=cast.caller("analyst"), inputs={"name": name})


def drive(run: Run) -> object:
    return executor.drive(run.pk, worker="test")


def test_two_workers_never_take_the_last_target_both(people_at_work: Cast, world: World) -> None:
    slug = ready(people_at_work, targets=1)
    for number in range(ROUNDS):
        two = [begin(people_at_work, slug, f"{name}{number}") for name in "ab"]
        race(*[lambda run=run: drive(run) for run in two])
        first = ApprovalRequest.objects.get(run__in=two, countersigns=True)
        assert ApprovalRequest.objects.filter(run__in=two, countersigns=False).count() == 1
        vote(people_at_work, "tier2", first)()
    assert sum(world.effects.values()) == ROUNDS


def test_what_is_countersigned_as_its_time_comes_stands_or_is_taken_back(
    people_at_work: Cast, world: World
) -> None:
    slug = ready(people_at_work, targets=1000)
    for number in range(ROUNDS):
        run = begin(people_at_work, slug, f"t{number}")
        drive(run)
        request, later = run.requests.get(), timezone.now() + SOON
        Expiry.objects.filter(step__run=run).update(due_at=later)
        ApprovalRequest.objects.filter(pk=request.pk).update(due_at=later)
        refused = refusals(
            race(vote(people_at_work, "tier2", request), lambda later=later: executor.sweep(now=later))
        )
        executor.sweep(now=later + timedelta(seconds=1))
        for undoing in Run.objects.filter(expiry__step__run=run):
            drive(undoing)
        request.refresh_from_db()
        stands = request.status == RequestStatus.GRANTED
        assert refused == ([] if stands else ["closed"])
        assert Expiry.objects.get(step__run=run).status == ("kept" if stands else "ended")
        assert world.effects[f"t{number}"] == int(stands)
