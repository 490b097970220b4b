"""W2: from just before the commit of an approval to the body of the next step, beside other runs that wait."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model
from uuid6 import uuid7

from playbooks.domain.statuses import RequestStatus, Verdict
from playbooks.models import ApprovalRequest, PlaybookVersion, Run, Seat, Step
from playbooks.operations import approvals
from tests.bench.figures import Figure, percentile
from tests.bench.reference import Loop
from tests.bench.scene import Scene, wait_for

Row = TypeVar("Row", bound=Model)

STEPS = """\
  - {id: s1, do: noop.step}
  - {id: s2, do: noop.step}
  - {id: gate, approve: Go on?, seats: [{role: tier-2}], within: 4h}
  - {id: s3, do: noop.step}
  - {id: s4, do: noop.step}
"""


def measure_gate(scene: Scene, loop: Loop) -> Iterator[Figure]:
    version = scene.publish("gate", STEPS)
    _signal(scene, version)
    floor = [loop.signal() * 1000 for _ in range(scene.sizes.signals)]
    template, waiting = _at_the_gate(scene), 0
    for parked in scene.sizes.parked:
        _park(template, parked - waiting)
        waiting = parked
        taken = [_signal(scene, version) * 1000 for _ in range(scene.sizes.signals)]
        yield from _figures(scene.database, parked, taken, floor)


def _figures(database: str, parked: int, taken: Sequence[float], floor: Sequence[float]) -> Iterator[Figure]:
    name = f"beside_{parked}_signal"
    reference = median(floor)
    yield Figure("W2", database, f"{name}_ms", median(taken), reference, "signal_ms")
    yield Figure("W2", database, f"{name}_p95_ms", percentile(taken, 0.95), reference, "signal_p95_ms")


def _signal(scene: Scene, version: PlaybookVersion) -> float:
    """Seconds from the approval of a fresh run's gate to the body of the step behind it."""
    request = _at_the_gate(scene)
    with _last_statement() as approved_at:
        approvals.decide(
            request.pk,
            caller=scene.people.caller("tier2"),
            verdict=Verdict.APPROVE,
            shown_digest=request.digest,
        )
    ended = Run.objects.filter(pk=request.run_id, ended_at__isnull=False)
    wait_for(ended.exists, f"{request.run} ended")
    performed_at: float = Step.objects.get(run=request.run_id, key="s3").outputs["at"]
    return performed_at - approved_at[0]


def _at_the_gate(scene: Scene) -> ApprovalRequest:
    run = scene.start("gate")
    requests = ApprovalRequest.objects.filter(run=run, status=RequestStatus.OPEN)
    wait_for(requests.exists, f"{run} waits at its gate")
    return requests.get()


@contextmanager
def _last_statement() -> Iterator[list[float]]:
    """When the last statement of the block was done, which is just before its transaction commits."""
    last = [0.0]

    def stamp(execute: Callable[..., Any], *arguments: Any) -> Any:
        result = execute(*arguments)
        last[0] = time.monotonic()
        return result

    with connection.execute_wrapper(stamp):
        yield last


def _park(template: ApprovalRequest, count: int) -> None:
    """Copies the run that waits at its gate, with its rows, so many times in bulk."""
    run, steps = template.run, list(template.run.steps.all())
    seats = list(template.seats.all())
    rows: dict[type[Model], list[Model]] = {Run: [], Step: [], ApprovalRequest: [], Seat: []}
    for _ in range(count):
        new_run = _copied(run)
        new_steps = {step.pk: _copied(step, run=new_run) for step in steps}
        request = _copied(template, run=new_run, step=new_steps[template.step_id])
        rows[Run].append(new_run)
        rows[Step].extend(new_steps.values())
        rows[ApprovalRequest].append(request)
        rows[Seat].extend(_copied(seat, request=request, pk=None) for seat in seats)
    for model, created in rows.items():
        model._default_manager.bulk_create(created, batch_size=1_000)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # autovacuum would, a minute later


def _copied(row: Row, **changed: Any) -> Row:
    new = copy.copy(row)
    new._state = copy.copy(row._state)
    new._state.fields_cache = {}
    for name, value in {"pk": uuid7(), **changed}.items():
        setattr(new, name, value)
    return new
