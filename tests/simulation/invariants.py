"""What holds in every world, whatever went wrong. Each check yields a sentence for whatever does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from playbooks.audit import verification
from playbooks.audit.sequencer import sequence_once
from playbooks.domain.actions import Effect, Repeat
from playbooks.domain.statuses import RUN_ENDED, STEP_ENDED, AttemptStatus, StepStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Attempt, Run, RunTrigger, Step
from playbooks.operations.actions import actions
from playbooks.operations.definitions import definition_of
from tests.simulation.gates import problems_of_gates
from tests.simulation.history import Happening, histories
from tests.simulation.record import Record
from tests.simulation.replay import problems_of_plan
from tests.simulation.rollback import problems_of_rollback

ONCE = frozenset({Repeat.NEVER, Repeat.KEYED, Repeat.LOOKUP})


def problems(record: Record) -> list[str]:
    """Everything that does not hold in a history that was played to its end."""
    return [
        *record.complaints,
        *_problems_of_starts(record),
        *_problems_of_runs(record),
        *_problems_of_log(record),
    ]


def _problems_of_starts(record: Record) -> Iterator[str]:
    kept = {str(key) for key in Run.objects.filter(trigger=RunTrigger.PERSON).values_list("pk", flat=True)}
    started = {str(key) for key in record.runs.values()}
    if kept != started or len(kept) != record.asked:
        yield f"{record.asked} runs were asked for, {len(started)} answered, and {len(kept)} are kept."


def _problems_of_log(record: Record) -> Iterator[str]:
    sequence_once(record.signer)
    for problem in verification.problems(record.signer.key):
        yield f"The log does not verify: {problem}"


def _problems_of_runs(record: Record) -> Iterator[str]:
    told = histories()
    names = {key: f"run{number}" for number, key in record.runs.items()}
    for run in Run.objects.order_by("created_at"):
        for problem in _problems_of_run(record, run, told[str(run.pk)]):
            yield f"{names.get(run.pk, f'{run.trigger} {run.pk}')}: {problem}"


def _problems_of_run(record: Record, run: Run, history: Sequence[Happening]) -> Iterator[str]:
    definition = definition_of(run.version_id)
    steps = list(run.steps.order_by("round", "position"))
    yield from _problems_of_end(run, steps, history)
    yield from _problems_of_effects(record, run, steps)
    if run.trigger != RunTrigger.EXPIRY:
        yield from problems_of_gates(record.cast, definition, steps, history)
        yield from problems_of_rollback(definition, steps, history)
        yield from problems_of_plan(run, steps, history)


def _problems_of_end(run: Run, steps: Sequence[Step], history: Sequence[Happening]) -> Iterator[str]:
    ends = [each.verb for each in history if each.verb in {Verb.RUN_ENDED, Verb.RUN_CANCELLED}]
    if run.status not in RUN_ENDED:
        yield f"It is {run.status} for ever."
    if len(ends) != 1:
        yield f"It ended {len(ends)} times."
    if Attempt.objects.filter(
        step__run=run, status__in=[AttemptStatus.RUNNING, AttemptStatus.PENDING]
    ).exists():
        yield "An attempt runs for ever."
    for step in steps:
        is_left_out = (
            step.status == StepStatus.PENDING and step.round > 0
        )  # what it follows could not be undone
        if step.status not in STEP_ENDED and not is_left_out:
            yield f"{step.key} in round {step.round} is {step.status} for ever."


def _problems_of_effects(record: Record, run: Run, steps: Sequence[Step]) -> Iterator[str]:
    targets = _targets(run)
    for step in steps:
        if step.kind != "do" or step.effect == Effect.READ:
            continue
        target = targets.get(step.pk)
        if step.undoes_id is None:
            yield from _problems_of_doing(record, step, record.effects[target] if target else 0)
        elif target:
            yield from _problems_of_undoing(record, step, record.undone[target])


def _targets(run: Run) -> Mapping[object, str]:
    """What the attempts of each step acted on."""
    attempts = Attempt.objects.filter(step__run=run).values_list("step", "parameters")
    return {step: str(parameters["target"]) for step, parameters in attempts}


def _problems_of_doing(record: Record, step: Step, count: int) -> Iterator[str]:
    repeat = actions()[step.action].repeat
    if count > 1 and repeat in ONCE:
        yield f"{step.key}, which is {repeat}, happened {count} times."
    if count == 0 and step.status == StepStatus.SUCCEEDED:
        yield f"{step.key} succeeded and never happened."
    if count and step.status != StepStatus.SUCCEEDED and not record.was_given_up(step):
        yield f"{step.key} happened, and is {step.status}."


def _problems_of_undoing(record: Record, step: Step, count: int) -> Iterator[str]:
    is_once = actions()[step.action].repeat in ONCE and not record.was_undo_given_up(step)
    if count > 1 and is_once:
        yield f"{step.key} was undone {count} times."
    if count == 0 and step.status == StepStatus.SUCCEEDED:
        yield f"The undo of {step.key} succeeded and never happened."
