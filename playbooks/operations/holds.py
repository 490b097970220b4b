"""Holds: a person stops a playbook, a connection, or everything from beginning anything more."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Entry, Stream, Subject
from playbooks.domain.duties import Denial
from playbooks.domain.statuses import WaitReason
from playbooks.domain.verbs import Verb
from playbooks.models import Connection, Hold, HoldScope, Playbook, Step
from playbooks.operations.caller import Caller
from playbooks.operations.refusals import Invalid, Missing, Refused

HELD_ALREADY = Denial("held_already", "This is held already.")
NOT_HELD = Denial("not_held", "This hold was released already.")


def place(scope: HoldScope, *, caller: Caller, name: str = "", reason: str) -> Hold:
    """Holds the playbook or the connection with this name, or everything. What is under way ends.

    Raises Refused without the permission, or when it is held already; Invalid without a reason; Missing.
    """
    caller.require("place_hold", "place holds")
    if not reason.strip():
        raise Invalid([("/reason", "Say why, for those who will wonder why nothing goes on.")])
    with transaction.atomic(durable=True):
        hold = _create(scope, name, reason, caller)
        _note(hold, Verb.HOLD_PLACED, caller)
    return hold


def release(hold: UUID, *, caller: Caller) -> Hold:
    """Lets go. The steps that were held back go on when the sweep comes by."""
    caller.require("place_hold", "release holds")
    with transaction.atomic(durable=True):
        row = Hold.objects.select_for_update(of=("self",)).filter(pk=hold).first()
        if row is None:
            raise Missing(f"There is no hold {hold}.")
        _require_reach(row, caller, f"hold {hold}")
        if row.released_at is not None:
            raise Refused(NOT_HELD)
        row.released_at, row.released_by = timezone.now(), caller.principal
        row.save(update_fields=["released_at", "released_by"])
        _note(row, Verb.HOLD_RELEASED, caller)
    return row


def holding(step: Step, connection: Connection | None) -> Hold | None:
    """The hold that keeps the step from beginning, if there is one.

    A playbook that is held begins nothing more, but what it did can be taken back.
    """
    covers = Q(scope=HoldScope.EVERYTHING)
    if not step.undoes_id:
        covers |= Q(playbook__versions=step.run.version_id)
    if connection is not None:
        covers |= Q(connection=connection)
    held_by = Hold.objects.filter(covers, released_at__isnull=True)
    return held_by.select_related("placed_by", "playbook", "connection").order_by("placed_at").first()


def held_back() -> list[Step]:
    """The steps that wait for a hold which is over, or never was theirs. At most 500; the next call goes on."""
    in_force = Hold.objects.filter(released_at__isnull=True)
    of_connection = in_force.filter(connection=OuterRef("connection"))
    of_playbook = in_force.filter(playbook=OuterRef("run__version__playbook"))
    free = Step.objects.filter(
        ~Exists(in_force.filter(scope=HoldScope.EVERYTHING)),
        ~Exists(of_connection),
        Q(undoes__isnull=False) | ~Exists(of_playbook),
        wait_reason=WaitReason.HOLD,
    )
    return list(free.order_by("changed_at", "pk")[:500])


def _create(scope: HoldScope, name: str, reason: str, caller: Caller) -> Hold:
    hold = Hold(scope=scope, reason=reason, placed_by=caller.principal, placed_at=timezone.now())
    if scope is HoldScope.PLAYBOOK:
        hold.playbook = Playbook.objects.filter(slug=name).first()
    elif scope is HoldScope.CONNECTION:
        hold.connection = Connection.objects.filter(name=name).first()
    if scope is not HoldScope.EVERYTHING and not (hold.playbook or hold.connection):
        raise Missing(f"There is no {scope.value} {name}.")
    _require_reach(hold, caller, f"{scope.value} {name}")
    try:
        with transaction.atomic():
            hold.save(force_insert=True)
    except IntegrityError:
        raise Refused(HELD_ALREADY) from None
    return hold


def _require_reach(hold: Hold, caller: Caller, what: str) -> None:
    for held in (hold.playbook, hold.connection):
        if held is not None:
            caller.require_on("place_hold", held, what)


def _note(hold: Hold, verb: Verb, caller: Caller) -> None:
    about = Subject("hold", str(hold.pk), str(hold))
    facts = {
        "scope": str(hold.scope),
        "playbook": hold.playbook.slug if hold.playbook else "",
        "connection": hold.connection.name if hold.connection else "",
        "reason": hold.reason,
    }
    audit.append(
        Entry(
            stream=Stream("hold", str(hold.pk)),
            verb=verb,
            actor=caller.actor,
            subject=about,
            outcome="done",
            facts=facts,
            occurred_at=hold.released_at or hold.placed_at,
        )
    )
