"""What a step costs the database: the same whatever else has run or waits, and one commit for a sequential step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from playbooks import executor
from playbooks.domain.statuses import RunStatus, StepStatus, WaitReason
from playbooks.executor import seams
from playbooks.executor.seams import Seam
from playbooks.executor.sweep import FINDERS
from playbooks.models import ApprovalRequest, Run, Step
from tests.cast import Cast
from tests.executor.world import World

Begin = Callable[..., Run]

CHAIN = "".join(
    f"  - id: s{number}\n    do: fake.keyed\n    using: fake\n    with: {{target: t{number}}}\n"
    for number in range(1, 6)
)
# Of the settling transaction, which claims the next step too. WITH writes several tables at once.
PER_STEP = {
    "postgresql": {"SELECT": 2, "UPDATE": 0, "INSERT": 0, "WITH": 3},
    "sqlite": {"SELECT": 2, "UPDATE": 4, "INSERT": 3, "WITH": 0},
}[connection.vendor]


def counted(queries: list[dict[str, str]]) -> Counter[str]:
    """The statements by their first word. Savepoints stand for the transactions, since a test runs in one."""
    words = (re.match(r"\W*(\w+)", query["sql"]) for query in queries)
    return Counter(word[1].upper() for word in words if word)


def queries_of_each_step(run: Run) -> list[Counter[str]]:
    """What happened between one step's effect and the next one's."""
    costs: list[Counter[str]] = []
    seen = [0]

    with CaptureQueriesContext(connection) as captured:

        def visitor(seam: Seam) -> None:
            if seam is Seam.PERFORMED:
                seen[0] = len(captured)
            elif seam is Seam.SETTLED:
                costs.append(counted(captured.captured_queries[seen[0] :]))

        seams.visit(visitor)
        executor.drive(run.pk, worker="test")
    return costs


@pytest.fixture
def crowd(begin: Begin, cast: Cast) -> Callable[[], None]:
    """Fifty runs that have ended and fifty that wait."""

    def gather() -> None:
        like = Run.objects.get()
        now = timezone.now()
        for status, step_status, reason in (
            (RunStatus.SUCCEEDED, StepStatus.SUCCEEDED, ""),
            (RunStatus.WAITING, StepStatus.WAITING, WaitReason.APPROVAL),
        ):
            made = Run.objects.bulk_create(
                Run(
                    version=like.version,
                    case=like.case,
                    trigger=like.trigger,
                    requested_by=like.requested_by,
                    status=status,
                    created_at=now,
                )
                for _ in range(50)
            )
            steps = Step.objects.bulk_create(
                Step(
                    run=run,
                    key="s1",
                    position=0,
                    kind="do",
                    status=step_status,
                    wait_reason=reason,
                    changed_at=now,
                )
                for run in made
            )
            if reason:
                ApprovalRequest.objects.bulk_create(
                    ApprovalRequest(
                        run=step.run,
                        step=step,
                        question="?",
                        subject="{}",
                        digest="0" * 64,
                        late="hold",
                        within_seconds=1,
                        opened_at=now,
                    )
                    for step in steps
                )

    return gather


def test_a_sequential_step_is_settled_and_the_next_one_claimed_in_one_transaction(
    begin: Begin, world: World
) -> None:
    costs = queries_of_each_step(begin(CHAIN))
    assert len(costs) == 5
    assert [(cost["SAVEPOINT"], cost["RELEASE"], cost["ROLLBACK"]) for cost in costs] == [(1, 1, 0)] * 5
    assert {word: costs[1][word] for word in PER_STEP} == PER_STEP
    assert costs[1] == costs[2] == costs[3]


def test_a_step_costs_the_same_whatever_else_has_run_or_waits(
    begin: Begin, world: World, crowd: Callable[[], None]
) -> None:
    run = begin(CHAIN)
    crowd()
    costs = queries_of_each_step(run)
    assert [{word: cost[word] for word in PER_STEP} for cost in costs[:4]] == [PER_STEP] * 4


def test_a_drive_of_a_run_that_has_nothing_to_do_is_one_short_transaction(begin: Begin, world: World) -> None:
    run = begin("  - id: pause\n    wait: {for: 1h}\n")
    with CaptureQueriesContext(connection) as captured:
        executor.drive(run.pk, worker="test")
    assert counted(captured.captured_queries) == {"SAVEPOINT": 1, "SELECT": 3, "RELEASE": 1}


def test_a_sweep_that_finds_nothing_looks_once_for_each_thing_it_may_find(
    begin: Begin, world: World, crowd: Callable[[], None]
) -> None:
    begin("  - id: pause\n    wait: {for: 1h}\n")
    crowd()
    executor.sweep()
    with CaptureQueriesContext(connection) as captured:
        assert executor.sweep() == 0
    looks = [each["sql"] for each in captured.captured_queries if "heartbeat" not in each["sql"].lower()]
    assert counted([{"sql": sql} for sql in looks])["SELECT"] == len(FINDERS) + len(
        ["ready", "queued", "notices"]
    )
