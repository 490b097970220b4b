"""How a step begins to wait: for people, for a time, or for something that happens outside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from django.utils.dateparse import parse_datetime

from playbooks.domain.durations import parse_duration
from playbooks.domain.expressions import ExpressionError, render
from playbooks.domain.playbook import Wait
from playbooks.domain.statuses import StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Event, Step
from playbooks.operations import doubts, questions, requests
from playbooks.operations.change import Change
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move_step, wait
from playbooks.operations.rounds import Frame, moment

LONGEST_KEY = 200


def begin(change: Change, frame: Frame, step: Step) -> None:
    """A gate opens its request, a question its form, a timer writes down when it is due.

    Raises ExpressionError when it cannot be said what the step waits for.
    """
    if step.kind == "approve":
        requests.open_gate(change, frame, step)
    elif step.kind == "ask":
        questions.put(change, frame, step)
    elif step.kind == "wait":
        _wait(change, frame, step)


def _wait(change: Change, frame: Frame, step: Step) -> None:
    document = cast("Wait", definition_of(frame.run.version_id).steps[step.name].wait)
    if document.event is not None:
        _wait_for_event(change, frame, step, document)
        return
    due_at = (
        change.now + parse_duration(document.for_)
        if document.for_
        else _moment_in(document.until, frame, change.now)
    )
    wait(step, WaitReason.TIME, now=change.now, due_at=due_at)


def _moment_in(until: str | None, frame: Frame, now: datetime) -> datetime:
    text = render(until, frame.scope(moment(now)))
    try:
        found = parse_datetime(str(text))
    except ValueError:
        found = None
    if found is None:
        raise ExpressionError(f"{text!r:.80} is no moment; write it like 2026-11-30T18:00:00Z.")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _wait_for_event(change: Change, frame: Frame, step: Step, document: Wait) -> None:
    """What came since the run began counts: an answer may be faster than the question."""
    key = render(document.key, frame.scope(moment(change.now)))
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
        raise ExpressionError(
            f"The key of the event {document.event} is {key!r:.80}, and no text of 1 to {LONGEST_KEY}."
        )
    due_at = change.now + parse_duration(document.within)
    wait(step, WaitReason.EVENT, now=change.now, due_at=due_at, event=document.event, event_key=key)
    came = Event.objects.filter(name=document.event, key=key, received_at__gte=frame.run.created_at)
    if (event := came.order_by("received_at").first()) is not None:
        arrive(change, step, event)


def arrive(change: Change, step: Step, event: Event) -> None:
    """What the step waited for has happened."""
    move_step(step, StepStatus.SUCCEEDED, now=change.now, outputs={"arrived": True, "data": event.data})
    change.note_step(Verb.STEP_SUCCEEDED, step, event=str(event.pk), data=event.data)


def miss(change: Change, step: Step) -> None:
    """What the step waited for has not happened in time."""
    document = cast("Wait", definition_of(change.run.version_id).steps[step.name].wait)
    if document.late == "go_on":
        move_step(step, StepStatus.SUCCEEDED, now=change.now, outputs={"arrived": False, "data": {}})
        change.note_step(Verb.STEP_SUCCEEDED, step, arrived=False)
    else:
        doubts.fail(change, step, f"The event {step.event} for {step.event_key} did not come in time.")
