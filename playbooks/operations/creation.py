"""The rows of a new run: the run itself, its steps, and the entries that say that it began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from playbooks.audit import Stream
from playbooks.domain.expressions import render
from playbooks.domain.frames import TOP, key_in
from playbooks.domain.inputs import accept_inputs
from playbooks.domain.verbs import Verb
from playbooks.models import Alert, Case, Principal, Run, RunTrigger, Step
from playbooks.operations.actions import action_of, effect_of, uses_simulator
from playbooks.operations.change import Change
from playbooks.operations.definitions import definition_of
from playbooks.operations.influence import authors_behind, requesters_of
from playbooks.operations.refusals import Invalid
from playbooks.operations.rounds import moment
from playbooks.operations.statements import store


@dataclass(frozen=True, slots=True)
class Origin:
    """Why a run is made. `requested_by` is whoever asked for it, also by posting the alert that triggered it; None
    where that was a source. `parent` is the step that starts it, `repeats` the run of which it is a re-run.
    """

    trigger: RunTrigger
    requested_by: Principal | None
    alert: Alert | None = None
    parent: Step | None = None
    is_detached: bool = False
    repeats: Run | None = None
    simulates_all: bool = False


def create_run(
    version: UUID,
    *,
    case: Case,
    context: Mapping[str, object],
    inputs: Mapping[str, object],
    origin: Origin,
    now: datetime,
) -> Run:
    """A queued run with its steps, in the caller's transaction. `inputs` are those that were accepted."""
    definition = definition_of(version)
    parent = origin.parent
    run = Run(
        version_id=version,
        case=case,
        alert=origin.alert,
        trigger=origin.trigger,
        requested_by=origin.requested_by,
        parent=parent,
        is_detached=origin.is_detached,
        depth=parent.run.depth + 1 if parent else 0,
        repeats=origin.repeats,
        simulates_all=origin.simulates_all,
        is_simulated=origin.simulates_all or uses_simulator(definition),
        inputs=dict(inputs),
        context=dict(context),
        created_at=now,
    )
    store([run])
    create_steps(run, TOP, TOP, now)
    return run


def create_steps(run: Run, block: str, path: str, now: datetime) -> None:
    """The steps that the block with this id holds, in the frame at `path`."""
    definition = definition_of(run.version_id)
    store(
        [
            Step(
                run=run,
                frame=path,
                key=key_in(path, node.key),
                position=position,
                kind=node.kind,
                needs=list(node.needs),
                action=action_of(definition.steps[node.key]),
                effect=effect_of(definition, definition.steps[node.key]),
                changed_at=now,
            )
            for position, node in enumerate(definition.nodes[block])
        ]
    )


def accepted_inputs(
    version: UUID, given: Mapping[str, object], context: Mapping[str, object], now: datetime
) -> dict[str, object]:
    """The inputs that were given, checked, with the defaults of the others computed from the alert.

    Raises Invalid for inputs that do not fit.
    """

    def default(value: object) -> object:
        return render(value, {**context, "now": moment(now)})

    values, errors = accept_inputs(definition_of(version).playbook.inputs, given, default=default)
    if errors:
        raise Invalid([(f"/inputs/{name}", sentence) for name, sentence in errors])
    return values


def note_started(change: Change) -> None:
    run, definition = change.run, definition_of(change.run.version_id)
    change.note(Verb.RUN_ATTACHED, stream=Stream("case", str(run.case_id)), facts={"run": str(run.pk)})
    change.note(
        Verb.RUN_STARTED,
        facts={
            "playbook": definition.slug,
            "version": definition.number,
            "version_digest": definition.digest,
            "trigger": str(run.trigger),
            "alert": str(run.alert_id) if run.alert_id else None,
            "case": str(run.case_id),
            "parent": _parent(run),
            "repeats": str(run.repeats_id) if run.repeats_id else None,
            "requesters": requesters_of(run),
            "authors": authors_behind(run),
            "simulated": run.is_simulated,
            "inputs": run.inputs,
        },
    )


def _parent(run: Run) -> dict[str, str] | None:
    return {"run": str(run.parent.run_id), "step": run.parent.key} if run.parent else None
