"""Changes that are to last for a time only: each is taken back at its time by a run of its own.

Whoever changed the same target for a time holds it together: it is taken back when the last of them lets go, and only
if one of them really changed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from playbooks.domain.canonical import digest
from playbooks.domain.durations import parse_duration
from playbooks.domain.rollback import Done, RollbackPlan, UndoCall, rollback_plan
from playbooks.domain.statuses import ExpiryStatus, RunStatus, StepStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Expiry, Run, RunTrigger, Step
from playbooks.operations.caller import SYSTEM
from playbooks.operations.change import Change, run_stream
from playbooks.operations.creation import note_started
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move, move_step
from playbooks.operations.rollbacks import create_undoing_steps, undo_of
from playbooks.operations.rounds import steps_of_round

LONGEST_PAUSE = timedelta(hours=6)


def schedule(change: Change, step: Step) -> None:
    """After a step that says when it expires has succeeded: writes down when it is to be taken back."""
    document = definition_of(change.run.version_id).steps[step.name]
    if document.expires is None or step.undoes_id:
        return
    undo = _undo_of(step)
    if not isinstance(undo, UndoCall):
        return
    due_at = change.now + parse_duration(document.expires)
    Expiry.objects.create(step=step, target=target_of(undo), due_at=due_at, created_at=change.now)
    change.note_step(Verb.EXPIRY_SCHEDULED, step, due_at=due_at.isoformat(), undo=undo.as_json())


def expire(expiry: UUID, *, now: datetime) -> None:
    """What happens when the time of a change has come: a run takes it back, unless others hold the same target."""
    with transaction.atomic(durable=True):
        row = _locked(expiry)
        if row.status != ExpiryStatus.ACTIVE or row.due_at > now:
            return
        if not _is_left(row.step):
            move(row, ExpiryStatus.ENDED)
        elif others_hold(row.step, row.target).exists():
            _release(row, now)
        elif row.step.outputs.get("changed") is False and not _changed_before(row):
            move(row, ExpiryStatus.ENDED)
        else:
            _undo(row, now)


def ended(change: Change, status: RunStatus) -> None:
    """The run that takes a change back has ended. If it could not, it is tried again after a growing pause."""
    row = Expiry.objects.get(run=change.run)
    if status is RunStatus.SUCCEEDED:
        move(row, ExpiryStatus.ENDED)
        for each in Expiry.objects.filter(target=row.target, status=ExpiryStatus.RELEASED):
            move(each, ExpiryStatus.ENDED)
        return
    pause = min(timedelta(minutes=2**row.tries), LONGEST_PAUSE)
    move(row, ExpiryStatus.ACTIVE, tries=row.tries + 1, due_at=change.now + pause)


def others_hold(step: Step, target: str) -> QuerySet[Expiry]:
    """The changes by other steps that hold the same target still."""
    active = Expiry.objects.filter(target=target, status=ExpiryStatus.ACTIVE).exclude(step=step)
    return active.exclude(step__undone_by__status=StepStatus.SUCCEEDED)


def target_of(undo: UndoCall) -> str:
    return digest({"action": undo.action, "connection": undo.connection, "parameters": dict(undo.parameters)})


def _locked(expiry: UUID) -> Expiry:
    """The expiry, with all that hold its target locked, in one order."""
    target = Expiry.objects.values_list("target", flat=True).get(pk=expiry)
    rows = (
        Expiry.objects.select_for_update(of=("self",))
        .filter(target=target)
        .exclude(status=ExpiryStatus.ENDED)
    )
    held = {row.pk: row for row in rows.select_related("step__run").order_by("pk")}
    return held.get(expiry) or Expiry.objects.get(pk=expiry)


def _is_left(step: Step) -> bool:
    return not step.undone_by.filter(status=StepStatus.SUCCEEDED).exists()


def _changed_before(row: Expiry) -> bool:
    """Whether somebody who has let go before had really changed the target, so that it was not so before."""
    released = Expiry.objects.filter(target=row.target, status=ExpiryStatus.RELEASED)
    return any(each.step.outputs.get("changed") is not False for each in released.select_related("step"))


def _release(row: Expiry, now: datetime) -> None:
    move(row, ExpiryStatus.RELEASED)
    change = Change(row.step.run, now, SYSTEM)
    holders = [str(each.step.run_id) for each in others_hold(row.step, row.target).select_related("step")]
    change.note_step(Verb.EXPIRY_RELEASED, row.step, held_by=holders)
    change.finish()


def _undo(row: Expiry, now: datetime) -> None:
    original = row.step
    undo = _undo_of(original)
    plan = rollback_plan(
        [Done(original.key, (), original.effect, changed=True, undo=undo)], all_needs={original.key: ()}
    )
    run = _run(original.run, now)
    move(row, ExpiryStatus.UNDOING, run=run)
    change = Change(run, now, SYSTEM)
    note_started(change)
    change.note(
        Verb.EXPIRY_DUE, stream=run_stream(original.run), facts={"step": original.key, "run": str(run.pk)}
    )
    _ready(change, plan, original)
    change.finish()


def _ready(change: Change, plan: RollbackPlan, original: Step) -> None:
    steps: Sequence[Step] = create_undoing_steps(change.run, plan, {original.key: original}, change.now)
    for step in steps:
        move_step(step, StepStatus.READY, now=change.now)
        change.ready += 1


def _run(of: Run, now: datetime) -> Run:
    return Run.objects.create(
        version_id=of.version_id,
        case_id=of.case_id,
        alert_id=of.alert_id,
        trigger=RunTrigger.EXPIRY,
        requested_by_id=of.requested_by_id,
        simulates_all=of.simulates_all,
        is_simulated=of.is_simulated,
        inputs=of.inputs,
        context=of.context,
        created_at=now,
    )


def _undo_of(step: Step) -> UndoCall | str:
    attempt = step.attempts.select_related("connection").order_by("-number")[0]
    return undo_of(step.run, steps_of_round(step.run, 0), step, attempt)
