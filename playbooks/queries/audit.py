"""The audit log as a person searches it: entries, their proofs, and the signed state of the tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from playbooks import access
from playbooks.audit import Stream, reading
from playbooks.audit.proofs import consistency, inclusion_proofs, root_at
from playbooks.domain.entries import parse_body
from playbooks.domain.verbs import Verb
from playbooks.models import Principal


@dataclass(frozen=True, slots=True)
class Named:
    """An actor or a subject as it was called then."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class EntryView:
    """`stream` and `stream_seq` are its place in its chain; `leaf` is its hash in the tree, in hex."""

    id: int
    stream: str
    stream_seq: int
    occurred_at: datetime
    actor: Named
    verb: str
    meaning: str
    subject: Named
    outcome: str
    facts: Mapping[str, Any]
    leaf: str


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """`note` is the signed note (C2SP tlog-checkpoint); `root` is in hex."""

    size: int
    root: str
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Proof:
    """That the leaf is in the tree of the checkpoint (RFC 9162, 2.1.3).

    `leaf` is SHA-256(0x00 and the RFC 8785 form of `body`); hashes are in hex.
    """

    entry: int
    body: Mapping[str, Any]
    leaf: str
    index: int
    path: tuple[str, ...]
    checkpoint: CheckpointView


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the tree of `old` leaves is the beginning of that of `new` (RFC 9162, 2.1.4)."""

    old: int
    new: int
    old_root: str
    new_root: str
    path: tuple[str, ...]


def entries(person: Principal, *, case: str = "", run: str = "") -> QuerySet[Any]:
    """The entries that the person may see, the newest first: all, those about a case, or those of a run."""
    if not access.may(person, "see_audit"):
        return reading.entries().none()
    if case:
        return reading.of_case(case).select_related("body")
    streams = [Stream("run", run)] if run else []
    return reading.entries(streams=streams).select_related("body")


def view(entry: Any) -> EntryView:
    """A row of `entries`."""
    verb = Verb(entry.verb)
    return EntryView(
        id=entry.pk,
        stream=str(entry.stream),
        stream_seq=entry.stream_seq,
        occurred_at=entry.occurred_at,
        actor=Named("principal", entry.actor_id, entry.actor_label),
        verb=verb.value,
        meaning=verb.meaning,
        subject=Named(entry.subject_kind, entry.subject_id, entry.subject_label),
        outcome=entry.outcome,
        facts=parse_body(bytes(entry.body.body)).facts,
        leaf=bytes(entry.leaf).hex(),
    )


def checkpoint() -> CheckpointView | None:
    """The newest signed state; None before the sequencer has run for the first time."""
    row = reading.latest_checkpoint()
    return CheckpointView(row.size, bytes(row.root).hex(), row.note, row.signed_at) if row else None


def proof(entry: int, person: Principal) -> Proof | None:
    """None where the person may see no such entry, or where it still waits for its checkpoint."""
    row = entries(person).filter(pk=entry).first()
    place = reading.place_of(entry) if row else None
    if row is None or place is None:
        return None
    path = inclusion_proofs([place.index], place.size)[0]
    return Proof(
        entry=entry,
        body=parse_body(bytes(row.body.body)).as_json(),
        leaf=bytes(row.leaf).hex(),
        index=place.index,
        path=tuple(step.hex() for step in path),
        checkpoint=CheckpointView(place.size, place.root, place.note, place.signed_at),
    )


def consistency_of(old: int, new: int) -> Consistency | None:
    """None unless 1 ≤ `old` ≤ `new` ≤ the size of the signed tree."""
    newest = reading.latest_checkpoint()
    if newest is None or not 1 <= old <= new <= newest.size:
        return None
    path = tuple(step.hex() for step in consistency(old, new))
    return Consistency(old, new, root_at(old).hex(), root_at(new).hex(), path)


def public_key() -> str:
    """The key that checks the signatures of the log, as a C2SP vkey; empty before the log has begun."""
    introduced = reading.entries(verb=Verb.KEY_INTRODUCED).select_related("body").first()
    return str(view(introduced).facts["key"]) if introduced else ""


def latest_about(subject: str, verb: Verb) -> int | None:
    """The newest entry with `verb` about the subject (an id)."""
    row = reading.entries(subject=subject, verb=verb).first()
    return row.pk if row else None
