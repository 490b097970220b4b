"""Events from outside that runs wait for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.canonical import canonical, is_exact
from playbooks.domain.statuses import StepStatus, WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Event, Principal, Source, Step
from playbooks.operations import idempotency
from playbooks.operations.caller import SYSTEM, Caller
from playbooks.operations.change import Change, lock_run
from playbooks.operations.progress import advance
from playbooks.operations.refusals import Invalid
from playbooks.operations.waits import LONGEST_KEY, arrive

LONGEST_NAME = 100
MOST_DATA = 256 * 1024  # bytes
AT_ONCE = 500  # steps that hear of an event in the call that posts it; the sweep tells the others


@dataclass(frozen=True, slots=True)
class Posted:
    """`runs` counts those that waited for the event when it came."""

    event: UUID
    runs: int


def post(
    name: str,
    key: str,
    *,
    caller: Caller | Source,
    data: Mapping[str, object] | None = None,
    idempotency_key: str = "",
) -> Posted:
    """Stores the event, and moves every run on that waits for its name and key. A source may post with its token.

    Raises Refused without the permission, Invalid for a name or a key of no or too great length, and for data that
    are too much or not exact.
    """
    if isinstance(caller, Caller):
        caller.require("post_event", "post events")
    if errors := _errors(name, key, data or {}):
        raise Invalid(errors)
    call = {"event": name, "key": key, "data": dict(data or {})}
    sender = str(caller.pk if isinstance(caller, Source) else caller.principal.pk)
    among = Source if isinstance(caller, Source) else Principal
    with transaction.atomic(durable=True):
        answered = idempotency.recall(sender, idempotency_key, call, among=among)
        if answered:
            return Posted(UUID(answered["event"]), answered["runs"])
        event = _store(name, key, data or {}, caller)
        runs = waiting_for(event).values("run").distinct().count()
        answer = {"event": str(event.pk), "runs": runs}
        idempotency.keep(sender, idempotency_key, call, answer, now=event.received_at)
    for step, run in waiting_for(event).values_list("pk", "run")[:AT_ONCE]:
        deliver(event, step, run)
    return Posted(event.pk, runs)


def _errors(name: str, key: str, data: Mapping[str, object]) -> list[tuple[str, str]]:
    errors = [
        (f"/{field}", f"It has to have 1 to {most} characters.")
        for field, value, most in (("name", name, LONGEST_NAME), ("key", key, LONGEST_KEY))
        if not 0 < len(value) <= most
    ]
    if not is_exact(data):
        return [*errors, ("/data", "It holds a number that is too large to be exact; write it as text.")]
    if len(canonical(data)) > MOST_DATA:
        errors.append(("/data", f"An event has at most {MOST_DATA // 1024} KiB of data; send a reference."))
    return errors


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


def _store(name: str, key: str, data: Mapping[str, object], caller: Caller | Source) -> Event:
    by = None if isinstance(caller, Source) else caller.principal
    event = Event.objects.create(
        name=name,
        key=key,
        data=dict(data),
        posted_by=by,
        received_at=timezone.now(),
    )
    audit.append(
        Entry(
            stream=Stream("event", str(event.pk)),
            verb=Verb.EVENT_POSTED,
            actor=Actor(f"source:{caller.pk}", str(caller)) if isinstance(caller, Source) else caller.actor,
            subject=Subject("event", str(event.pk), str(event)),
            outcome="done",
            facts={"name": name, "key": key, "data": event.data},
            occurred_at=event.received_at,
        )
    )
    return event
