"""How a dry run goes on, step by step, until nothing is left to do or nothing would end what it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playbooks.domain.definition import Definition
from playbooks.domain.dry_runs import calls, gates, turns, waits
from playbooks.domain.dry_runs.choices import check_choices
from playbooks.domain.dry_runs.walk import LiveFrame, LiveStep, Target, Walk
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError, is_true, render
from playbooks.domain.inputs import accept_inputs
from playbooks.domain.planner import Move, Node, Progress, plan, run_status
from playbooks.domain.statuses import RUN_ENDED, RunStatus, StepStatus

MOST_DEEP = 8  # runs inside each other
STOPPED = "It would be stopped at {at}, when the step that waits for it takes too long."
WAITS_FOR_EVER = "It would wait here: nothing that was chosen ends that."


def walk_through(walk: Walk) -> None:
    """Walks to the end. Raises Enough at a bound, UnfitChoice for a choice that cannot be."""
    _advance(walk, walk.top)
    last = walk.top
    while walk.status is RunStatus.RUNNING:
        step = walk.next_ready(last)
        if step is not None:
            last = step.frame
            _go_on(walk, _take_up(walk, step))
        elif (act := walk.next_due()) is not None:
            _go_on(walk, act())
        else:
            walk.status, walk.sentence = RunStatus.WAITING, WAITS_FOR_EVER


def _go_on(walk: Walk, targets: Sequence[Target]) -> None:
    for target in targets:
        if isinstance(target, LiveFrame):
            if target.is_under_way:
                _advance(walk, target)
        elif target.frame.is_under_way and _turn(walk, target):
            _advance(walk, target.frame)


def _advance(walk: Walk, frame: LiveFrame) -> None:
    """Applies every move that follows from the steps of the frame, and from those around it."""
    status = _settle(walk, frame)
    while frame.block is not None and status in RUN_ENDED:
        block = turns.end(walk, frame, status)
        if not _turn(walk, block):
            return
        frame = block.frame
        status = _settle(walk, frame)
    if frame.block is None and status in RUN_ENDED:
        _end(walk, frame, status)


def _settle(walk: Walk, frame: LiveFrame) -> RunStatus:
    while moves := _plan(walk, frame):
        for each in moves:
            _apply(walk, frame.steps[each.key], each)
    return run_status(frame.nodes, frame.states)


def _plan(walk: Walk, frame: LiveFrame) -> Sequence[Move]:
    def condition(node: Node, states: Mapping[str, Progress]) -> bool:
        return is_true(node.when or "true", frame.scope(walk.moment, states), f"The condition of {node.key}")

    def values(node: Node, states: Mapping[str, Progress]) -> Mapping[str, object]:
        rendered = render(walk.definition.steps[node.key].set, frame.scope(walk.moment, states))
        return dict(rendered) if isinstance(rendered, Mapping) else {}

    return plan(frame.nodes, frame.states, condition=condition, values=values, is_stopping=frame.is_stopping)


def _apply(walk: Walk, step: LiveStep, move: Move) -> None:
    if move.status is StepStatus.READY:
        walk.make_ready(step)
    elif move.status is StepStatus.WAITING:
        _begin_to_wait(walk, step)
    else:
        walk.end(step, move.status, move.sentence, move.outputs)


def _begin_to_wait(walk: Walk, step: LiveStep) -> None:
    """A question that cannot be put, or a list that cannot be had, fails the step."""
    try:
        match step.document.kind:
            case "approve":
                gates.open_gate(walk, step)
            case "ask":
                waits.ask(walk, step)
            case "wait":
                waits.wait(walk, step)
            case _:
                turns.begin(walk, step)
                _turn(walk, step)
    except ExpressionError as error:
        walk.end(step, StepStatus.FAILED, str(error))


def _turn(walk: Walk, block: LiveStep) -> bool:
    """Starts the turns of a block that may start now; returns whether the block has ended instead."""
    while frame := turns.start_next(walk, block):
        status = _settle(walk, frame)
        if status in RUN_ENDED:
            turns.end(walk, frame, status)
    return turns.end_block(walk, block)


def _take_up(walk: Walk, step: LiveStep) -> Sequence[Target]:
    if step.document.kind == "run":
        return _start_run(walk, step)
    return calls.take_up(walk, step)


def _start_run(walk: Walk, step: LiveStep) -> Sequence[Target]:
    """Walks the playbook that the step runs, from this moment on; the step ends when that has."""
    try:
        verdict = gates.authorize(walk, step, None, gates.frozen_at(walk, step))
        child = _child(walk, step) if verdict is gates.MAY_RUN else None
    except ExpressionError as error:
        verdict = gates.Verdict(StepStatus.FAILED, str(error))
        child = None
    if verdict.status is StepStatus.WAITING:
        return ()
    if child is None or walk.choices.word(step.key) == "fail":
        walk.end(step, StepStatus.FAILED, verdict.sentence or calls.CHOSEN.sentence)
        return [step.frame]
    step.child = child
    walk.wait(step)
    walk_through(child)
    return _after_run(walk, step, child)


def _child(walk: Walk, step: LiveStep) -> Walk:
    """The walk of the playbook that the step runs. Raises ExpressionError when it cannot be run."""
    slug = str(step.document.run)
    if walk.depth + 1 >= MOST_DEEP:
        raise ExpressionError(f"{MOST_DEEP} runs are inside each other already, the most there may be.")
    definition = walk.world.child(walk.definition, slug)
    given = walk.world.parameters(step.document.with_, step.frame.scope(walk.moment))
    about = {**walk.context, "now": walk.moment}
    inputs, errors = accept_inputs(
        definition.playbook.inputs, given, default=lambda value: render(value, about)
    )
    if errors:
        sentences = "; ".join(sentence for _, sentence in errors)
        raise ExpressionError(f"{slug} cannot be run: {sentences}")
    choices = walk.choices.within(step.key)
    check_choices(choices, definition)
    return Walk(
        definition=definition,
        world=walk.world,
        choices=choices,
        ledger=walk.ledger if is_shown(step, definition) else walk.ledger.hidden(),
        now=walk.now,
        context=walk.context,
        inputs=inputs,
        facts={**walk.facts, "id": f"{walk.facts['id']}-{step.key}", "trigger": "playbook"},
        within=f"{walk.place(step)} › ",
        depth=walk.depth + 1,
    )


def is_shown(step: LiveStep, definition: Definition) -> bool:
    """Whether what the other playbook does is told: to whoever may see it, in the first turns of a block."""
    return step.frame.is_shown and step.frame.walk.world.may_see(definition)


def _after_run(walk: Walk, step: LiveStep, child: Walk) -> Sequence[Target]:
    if step.document.detached:
        walk.end(step, StepStatus.SUCCEEDED, outputs={"run": child.facts["id"]})
        return [step.frame]
    if child.status in RUN_ENDED:
        walk.schedule(child.now, lambda: _collect(walk, step, child))
    if step.document.timeout:
        at = walk.now + parse_duration(step.document.timeout)
        walk.schedule(at, lambda: _end_late(walk, step, child))
    return ()


def _collect(walk: Walk, step: LiveStep, child: Walk) -> Sequence[Target]:
    if step.has_ended:
        return ()
    if child.status is RunStatus.SUCCEEDED:
        walk.end(step, StepStatus.SUCCEEDED, outputs=child.outputs)
    else:
        sentence = f"The run of {child.definition.slug} ended: {child.sentence}"
        walk.end(step, StepStatus.FAILED, sentence)
    return [step.frame]


def _end_late(walk: Walk, step: LiveStep, child: Walk) -> Sequence[Target]:
    """The other run was walked to its end before: what it would not have come to is still told, with that word."""
    if step.has_ended:
        return ()
    child.status, child.sentence = RunStatus.CANCELLED, STOPPED.format(at=walk.moment)
    for each in child.steps.values():
        if each.status is StepStatus.WAITING:
            each.status = StepStatus.CANCELLED
    walk.end(step, StepStatus.FAILED, turns.TOO_LONG)
    return [step.frame]


def _end(walk: Walk, frame: LiveFrame, status: RunStatus) -> None:
    walk.status = status
    if status is RunStatus.FAILED:
        walk.sentence = turns.why_failed(frame)
        return
    try:
        outputs = render(walk.definition.playbook.outputs, frame.scope(walk.moment))
    except ExpressionError as error:
        walk.status = RunStatus.FAILED
        walk.sentence = f"The outputs of the playbook cannot be computed: {error}"
        return
    walk.outputs = dict(outputs) if isinstance(outputs, Mapping) else {}
