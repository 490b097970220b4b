"""Runs that steps of other runs start, and how the two hear of each other.

Neither ever locks the other's row. What ends a child marks the step that waits for it as due, in the same
transaction; the parent collects the outcome when the sweep, or the bell, comes by. What a parent wants of its child
(that it stops, that it is rolled back), the child reads from the parent's rows when it is driven.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.db.models import QuerySet

from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError
from playbooks.domain.statuses import RUN_ENDED, RunStatus, StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Run, RunTrigger, Step
from playbooks.operations import bell
from playbooks.operations.actions import parameters_of, pinned
from playbooks.operations.change import Change
from playbooks.operations.creation import Origin, accepted_inputs, create_run, note_started
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move_step, wait
from playbooks.operations.refusals import Invalid
from playbooks.operations.rollbacks import plan_of
from playbooks.operations.rounds import Frame

MOST_DEEP = 8  # runs inside each other
LOOK_AGAIN = timedelta(seconds=30)
_UNDONE = frozenset({RunStatus.ROLLED_BACK, RunStatus.ROLLBACK_FAILED})


def inputs_of(frame: Frame, step: Step, now: str) -> dict[str, object]:
    """What the step gives to the playbook that it runs. Raises ExpressionError."""
    return parameters_of(definition_of(frame.run.version_id).steps[step.name].with_, frame.scope(now))


def start(change: Change, frame: Frame, step: Step, given: Mapping[str, object]) -> None:
    """Starts the playbook that the step runs, with these inputs; the step waits for its end, unless it is detached.

    Raises ExpressionError when its inputs do not fit or runs are too deep inside each other.
    """
    run, definition = frame.run, definition_of(frame.run.version_id)
    document = definition.steps[step.name]
    if run.depth + 1 >= MOST_DEEP:
        raise ExpressionError(f"{MOST_DEEP} runs are inside each other already, the most there may be.")
    version = pinned(definition, str(document.run))
    try:
        inputs = accepted_inputs(version, given, run.context, change.now)
    except Invalid as error:
        raise ExpressionError(f"{document.run} cannot be run: {error}") from None
    child = create_run(
        version,
        case=run.case,
        context=run.context,
        inputs=inputs,
        origin=Origin(
            RunTrigger.PLAYBOOK,
            run.requested_by,
            alert=run.alert,
            parent=step,
            is_detached=document.detached,
            simulates_all=run.simulates_all,
        ),
        now=change.now,
    )
    begun = Change(child, change.now, change.actor)
    note_started(begun)
    change.entries.extend(begun.entries)
    bell.ring(child.pk)
    _wait(change, step, child, document.timeout, is_detached=document.detached)


def ask_to_roll_back(change: Change, step: Step) -> None:
    """The step, of a rollback, waits until the run is rolled back that its original started."""
    wait(step, WaitReason.CHILD, now=change.now, due_at=change.now + LOOK_AGAIN)
    bell.ring(_child_of(step).pk)


def tell_parent(change: Change) -> None:
    """A run has ended: the step that waits for it, if any, is due. Called in the run's own transaction."""
    for step in _waiting_for(change.run):
        Step.objects.filter(pk=step.pk, status=StepStatus.WAITING).update(due_at=change.now)
        bell.ring(step.run_id)


def collect(change: Change, step: Step) -> None:
    """Takes over the outcome of the child that the step waits for. If that has not ended, it is looked at again."""
    child = _child_of(step)
    if not _has_come_to_its_end(step, child):
        step.due_at = change.now + LOOK_AGAIN
        step.save(update_fields=["due_at"])
        if step.is_stopping or step.undoes_id:
            bell.ring(child.pk)  # it may not have heard what is wanted of it
    elif step.undoes_id:
        _collect_rollback(change, step, child)
    elif child.status == RunStatus.SUCCEEDED:
        _end(change, step, StepStatus.SUCCEEDED, "", {**child.outputs})
    elif child.status == RunStatus.CANCELLED and change.run.status == RunStatus.CANCELLING:
        _end(change, step, StepStatus.CANCELLED, "", {})
    else:
        why = child.sentence or f"it was {child.status}"
        _end(
            change,
            step,
            StepStatus.FAILED,
            step.sentence or f"The run of {child.version.playbook.slug} ended: {why}",
            {},
        )


def is_unwanted(run: Run) -> bool:
    """Whether the step that waits for this run is to stop, so that the run is as well."""
    parent = run.parent
    return (
        parent is not None
        and not run.is_detached
        and parent.status == StepStatus.WAITING
        and parent.is_stopping
    )


def is_to_be_rolled_back(run: Run) -> bool:
    """Whether a rollback of the parent waits for this run to be rolled back."""
    return bool(run.parent_id) and _rollbacks_that_wait(run).exists()


def _wait(change: Change, step: Step, child: Run, timeout: str | None, *, is_detached: bool) -> None:
    if is_detached:
        _end(change, step, StepStatus.SUCCEEDED, "", {"run": str(child.pk)})
        return
    deadline = change.now + parse_duration(timeout) if timeout else None
    wait(step, WaitReason.CHILD, now=change.now, due_at=None, deadline_at=deadline)


def _waiting_for(run: Run) -> list[Step]:
    """The steps that wait for this run: its parent, or a step that undoes its parent."""
    if run.parent is None:
        return []
    return [*([] if run.is_detached else [run.parent]), *_rollbacks_that_wait(run)]


def _rollbacks_that_wait(run: Run) -> QuerySet[Step]:
    return Step.objects.filter(undoes=run.parent_id, status=StepStatus.WAITING, wait_reason=WaitReason.CHILD)


def _child_of(step: Step) -> Run:
    children = Run.objects.select_related("version__playbook").filter(trigger=RunTrigger.PLAYBOOK)
    return children.get(parent=step.undoes_id or step.pk)


def _has_come_to_its_end(step: Step, child: Run) -> bool:
    if not step.undoes_id:
        return child.status in RUN_ENDED
    return child.status in _UNDONE or (child.status in RUN_ENDED and not plan_of(child).undoings)


def _collect_rollback(change: Change, step: Step, child: Run) -> None:
    if child.status == RunStatus.ROLLBACK_FAILED:
        sentence = "The run that it started could not be rolled back completely."
        _end(change, step, StepStatus.FAILED, sentence, {})
    else:
        _end(change, step, StepStatus.SUCCEEDED, "", {"changed": True})


def _end(change: Change, step: Step, status: StepStatus, sentence: str, outputs: dict[str, object]) -> None:
    move_step(
        step, status, now=change.now, sentence=sentence, outputs=outputs, is_stopping=False, deadline_at=None
    )
    verb = _VERBS.get(status)
    if verb is not None:
        change.note_step(
            Verb.STEP_UNDONE if step.undoes_id and verb is Verb.STEP_SUCCEEDED else verb,
            step,
            sentence=sentence,
        )


_VERBS = {StepStatus.SUCCEEDED: Verb.STEP_SUCCEEDED, StepStatus.FAILED: Verb.STEP_FAILED}
