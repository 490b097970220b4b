"""Events from outside that runs wait for."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Entry, Stream, Subject
from playbooks.domain.statuses import StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Event, Step
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.change import Change, lock_run
from playbooks.operations.progress import advance
from playbooks.operations.refusals import Invalid
from playbooks.operations.waits import LONGEST_KEY, arrive

AT_ONCE = 500  # steps that hear of an event in the call that posts it; the sweep tells the others


def post(name: str, key: str, *, caller: Caller, data: Mapping[str, object] | None = None) -> Event:
    """Stores the event, and moves every run on that waits for its name and key.

    Raises Refused without the permission, Invalid for a name or a key of no or too great length.
    """
    caller.require("post_event", "post events")
    errors = [
        (f"/{field}", f"It has to have 1 to {most} characters.")
        for field, value, most in (("name", name, 100), ("key", key, LONGEST_KEY))
        if not 0 < len(value) <= most
    ]
    if errors:
        raise Invalid(errors)
    with transaction.atomic(durable=True):
        event = _store(name, key, data or {}, caller)
    for step, run in waiting_for(event).values_list("pk", "run")[:AT_ONCE]:
        deliver(event, step, run)
    return event


def waiting_for(event: Event) -> QuerySet[Step]:
    waiting = Step.objects.filter(wait_reason=WaitReason.EVENT, event=event.name, event_key=event.key)
    return waiting.filter(status=StepStatus.WAITING, run__created_at__lte=event.received_at)


def deliver(event: Event, step: UUID, run: UUID) -> None:
    """Tells one step, in a transaction of its own."""
    with transaction.atomic(durable=True):
        change = Change(lock_run(run), timezone.now(), SYSTEM)
        row = waiting_for(event).filter(pk=step).first()
        if row is not None:
            row.run = change.run
            arrive(change, row, event)
            advance(change, row.frame)
            change.finish()


def _store(name: str, key: str, data: Mapping[str, object], caller: Caller) -> Event:
    event = Event.objects.create(
        name=name, key=key, data=dict(data), posted_by=caller.principal, received_at=timezone.now()
    )
    audit.append(
        Entry(
            stream=Stream("event", str(event.pk)),
            verb=Verb.EVENT_POSTED,
            actor=caller.actor,
            subject=Subject("event", str(event.pk), str(event)),
            outcome="done",
            facts={"name": name, "key": key, "data": event.data},
            occurred_at=event.received_at,
        )
    )
    return event
