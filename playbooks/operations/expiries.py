"""Changes that are to last for a time only, or until people countersign them: each is taken back at its time by a run
of its own.

Whoever changed the same target for a time holds it together (holders.py): it is taken back when the last of them lets
go, and only if one of them really changed it. Whatever takes it back locks a run first, and then the rows of the
target.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from playbooks.domain.canonical import digest
from playbooks.domain.durations import parse_duration
from playbooks.domain.rollback import Done, UndoCall, rollback_plan
from playbooks.domain.statuses import (
    RUN_ENDED,
    ExpiryStatus,
    RequestStatus,
    RunStatus,
    StepStatus,
)
from playbooks.domain.verbs import Verb
from playbooks.models import Attempt, Expiry, Run, RunTrigger, Step
from playbooks.operations import holders, requests, telling
from playbooks.operations.caller import SYSTEM
from playbooks.operations.change import Change, lock_run, run_stream, step_subject
from playbooks.operations.creation import note_started
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move, move_step
from playbooks.operations.rollbacks import create_undoing_steps, undo_of
from playbooks.operations.rounds import steps_of_round

LOOK_AGAIN = timedelta(minutes=1)
MOST_DOUBLINGS = 9
LONGEST_PAUSE = timedelta(hours=6)
_UNDER_WAY = (StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING, StepStatus.UNKNOWN)


def follow(change: Change, step: Step) -> None:
    """After a step has succeeded: writes down when it is to be taken back, or, for one that took something back, that
    this is over.
    """
    if step.undoes_id:
        _note_taken_back(step)
        return
    lasts = _lasts(change, step)
    if lasts is None:
        return
    due_at = change.now + lasts
    undo, attempt = _undo_of(step)
    if not isinstance(undo, UndoCall):
        _note_impossible(change, step, due_at, undo)
        return
    target = holders.target_of(undo, is_simulated=attempt.is_simulated)
    Expiry.objects.create(step=step, target=target, due_at=due_at, created_at=change.now)
    change.note_step(Verb.EXPIRY_SCHEDULED, step, due_at=due_at.isoformat(), undo=undo.as_json())


def hold_until(change: Change, step: Step, latest: datetime) -> datetime:
    """After a step has succeeded that nobody has approved: it is taken back at `latest`, or at its own time where that
    is sooner. Returns when. What cannot be taken back any more is tried, and told, all the same.
    """
    lasts = _lasts(change, step)
    due_at = latest if lasts is None else min(latest, change.now + lasts)
    undo, attempt = _undo_of(step)
    if isinstance(undo, UndoCall):
        target = holders.target_of(undo, is_simulated=attempt.is_simulated)
        change.note_step(Verb.EXPIRY_SCHEDULED, step, due_at=due_at.isoformat(), undo=undo.as_json())
    else:
        target = digest({"step": str(step.pk)})  # nobody else holds what nobody knows how to take back
        _note_impossible(change, step, due_at, undo)
    Expiry.objects.create(step=step, target=target, due_at=due_at, created_at=change.now)
    return due_at


def let_stand(change: Change, step: Step) -> None:
    """People have countersigned what the step did: it lasts as long as its playbook says, or for good."""
    row = _active(step)
    if row is None:
        return
    if (lasts := _lasts(change, step)) is None:
        _end_of_target(row, ExpiryStatus.KEPT)
        change.note_step(Verb.EXPIRY_DROPPED, step)
        return
    row.due_at = row.created_at + lasts
    row.save(update_fields=["due_at"])
    change.note_step(Verb.EXPIRY_DROPPED, step, due_at=row.due_at.isoformat())


def hasten(change: Change, step: Step) -> None:
    """What the step did is to be taken back now; the next sweep begins with it."""
    row = _active(step)
    if row is not None:
        row.due_at = min(row.due_at, change.now)
        row.save(update_fields=["due_at"])
        change.note_step(Verb.EXPIRY_SCHEDULED, step, due_at=row.due_at.isoformat())


def rolled_back(change: Change) -> None:
    """A rollback has ended: nobody is asked to countersign what it took back, or left to others who hold it too."""
    asked = change.run.requests.filter(countersigns=True, status=RequestStatus.OPEN)
    for request in asked.exclude(step__expiry__status=ExpiryStatus.ACTIVE).select_related("step"):
        request.run = change.run
        requests.close(change, request, RequestStatus.WITHDRAWN, Verb.REQUEST_WITHDRAWN)


def due(now: datetime) -> QuerySet[Expiry]:
    """The changes whose time has come."""
    return Expiry.objects.filter(status=ExpiryStatus.ACTIVE, due_at__lte=now)


def stopped() -> QuerySet[Expiry]:
    """The changes that were to be taken back by a run that somebody has stopped."""
    cancelled = Run.objects.filter(pk=OuterRef("run"), status=RunStatus.CANCELLED)
    # A join would let the database begin with the runs, of which there are many.
    return Expiry.objects.filter(Exists(cancelled), status=ExpiryStatus.UNDOING)


def expire(expiry: UUID, *, now: datetime) -> None:
    """What happens when the time of a change has come: a run takes it back, unless others hold the same target."""
    original = Expiry.objects.values_list("step__run", flat=True).get(pk=expiry)
    with transaction.atomic(durable=True):
        change = Change(lock_run(original), now, SYSTEM)
        row = _locked(expiry, change.run)
        if row.status == ExpiryStatus.UNDOING and row.run and row.run.status == RunStatus.CANCELLED:
            _try_later(change, row, "Somebody cancelled the run that was to take it back.")
        elif row.status == ExpiryStatus.ACTIVE and row.due_at <= now:
            _act(change, row)
        change.finish()


def ended(change: Change, status: RunStatus) -> None:
    """The run that takes a change back has ended. If it could not, it is tried again after a growing pause."""
    row = Expiry.objects.select_related("step").get(run=change.run)
    if status is RunStatus.SUCCEEDED:
        move(row, ExpiryStatus.ENDED)
    elif status in RUN_ENDED:
        _try_later(change, row, change.run.sentence)


def _lasts(change: Change, step: Step) -> timedelta | None:
    """For how long the playbook lets the change stand; None for good."""
    document = definition_of(change.run.version_id).steps[step.name]
    return None if document.expires is None else parse_duration(document.expires)


def _note_impossible(change: Change, step: Step, due_at: datetime, sentence: str) -> None:
    facts = {"step": step.key, "due_at": due_at.isoformat(), "sentence": sentence}
    change.note(Verb.EXPIRY_SCHEDULED, subject=step_subject(step), outcome="impossible", facts=facts)


def _active(step: Step) -> Expiry | None:
    """That of the step, with all that hold its target locked, unless its time is over."""
    found = Expiry.objects.filter(step=step).values_list("target", flat=True).first()
    rows = holders.of_target(found) if found else []
    return next((row for row in rows if row.step_id == step.pk and row.status == ExpiryStatus.ACTIVE), None)


def _locked(expiry: UUID, run: Run) -> Expiry:
    """The expiry, with all that hold its target locked."""
    target = Expiry.objects.values_list("target", flat=True).get(pk=expiry)
    held = {row.pk: row for row in holders.of_target(target)}
    row = held.get(expiry) or Expiry.objects.select_related("step").get(pk=expiry)
    row.step.run = run
    return row


def _act(change: Change, row: Expiry) -> None:
    step = row.step
    undo, _ = _undo_of(step)
    if step.undone_by.filter(status=StepStatus.SUCCEEDED).exists():
        _end(change, row, "It was taken back before.")
    elif _is_being_undone(step):
        row.due_at = change.now + LOOK_AGAIN
        row.save(update_fields=["due_at"])
    elif keepers := list(holders.others(step, row.target)):
        move(row, ExpiryStatus.RELEASED)
        change.note_step(Verb.EXPIRY_RELEASED, step, held_by=[str(each.step.run_id) for each in keepers])
    elif not (holders.has_changed(step) or _was_left_changed(row)):
        _end(change, row, "It was so before.")
    elif not isinstance(undo, UndoCall):
        _try_later(change, row, undo)
    else:
        _undo(change, row, undo)


def _end(change: Change, row: Expiry, sentence: str) -> None:
    _end_of_target(row, ExpiryStatus.ENDED)
    change.note_step(Verb.EXPIRY_ENDED, row.step, sentence=sentence)


def _end_of_target(row: Expiry, status: ExpiryStatus) -> None:
    """Nothing is left to take back, so those who let go of the target before are done with it too."""
    move(row, status)
    for each in Expiry.objects.filter(target=row.target, status=ExpiryStatus.RELEASED):
        move(each, ExpiryStatus.ENDED)


def _try_later(change: Change, row: Expiry, sentence: str) -> None:
    pause = min(timedelta(minutes=2 ** min(row.tries, MOST_DOUBLINGS)), LONGEST_PAUSE)
    move(row, ExpiryStatus.ACTIVE, tries=row.tries + 1, due_at=change.now + pause)
    change.note_step(
        Verb.EXPIRY_RETRIED, row.step, tries=row.tries, due_at=row.due_at.isoformat(), sentence=sentence
    )
    change.tellings += telling.expiry_failed(row, change.run, sentence)


def _is_being_undone(step: Step) -> bool:
    """By a rollback: it is no matter of time any more."""
    to_come = Q(status=StepStatus.PENDING, run__status=RunStatus.ROLLING_BACK)
    return step.undone_by.filter(Q(status__in=_UNDER_WAY) | to_come).exists()


def _was_left_changed(row: Expiry) -> bool:
    """Whether somebody who has let go before had really changed the target, so that it was not so before."""
    released = Expiry.objects.filter(target=row.target, status=ExpiryStatus.RELEASED)
    return any(holders.has_changed(each.step) for each in released.select_related("step"))


def _note_taken_back(step: Step) -> None:
    """Those who let go of the target before are done with it, and so is what was taken back."""
    attempt = step.attempts.select_related("connection").order_by("-number")[0]
    if attempt.connection is None:
        return
    undo = UndoCall(step.action, attempt.connection.name, 0, attempt.parameters)
    for row in holders.of_target(holders.target_of(undo, is_simulated=attempt.is_simulated)):
        is_own = row.step_id == step.undoes_id and row.status == ExpiryStatus.ACTIVE
        if is_own or row.status == ExpiryStatus.RELEASED:
            move(row, ExpiryStatus.ENDED)


def _undo(change: Change, row: Expiry, undo: UndoCall) -> None:
    original = row.step
    done = Done(original.key, (), original.effect, changed=True, undo=undo)
    plan = rollback_plan([done], all_needs={original.key: ()})
    begun = Change(_run(change.run, change.now), change.now, SYSTEM)
    move(row, ExpiryStatus.UNDOING, run=begun.run)
    note_started(begun)
    facts = {"step": original.key, "run": str(begun.run.pk)}
    begun.note(Verb.EXPIRY_DUE, stream=run_stream(change.run), facts=facts)
    for step in create_undoing_steps(begun.run, plan, {original.key: original}, change.now):
        move_step(step, StepStatus.READY, now=change.now)
        begun.ready += 1
    begun.finish()


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


def _undo_of(step: Step) -> tuple[UndoCall | str, Attempt]:
    """What takes a step back, and the attempt at it that counts."""
    attempt = step.attempts.select_related("connection").order_by("-number")[0]
    return undo_of(step.run, steps_of_round(step.run, 0), step, attempt), attempt
