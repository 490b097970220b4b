"""Taking back what a run has done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.domain.actions import Irreversible, NothingToUndo, Undo
from playbooks.domain.duties import Denial
from playbooks.domain.expressions import ExpressionError
from playbooks.domain.frames import Row, needs_between
from playbooks.domain.playbook import Step as DocumentStep
from playbooks.domain.playbook import Undo as DocumentUndo
from playbooks.domain.rollback import Done, RollbackPlan, UndoCall, UndoRun, rollback_plan
from playbooks.domain.statuses import ExpiryStatus, RunStatus, StepStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Attempt, Connection, Expiry, Run, Step
from playbooks.operations import holders
from playbooks.operations.actions import actions, connection_name, parameters_of
from playbooks.operations.caller import Caller
from playbooks.operations.change import Change, lock_run
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move, move_step
from playbooks.operations.refusals import Refused
from playbooks.operations.rounds import Steps, frame_of_round, moment, steps_of_round

NOTHING = Denial("nothing_to_roll_back", "Nothing that this run changed is left to be taken back.")
HELD = Denial(
    "nothing_to_roll_back",
    "Others hold all that this run changed; it is taken back when the last of them lets go, this run included.",
)
CHANGED = Denial(
    "stale_plan",
    "The plan has changed since it was shown to you. Read it again and confirm what it says now.",
)
DETACHED = "The run of {playbook} that it started goes its own way; roll that back on its own page."
NOT_ENDED = Denial("run_not_ended", "Only a run that has ended can be rolled back; cancel it first.")

MAY_ROLL_BACK = frozenset(
    {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.ROLLBACK_FAILED}
)


def plan_of(run: Run) -> RollbackPlan:
    """What a rollback of the run would undo now: everything that it changed and that was not undone before."""
    steps = steps_of_round(run, 0)
    over = _over(run)
    left = [step for step in steps.values() if step.pk not in over and not _is_not_its_own(step)]
    attempts = _last_attempts(run)
    calls = [_done(run, steps, step, attempts[step.key]) for step in left if _has_done(step)]
    calls = holders.judged(run, calls, attempts)
    runs = [done for step in left if step.kind == "run" and (done := _done_by_child(step))]
    return rollback_plan([*calls, *runs], all_needs=_needs(steps))


def _over(run: Run) -> set[UUID]:
    """The steps that were undone, and those whose time was over: whoever holds their target since takes it back."""
    undone = Step.objects.filter(undoes__run=run, status=StepStatus.SUCCEEDED).values_list(
        "undoes", flat=True
    )
    gone = Expiry.objects.filter(
        step__run=run, status__in=[ExpiryStatus.RELEASED, ExpiryStatus.ENDED]
    ).values_list("step", flat=True)
    return {each for each in (*undone, *gone) if each is not None}


def _is_not_its_own(step: Step) -> bool:
    """What was taken over is undone where it was done; what undoes is not undone."""
    return bool(step.adopts_id or step.undoes_id)


def has_taken_back(run: Run) -> bool:
    """Whether anything that the run did was undone, by a rollback or because its time was over."""
    return Step.objects.filter(undoes__run=run, status=StepStatus.SUCCEEDED).exists()


def _has_done(step: Step) -> bool:
    return step.kind == "do" and step.status == StepStatus.SUCCEEDED


def _needs(steps: Steps) -> dict[str, tuple[str, ...]]:
    rows = {key: Row(key, tuple(step.needs), step.kind == "repeat") for key, step in steps.items()}
    return needs_between(rows)


def _done_by_child(step: Step) -> Done | None:
    """What the run that a step started has changed, whatever became of that run; None where it is nothing."""
    child = Run.objects.filter(parent=step).first()
    if child is None:
        return None
    plan = plan_of(child)
    undo: UndoRun | str = UndoRun(str(child.pk), plan)
    if child.is_detached:
        undo = DETACHED.format(playbook=child.version.playbook.slug)
    is_left = bool(plan.undoings or plan.irreversible)
    return Done(step.key, tuple(step.needs), step.effect, changed=is_left, undo=undo)


def start(run: UUID, *, caller: Caller, plan_digest: str) -> Run:
    """Rolls an ended run back by the plan that was shown. A run that is rolled back already stays as it is.

    Raises Refused without the permission, before the run has ended, or when the plan is another one now.
    """
    caller.require("roll_back_run", "roll back runs")
    with transaction.atomic(durable=True):
        row = lock_run(run)
        caller.require_on("roll_back_run", row, f"run {run}")
        if row.status in {RunStatus.ROLLED_BACK, RunStatus.ROLLING_BACK}:
            return row
        if row.status not in MAY_ROLL_BACK:
            raise Refused(NOT_ENDED)
        plan = plan_of(row)
        if plan.digest != plan_digest:
            raise Refused(CHANGED)
        if not plan.undoings:
            raise Refused(HELD if plan.kept else NOTHING)
        change = Change(row, timezone.now(), caller.actor)
        _begin(change, plan)
        change.finish()
    return row


def begin(change: Change) -> None:
    """The rollback of a run that failed and whose playbook says `on_failure: rollback`, or whose parent is rolled
    back.
    """
    plan = plan_of(change.run)
    if plan.undoings:
        _begin(change, plan)


def _begin(change: Change, plan: RollbackPlan) -> None:
    run = change.run
    move(run, RunStatus.ROLLING_BACK, rollbacks=run.rollbacks + 1)
    change.note(
        Verb.ROLLBACK_STARTED,
        facts={"round": run.rollbacks, "plan": plan.as_json(), "plan_digest": plan.digest},
    )
    originals = steps_of_round(run, 0)
    for key, kept in plan.kept:
        holders.let_go(change, originals[key], kept)
    for step in create_undoing_steps(run, plan, originals, change.now):
        if not step.needs:
            move_step(step, StepStatus.READY, now=change.now)
            change.ready += 1


def create_undoing_steps(run: Run, plan: RollbackPlan, originals: Steps, now: datetime) -> list[Step]:
    """The steps of `run` that undo `originals`, in the order of the plan."""
    return Step.objects.bulk_create(
        Step(
            run=run,
            round=run.rollbacks,
            key=undoing.key,
            position=position,
            needs=list(undoing.needs),
            undoes=originals[undoing.key],
            changed_at=now,
            **_undoing_kind(undoing.call),
        )
        for position, undoing in enumerate(plan.undoings)
    )


def _undoing_kind(call: UndoCall | UndoRun) -> dict[str, str]:
    if isinstance(call, UndoRun):
        return {"kind": "run"}
    return {"kind": "do", "action": call.action, "effect": actions()[call.action].effect.value}


def _last_attempts(run: Run) -> dict[str, Attempt]:
    rows = Attempt.objects.filter(step__run=run, step__round=0).select_related("step", "connection")
    return {attempt.step.key: attempt for attempt in rows.order_by("number")}


def _done(run: Run, steps: Steps, step: Step, attempt: Attempt) -> Done:
    return Done(
        key=step.key,
        needs=tuple(step.needs),
        effect=step.effect,
        changed=step.outputs.get("changed") is not False,
        undo=undo_of(run, steps, step, attempt),
    )


def undo_of(run: Run, steps: Steps, step: Step, attempt: Attempt) -> UndoCall | str:
    """The call that takes a step back, or the sentence that says why there is none. `steps` are those of round 0."""
    document = definition_of(run.version_id).steps[step.name]
    if document.undo is not None:
        scope = frame_of_round(run, steps, step.frame).scope(moment(run.created_at))
        return own_undo(step.key, document, scope)
    return undo_of_action(document, attempt.parameters, step.outputs)


def own_undo(key: str, document: DocumentStep, scope: Mapping[str, object]) -> UndoCall | str:
    """The undo that the step declares itself."""
    undo = cast("DocumentUndo", document.undo)
    if undo.do is None:
        return f"{key} is not undone: {undo.none}"
    return _call(undo.do, undo.using or connection_name(document), undo.with_, scope)


def undo_of_action(
    document: DocumentStep, parameters: Mapping[str, object], outputs: Mapping[str, object]
) -> UndoCall | str:
    """The undo of the action that was sent with these parameters and answered with these outputs."""
    match actions()[document.do].undo:
        case Undo(action=action, parameters=undo):
            about = {"inputs": parameters, "outputs": outputs}
            return _call(action, connection_name(document), undo, about)
        case Irreversible(sentence=sentence):
            return sentence
        case NothingToUndo():
            return "It changed nothing that could be undone."


def _call(
    action: str, connection: str, parameters: Mapping[str, object], scope: Mapping[str, object]
) -> UndoCall | str:
    try:
        return UndoCall(action, connection, _revision(connection), parameters_of(parameters, scope))
    except ExpressionError as error:
        return f"The undo by {action} cannot be composed: {error}"


def _revision(connection: str) -> int:
    """0 for a connection that does not exist: the undo itself will fail with the sentence that says so."""
    return Connection.objects.filter(name=connection).values_list("revision", flat=True).first() or 0
