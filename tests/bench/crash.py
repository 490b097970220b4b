"""W4: the worker is killed with SIGKILL in the middle of W1. What was lost, what was done twice, how long it took."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from django.db.models import Q

from playbooks.domain.statuses import StepStatus
from playbooks.executor.claims import LEASE_BEYOND_DEADLINE
from playbooks.models import Run
from tests.bench.chain import LENGTH
from tests.bench.crew import WORKER
from tests.bench.figures import Figure
from tests.bench.noop import TIMEOUT, effects
from tests.bench.scene import Scene, wait_for

KINDS = ("safe", "never")


def measure_crash(scene: Scene) -> Iterator[Figure]:
    """Half of the runs may repeat their steps, half must not: those end, or ask what became of a step."""
    runs = scene.sizes.runs // 2 * 2
    killed_at = _start_and_kill(scene, runs)
    scene.worker = scene.crew.start(WORKER)
    bound = LEASE_BEYOND_DEADLINE.total_seconds() + TIMEOUT + 2
    lost = _lost_after(3 * bound)
    recovered = time.monotonic() - killed_at
    doubled = [
        target for target, count in Counter(effects()).items() if count > 1 and target.startswith("never/")
    ]
    yield Figure("W4", scene.database, "lost_runs", lost, runs)
    yield Figure("W4", scene.database, "doubled_never_steps", len(doubled), runs // 2 * LENGTH)
    yield Figure("W4", scene.database, "recovery_seconds", recovered, bound)


def counted(kind: str) -> str:
    """The steps of a chain whose every effect is counted."""
    lines = (
        f'  - {{id: s{n}, do: noop.{kind}, with: {{target: "{kind}/${{ run.id }}/{n}"}}}}\n'
        for n in range(LENGTH)
    )
    return "".join(lines)


def _start_and_kill(scene: Scene, runs: int) -> float:
    """Returns when the worker was killed: when a third of the effects had happened."""
    for kind in KINDS:
        scene.publish(f"crash-{kind}", counted(kind))
    for number in range(runs):
        scene.start(f"crash-{KINDS[number % 2]}")
    wait_for(lambda: len(effects()) > runs * LENGTH // 3, "a third of the effects happened")
    killed_at = time.monotonic()
    scene.crew.kill(scene.worker)
    return killed_at


def _lost_after(seconds: float) -> int:
    """Waits for all runs to end or to ask, so long at most. Returns how many did neither."""
    open_runs = Run.objects.filter(version__playbook__slug__startswith="crash-", ended_at=None)
    lost = open_runs.exclude(Q(steps__status=StepStatus.UNKNOWN))
    try:
        wait_for(lambda: not lost.exists(), "all runs ended or ask", within=seconds)
    except TimeoutError:
        return lost.count()
    return 0
