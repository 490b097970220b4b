"""The pure planner, given the outcomes that were recorded, comes to the same end as the run did, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from playbooks.domain.expressions import is_true, render
from playbooks.domain.frames import block_of, index_of
from playbooks.domain.planner import Condition, Node, Progress, State, Values, plan, run_status
from playbooks.domain.statuses import StepStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Run, Step, Turn
from playbooks.operations.definitions import definition_of
from playbooks.operations.rounds import Frame, frame_of_round
from tests.simulation.history import Happening

BEGUN = frozenset({StepStatus.READY, StepStatus.WAITING})
NEVER_BEGUN = frozenset({StepStatus.SKIPPED, StepStatus.PENDING})


def problems_of_plan(run: Run, steps: Sequence[Step], history: Sequence[Happening]) -> Iterator[str]:
    """Nothing is said of what somebody, or its time, stopped in the middle."""
    if any(each.verb in {Verb.RUN_CANCEL_REQUESTED, Verb.RUN_CANCELLED} for each in history):
        return
    own = {step.key: step for step in steps if step.round == 0}
    for path in sorted({step.frame for step in own.values()}):
        frame = frame_of_round(run, own, path)
        if all(step.status != StepStatus.CANCELLED for step in frame.steps.values()):
            yield from _problems_of_frame(frame, _told(run, path, own, history))


def _told(run: Run, path: str, steps: Mapping[str, Step], history: Sequence[Happening]) -> str | None:
    """How the frame ended, by the record; None where a turn was stopped, or failed for its outputs."""
    if path:
        turn = Turn.objects.get(step=steps[block_of(path)], index=index_of(path))
        return turn.status if turn.status != "cancelled" else None
    return next((str(each.facts["status"]) for each in history if each.verb == Verb.RUN_ENDED), None)


def _problems_of_frame(frame: Frame, told: str | None) -> Iterator[str]:
    ended = frame.steps
    states: dict[str, Progress] = dict.fromkeys(ended, State(StepStatus.PENDING, {}))
    while moves := plan(frame.nodes, states, condition=_condition(frame), values=_values(frame)):
        for move in moves:
            status = ended[move.key].status
            if status in NEVER_BEGUN if move.status in BEGUN else status != move.status:
                yield f"{move.key} of frame '{frame.path}' is {status}, and by the plan it is {move.status}."
            states[move.key] = ended[move.key]
    outcome = run_status(frame.nodes, ended)
    if states != ended or (told and outcome != told):
        yield f"Frame '{frame.path}' ended as {told}, and by the plan it is {outcome}."


def _condition(frame: Frame) -> Condition:
    def condition(node: Node, states: Mapping[str, Progress]) -> bool:
        return is_true(node.when or "true", frame.scope("", states), node.key)

    return condition


def _values(frame: Frame) -> Values:
    def values(node: Node, states: Mapping[str, Progress]) -> Mapping[str, object]:
        rendered = render(definition_of(frame.run.version_id).steps[node.key].set, frame.scope("", states))
        return rendered if isinstance(rendered, Mapping) else {}

    return values
