"""Running a playbook again from where it failed.

A re-run is a new run of the same version. It takes over what succeeded, with its outputs, and does the rest; what was
approved for the run before is asked again wherever it covers something that is still to run.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.domain.coverage import covered_by
from playbooks.domain.duties import Denial
from playbooks.domain.statuses import ExpiryStatus, RequestStatus, RunStatus, StepStatus, VersionStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Expiry, Run, RunTrigger, Step
from playbooks.operations.actions import actions, uses_simulator
from playbooks.operations.caller import Caller
from playbooks.operations.change import Change, lock_run
from playbooks.operations.creation import Origin, create_run, note_started
from playbooks.operations.definitions import Definition, definition_of
from playbooks.operations.moves import move_step
from playbooks.operations.progress import advance
from playbooks.operations.refusals import Refused
from playbooks.operations.rollbacks import has_taken_back

MAY_RUN_AGAIN = frozenset({RunStatus.FAILED, RunStatus.CANCELLED})
NOT_FAILED = Denial(
    "run_not_failed", "Only a run that failed or was cancelled can be run again from where it ended."
)
TAKEN_BACK = Denial("run_rolled_back", "This run was rolled back, at least in part. Start a new run instead.")

SWITCHED = Denial(
    "run_simulated_otherwise",
    "A connection was switched between simulated and real since, so what this run did cannot be taken over. "
    "Start a new run instead.",
)


DENIED = Denial(
    "denied_before",
    "A request of this run was denied. Ask again on the page of that request, with new evidence.",
)


def rerun(run: UUID, *, caller: Caller) -> Run:
    """A new run of the same version with the same inputs, which takes over the steps that succeeded.

    Raises Refused without the permission, when the run has not failed, when a request of it was denied, and when
    something of it was taken back.
    """
    caller.require("start_run", "start runs")
    with transaction.atomic(durable=True):
        before = lock_run(run)
        caller.require_on("start_run", before, f"run {run}")
        if before.requests.filter(status=RequestStatus.DENIED).exists():
            raise Refused(DENIED)
        return run_again(before, caller)


def run_again(before: Run, caller: Caller) -> Run:
    """The new run, in the caller's transaction, with `before` locked. Raises Refused."""
    _require_failed(before)
    now = timezone.now()
    origin = Origin(
        RunTrigger.PERSON,
        caller.principal,
        alert=before.alert,
        repeats=before,
        simulates_all=before.simulates_all,
    )
    row = create_run(
        before.version_id,
        case=before.case,
        context=before.context,
        inputs=before.inputs,
        origin=origin,
        now=now,
    )
    change = Change(row, now, caller.actor)
    note_started(change)
    _adopt(change, before)
    advance(change)
    change.finish()
    return row


def _require_failed(run: Run) -> None:
    if run.trigger == RunTrigger.EXPIRY or run.status not in MAY_RUN_AGAIN:
        raise Refused(NOT_FAILED)
    if run.version.status != VersionStatus.PUBLISHED:
        raise Refused(
            Denial("version_status", f"{run.version} is no longer in force. Start a new run instead.")
        )
    if run.is_simulated != (run.simulates_all or uses_simulator(definition_of(run.version_id))):
        raise Refused(SWITCHED)
    if _was_taken_back(run):
        raise Refused(TAKEN_BACK)


def _was_taken_back(run: Run) -> bool:
    """Whether anything was undone that the run did, that a run did of which it is a re-run, or that one did which
    they started; or is left to others to undo.
    """
    held = Expiry.objects.filter(step__run=run)
    is_over = held.exclude(status__in=[ExpiryStatus.ACTIVE, ExpiryStatus.KEPT]).exists()
    if run.rollbacks or is_over or has_taken_back(run):
        return True
    before = [run.repeats] if run.repeats else []
    return any(_was_taken_back(each) for each in [*before, *Run.objects.filter(parent__run=run)])


def _adopt(change: Change, before: Run) -> None:
    """Steps of the run's own frame that succeeded count as done. A block that failed is begun anew, as a whole."""
    definition = definition_of(before.version_id)
    succeeded = {
        step.key: step for step in before.steps.filter(round=0, frame="", status=StepStatus.SUCCEEDED)
    }
    again = _asked_again(definition, succeeded)
    for step in change.run.steps.order_by("position"):
        done = succeeded.get(step.key)
        if done is not None and step.key not in again:
            move_step(
                step, StepStatus.SUCCEEDED, now=change.now, outputs=done.outputs, adopts=done.adopts or done
            )
            change.note_step(Verb.STEP_ADOPTED, step, run=str(before.pk), outputs=done.outputs)


def _asked_again(definition: Definition, succeeded: dict[str, Step]) -> frozenset[str]:
    """The gates behind which something is still to run."""
    return frozenset(
        key
        for key, step in succeeded.items()
        if step.kind == "approve"
        and any(
            (*definition.blocks[covered], covered)[0] not in succeeded
            for covered in covered_by(definition.playbook, key, actions())
        )
    )
