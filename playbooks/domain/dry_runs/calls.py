"""The actions of a dry run: resolved and covered as they would be, and answered without being done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playbooks.domain.dry_runs import gates
from playbooks.domain.dry_runs.record import WouldBeAction
from playbooks.domain.dry_runs.walk import LiveStep, Target, Walk
from playbooks.domain.dry_runs.world import Answer, Call
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError
from playbooks.domain.outcomes import Failed, Succeeded
from playbooks.domain.statuses import StepStatus

CHOSEN = Failed("It failed, as was chosen.", permanent=True)
NOTHING = "Nothing to undo."


def take_up(walk: Walk, step: LiveStep) -> Sequence[Target]:
    """Sends nothing, and ends the step with what would be answered, unless it has to wait for an approval first."""
    now = gates.frozen_at(walk, step)
    try:
        call = walk.world.resolve(step.document, step.frame.scope(now))
        verdict = gates.authorize(walk, step, call, now)
    except ExpressionError as error:
        verdict = gates.Verdict(StepStatus.FAILED, str(error))
    if verdict.status is StepStatus.WAITING:
        return ()
    if verdict.status is StepStatus.FAILED:
        walk.end(step, StepStatus.FAILED, verdict.sentence)
        return [step.frame]
    answer = _answer(walk, step, call)
    step.call = call
    _note(walk, step, call, now, answer)
    _end(walk, step, answer)
    return [step.frame]


def _answer(walk: Walk, step: LiveStep, call: Call) -> Answer:
    if walk.choices.word(step.key) == "fail":
        return Answer(CHOSEN, "chosen")
    chosen = walk.choices.values(step.key)
    if chosen is not None and step.document.script is not None:
        return Answer(Succeeded(chosen), "chosen")
    answer = walk.world.answer(call, step.document)
    if chosen is None or isinstance(answer.outcome, Failed):
        return answer
    return Answer(Succeeded({**answer.outcome.outputs, **chosen}), "chosen")


def _end(walk: Walk, step: LiveStep, answer: Answer) -> None:
    match answer.outcome:
        case Succeeded(outputs=outputs):
            walk.ledger.change(step.call)
            walk.end(step, StepStatus.SUCCEEDED, outputs=_sealed(step, outputs))
        case Failed(sentence=sentence):
            walk.end(step, StepStatus.FAILED, sentence)


def _sealed(step: LiveStep, outputs: Mapping[str, object]) -> dict[str, object]:
    """Of what is secret only a reference goes on, as in a run."""
    secret = set(step.document.secret_outputs) & outputs.keys()
    return {**outputs, **{name: f"secret:{step.key}:{name}" for name in secret}}


def _note(walk: Walk, step: LiveStep, call: Call, now: str, answer: Answer) -> None:
    if not walk.ledger.has_room("actions", is_shown=step.frame.is_shown):
        return
    expires = step.document.expires
    walk.ledger.actions.append(
        WouldBeAction(
            step=walk.place(step),
            at=walk.now,
            action=call.action.key,
            label=call.action.label,
            effect=call.action.effect.value,
            connection=call.place,
            is_simulated=call.is_simulated,
            target=call.target,
            parameters=dict(call.parameters),
            sends=walk.world.preview(call),
            undo=_undo(walk, step, now),
            expires_at=walk.now + parse_duration(expires) if expires else None,
            answer=answer.origin,
        )
    )


def _undo(walk: Walk, step: LiveStep, now: str) -> Mapping[str, object] | str:
    if step.document.script is not None:
        return NOTHING
    scope = step.frame.scope(now)
    return walk.world.covered(walk.definition, step.document, scope, step.key).undo
