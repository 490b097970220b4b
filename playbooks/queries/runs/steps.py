"""Steps of a run as people see them, with their attempts, the runs that they started, and what is taken back later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from playbooks.domain.governance import side_of
from playbooks.domain.statuses import ExpiryStatus, StepStatus
from playbooks.domain.waiting import Turns
from playbooks.models import Attempt, Expiry, PlaybookVersion, Principal, Run, RunTrigger, Step
from playbooks.queries.runs.rows import runs
from playbooks.queries.runs.turns import counted

MOST_HOLDERS = 10
MOST_UNDONE = 500  # steps of rollbacks that one view shows
MOST_NESTED = 500  # steps of the turns that one view shows
LISTED = ("undoes", "connection", "adopts")


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try. `parameters` hold no secret, and `parameters_digest` is over exactly what was sent.

    `job` says that a job went on at the far side after the call had come back.
    """

    number: int
    status: str
    worker: str
    connection: str | None
    simulated: bool
    target: str
    parameters: Mapping[str, Any]
    parameters_digest: str
    idempotency_key: str
    job: bool
    started_at: datetime
    ended_at: datetime | None
    outputs: Mapping[str, Any]
    sentence: str


@dataclass(frozen=True, slots=True)
class ChildView:
    """A run that a step has started."""

    id: UUID
    playbook: str
    status: str
    detached: bool


