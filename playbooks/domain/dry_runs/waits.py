"""How a step of a dry run waits for an answer, a time, or an event, and what ends that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from playbooks.domain.deadlines import deadline
from playbooks.domain.dry_runs.choices import UnfitChoice, example_of
from playbooks.domain.dry_runs.gates import shown_to_people
from playbooks.domain.dry_runs.record import WouldBeQuestion, WouldBeWait
from playbooks.domain.dry_runs.walk import LiveStep, Target, Walk
from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError, render
from playbooks.domain.inputs import accept_inputs
from playbooks.domain.playbook import Input, SeatEntry, Wait
from playbooks.domain.statuses import StepStatus

LONGEST_KEY = 200
NOBODY_ANSWERED = "Nobody answered in time."
STAYS_OPEN = "Nobody answered in time: the question stays open until somebody does."


def ask(walk: Walk, step: LiveStep) -> None:
    """Puts the question. Raises ExpressionError where that is not possible, UnfitChoice for unfit answers."""
    document, scope = step.document, step.frame.scope(walk.moment)
    due_at = deadline(document, walk.context, walk.now)
    question = str(render(document.ask, scope))
    fields = {name: _field(each, scope) for name, each in document.fields.items()}
    answers = None if walk.choices.word(step.key) == "late" else _answers(walk, step, fields)
    if walk.ledger.has_room("questions", is_shown=step.frame.is_shown):
        walk.ledger.questions.append(
            WouldBeQuestion(
                step=walk.place(step),
                question=question,
                role=cast("SeatEntry", document.who).name,
                fields={name: each.model_dump(exclude_none=True) for name, each in fields.items()},
                shown=shown_to_people(step),
                at=walk.now,
                due_at=due_at,
                late="hold" if document.late == "hold" else "fail",
                answers=answers,
            )
        )
    walk.wait(step)
    walk.schedule(
        walk.now if answers is not None else due_at,
        lambda: _answer(walk, step, answers) if answers is not None else _miss_answer(walk, step),
    )


def wait(walk: Walk, step: LiveStep) -> None:
    """Raises ExpressionError when it cannot be said what the step waits for."""
    document = cast("Wait", step.document.wait)
    if document.event is not None:
        _wait_for_event(walk, step, document)
        return
    until = _until(walk, step, document)
    walk.wait(step)
    _note(walk, step, until)
    walk.schedule(until, lambda: _go_on(walk, step, {}))


def _answers(walk: Walk, step: LiveStep, fields: Mapping[str, Input]) -> dict[str, object]:
    """Those that were chosen, else the defaults, and an example of the type where there is none."""
    chosen = walk.choices.values(step.key)
    examples = {name: example_of(field) for name, field in fields.items() if field.default is None}
    values, errors = accept_inputs(fields, examples if chosen is None else chosen, default=lambda each: each)
    if errors:
        pointer = walk.choices.pointer_to(step.key)
        raise UnfitChoice([(f"{pointer}/{name}", sentence) for name, sentence in errors])
    return values


def _field(field: Input, scope: Mapping[str, object]) -> Input:
    default = None if field.default is None else render(field.default, scope)
    return Input(type=field.type, title=field.title, default=default)


def _answer(walk: Walk, step: LiveStep, answers: Mapping[str, object]) -> Sequence[Target]:
    if step.has_ended:
        return ()
    role = cast("SeatEntry", step.document.who).name
    walk.answered.append(walk.place(step))
    by = f"somebody with the role {role}"
    walk.end(step, StepStatus.SUCCEEDED, outputs={**answers, "answered_by": by})
    return [step.frame]


def _miss_answer(walk: Walk, step: LiveStep) -> Sequence[Target]:
    if step.has_ended:
        return ()
    if step.document.late == "hold":
        step.sentence = STAYS_OPEN
        return ()
    walk.end(step, StepStatus.FAILED, NOBODY_ANSWERED)
    return [step.frame]


def _until(walk: Walk, step: LiveStep, document: Wait) -> datetime:
    if document.for_:
        return walk.now + parse_duration(document.for_)
    text = str(render(document.until, step.frame.scope(walk.moment)))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ExpressionError(f"{text!r:.80} is no moment; write it like 2026-11-30T18:00:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _wait_for_event(walk: Walk, step: LiveStep, document: Wait) -> None:
    key = render(document.key, step.frame.scope(walk.moment))
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
        raise ExpressionError(
            f"The key of the event {document.event} is {key!r:.80}, and no text of 1 to {LONGEST_KEY}."
        )
    until = walk.now + parse_duration(document.within)
    arrives = walk.choices.word(step.key) != "late"
    walk.wait(step)
    _note(walk, step, until, key, arrives=arrives)
    if arrives:
        data = dict(walk.choices.values(step.key) or {})
        walk.schedule(walk.now, lambda: _go_on(walk, step, {"arrived": True, "data": data}))
    else:
        walk.schedule(until, lambda: _miss_event(walk, step, document, key))


def _note(walk: Walk, step: LiveStep, until: datetime, key: str = "", *, arrives: bool = True) -> None:
    if walk.ledger.has_room("waits", is_shown=step.frame.is_shown):
        event = cast("Wait", step.document.wait).event or ""
        walk.ledger.waits.append(WouldBeWait(walk.place(step), walk.now, until, event, key, arrives))


def _go_on(walk: Walk, step: LiveStep, outputs: Mapping[str, object]) -> Sequence[Target]:
    if step.has_ended:
        return ()
    walk.end(step, StepStatus.SUCCEEDED, outputs=outputs)
    return [step.frame]


def _miss_event(walk: Walk, step: LiveStep, document: Wait, key: str) -> Sequence[Target]:
    if step.has_ended:
        return ()
    if document.late == "go_on":
        walk.end(step, StepStatus.SUCCEEDED, outputs={"arrived": False, "data": {}})
    else:
        walk.end(step, StepStatus.FAILED, f"The event {document.event} for {key} did not come in time.")
    return [step.frame]