@dataclass(frozen=True, slots=True)
class ExpiryView:
    """A change that is taken back at `due_at`, by the run `run` once it is under way.

    `held_by` are other runs that hold the same target still, ten at most: it is taken back after the last of them.
    """

    status: str
    due_at: datetime
    run: UUID | None
    held_by: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """`step` is its key: the id in the playbook, below the turn that it is in, such as hosts[3].isolate.

    `undoes` is set for the steps of a rollback, `undone` for those that were taken back, `adopted_from` for those
    whose outcome was taken over from a run before.
    """

    step: str
    title: str
    kind: str
    status: str
    needs: tuple[str, ...]
    action: str
    effect: str
    undoes: str | None
    undone: bool
    adopted_from: UUID | None
    wait_reason: str
    due_at: datetime | None
    deadline_at: datetime | None
    changed_at: datetime
    outputs: Mapping[str, Any]
    sentence: str
    attempts: tuple[AttemptView, ...]
    turns: Turns | None
    child: ChildView | None
    expiry: ExpiryView | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rows of steps, and by their keys what else belongs to them."""

    rows: Sequence[Step]
    turns: Mapping[UUID, Turns]
    children: Mapping[UUID, ChildView]
    expiries: Mapping[UUID, ExpiryView]
    undone: frozenset[UUID]


def step_rows(run: UUID, person: Principal) -> QuerySet[Step] | None:
    """Every step of the run on all levels; None where the person may not know of the run."""
    if not runs(person).filter(pk=run).exists():
        return None
    return rows_with_attempts(Step.objects.filter(run=run))


def step_views(run: UUID, rows: Sequence[Step]) -> list[StepView]:
    """Some steps of a run, with all that belongs to them."""
    document = PlaybookVersion.objects.values_list("document", flat=True).get(runs=run)
    titles = {name: body.get("title", "") for name, body in side_of(document, {}).steps.items()}
    loaded = completed(rows)
    return [step_view(each, loaded, titles) for each in rows]


def load(run: Run, frames: Sequence[str], positions: range | None = None) -> Loaded:
    """The steps of these frames, of the run's own those at these positions, or all, and those of the rollbacks.

    Eight queries at most, whatever there are of them.
    """
    rows = [*_rows_of_frames(run, frames, positions), *(_rows_of_rollbacks(run) if run.rollbacks else ())]
    return completed(rows)


def completed(rows: Sequence[Step]) -> Loaded:
    return Loaded(
        rows,
        turns=counted(row.pk for row in rows if row.kind in {"each", "repeat"}),
        children=_children(row.pk for row in rows if row.kind == "run"),
        expiries=_expiries(rows),
        undone=_undone(rows),
    )


def step_view(step: Step, loaded: Loaded, titles: Mapping[str, str]) -> StepView:
    return StepView(
        step=step.key,
        title=titles.get(step.name) or step.name,
        kind=step.kind,
        status=step.status,
        needs=tuple(step.needs),
        action=step.action,
        effect=step.effect,
        undoes=step.undoes.key if step.undoes else None,
        undone=step.pk in loaded.undone,
        adopted_from=step.adopts.run_id if step.adopts else None,
        wait_reason=step.wait_reason,
        due_at=step.due_at,
        deadline_at=step.deadline_at,
        changed_at=step.changed_at,
        outputs=step.outputs,
        sentence=step.sentence,
        attempts=tuple(_attempt(each) for each in step.attempts.all()),
        turns=loaded.turns.get(step.pk),
        child=loaded.children.get(step.pk),
        expiry=loaded.expiries.get(step.pk),
    )


def rows_with_attempts(rows: QuerySet[Step]) -> QuerySet[Step]:
    attempts = Attempt.objects.select_related("connection").order_by("number")
    return rows.select_related(*LISTED).prefetch_related(Prefetch("attempts", attempts))


def _rows_of_frames(run: Run, frames: Sequence[str], positions: range | None) -> QuerySet[Step]:
    own = Q(frame="") if positions is None else Q(frame="", position__in=positions)
    rows = rows_with_attempts(run.steps.filter(own | Q(frame__in=frames), round=0))
    return rows.order_by("frame", "position")[: MOST_NESTED * 2]


def _rows_of_rollbacks(run: Run) -> QuerySet[Step]:
    return rows_with_attempts(run.steps.filter(round__gte=1)).order_by("round", "position")[:MOST_UNDONE]


def _attempt(attempt: Attempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        status=attempt.status,
        worker=attempt.worker,
        connection=attempt.connection.name if attempt.connection else None,
        simulated=attempt.is_simulated,
        target=attempt.target,
        parameters=attempt.parameters,
        parameters_digest=attempt.parameters_digest,
        idempotency_key=attempt.idempotency_key,
        job=attempt.handle is not None,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        outputs=attempt.outputs,
        sentence=attempt.sentence,
    )


def _children(steps: Iterable[UUID]) -> dict[UUID, ChildView]:
    """By the step that started them."""
    keys = list(steps)
    if not keys:
        return {}
    rows = Run.objects.filter(parent__in=keys, trigger=RunTrigger.PLAYBOOK).select_related(
        "version__playbook"
    )
    few = rows.only("id", "status", "is_detached", "parent_id", "version__playbook__slug")
    return {
        row.parent_id: ChildView(row.pk, row.version.playbook.slug, row.status, row.is_detached)
        for row in few
        if row.parent_id
    }


def _expiries(rows: Sequence[Step]) -> dict[UUID, ExpiryView]:
    changes = [row.pk for row in rows if row.kind == "do" and row.status == StepStatus.SUCCEEDED]
    found = list(Expiry.objects.filter(step__in=changes)) if changes else []
    others = _other_holders(found)
    return {
        each.step_id: ExpiryView(
            each.status,
            each.due_at,
            each.run_id,
            tuple(run for step, run in others.get(each.target, ()) if step != each.step_id),
        )
        for each in found
    }


def _other_holders(expiries: Sequence[Expiry]) -> dict[str, list[tuple[UUID, UUID]]]:
    """By target: the steps that hold it still, with their runs."""
    targets = {each.target for each in expiries if each.status == ExpiryStatus.ACTIVE}
    if not targets:
        return {}
    active = Expiry.objects.filter(target__in=targets, status=ExpiryStatus.ACTIVE)
    left = active.exclude(step__undone_by__status=StepStatus.SUCCEEDED).order_by("due_at")
    holders: dict[str, list[tuple[UUID, UUID]]] = {}
    for target, step, run in left.values_list("target", "step", "step__run")[: MOST_HOLDERS * len(targets)]:
        holders.setdefault(target, []).append((step, run))
    return holders


def _undone(rows: Sequence[Step]) -> frozenset[UUID]:
    """Those that were taken back, by a rollback or because their time was over."""
    changes = [row.pk for row in rows if row.status == StepStatus.SUCCEEDED and row.undoes_id is None]
    undoing = Step.objects.filter(undoes__in=changes, status=StepStatus.SUCCEEDED)
    return (
        frozenset(key for key in undoing.values_list("undoes", flat=True) if key) if changes else frozenset()
    )
