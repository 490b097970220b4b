"""Appending to the audit log: in the transaction of the change that the entries are about, or not at all.

Two statements on PostgreSQL and four on SQLite, whatever the number of entries (audit/statements.py): the streams
are locked, entries and bodies inserted, and the streams told their last leaf. Streams are locked in a fixed order,
so that two writers never wait for each other. A writer that knows where its one stream ends needs a statement less.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import rfc8785
from django.db import connection

from playbooks.audit import statements
from playbooks.audit.statements import Head, Keys, Row
from playbooks.domain.canonical import canonical, canonical_plain
from playbooks.domain.entries import MAX_BODY, MAX_INTEGER, Body, moment
from playbooks.domain.tree import leaf_hash
from playbooks.domain.verbs import Verb
from playbooks.models.audit import AuditEntry, AuditStream

MAX_DEPTH = 100
LABEL = 200

Name = tuple[str, str]  # of a stream: its kind and its key
Heads = dict[Name, Head]
Written = tuple[list[Row], Keys]


class EntryError(ValueError):
    """An entry that cannot be written, so the change that it is about does not happen either."""


@dataclass(frozen=True, slots=True, order=True)
class Stream:
    """What an entry belongs to: ("run", id), ("case", id), ("system", "sign-in/2026-11-23")…"""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Actor:
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Subject:
    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened. `facts` are JSON values; numbers that are not exact in JSON become text."""

    stream: Stream
    verb: Verb
    actor: Actor
    subject: Subject
    occurred_at: datetime
    outcome: str = "done"
    facts: Mapping[str, Any] = field(default_factory=dict)


def append(*entries: Entry, heads: Heads | None = None) -> list[int]:
    """Appends the entries, in order, in the caller's transaction. Returns their primary keys.

    `heads` are where streams ended when the caller last appended, and are brought up to date: to a stream that still
    ends there is written without locking it first. What is out of date costs a second look and nothing else.

    Raises EntryError for what cannot be an entry, and RuntimeError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("Audit entries are written inside the transaction of the change that they record.")
    if not entries:
        return []
    coming = Counter((entry.stream.kind, entry.stream.key) for entry in entries)
    known = {} if heads is None else heads
    rows, keys = _extend(entries, coming, known) or _insert(entries, coming, known)
    return [keys[row.stream, row.seq] for row in rows]


def _extend(entries: Sequence[Entry], coming: Mapping[Name, int], heads: Heads) -> Written | None:
    """None where the entries are not all of one stream whose end is known."""
    before = heads.get(next(iter(coming)))
    if before is None or len(coming) > 1 or len(entries) > statements.AT_ONCE:
        return None
    head = replace(before)
    rows = [_write(entry, head) for entry in entries]
    keys = statements.extend(rows, before)
    if not keys:
        return None
    heads.update(dict.fromkeys(coming, head))
    return rows, keys


def _insert(entries: Sequence[Entry], coming: Mapping[Name, int], heads: Heads) -> Written:
    locked = statements.lock(dict(sorted(coming.items())))
    rows = [_write(entry, locked[entry.stream.kind, entry.stream.key]) for entry in entries]
    heads.update(locked)
    return rows, statements.insert(rows)


def lock_stream(stream: Stream) -> bool:
    """Nothing is appended to the stream until the caller's transaction ends. Answers whether it has
    entries.
    """
    return (
        AuditStream.objects.select_for_update().filter(kind=stream.kind, key=stream.key).first() is not None
    )


def _write(entry: Entry, head: Head) -> Row:
    """The row of an entry, with its body; moves `head` on to it."""
    head.seq += 1
    body = Body(
        stream_kind=entry.stream.kind,
        stream_key=entry.stream.key,
        stream_seq=head.seq,
        previous=head.leaf.hex(),
        occurred_at=moment(entry.occurred_at),
        actor_id=entry.actor.id,
        actor_label=_label(entry.actor.label),
        verb=entry.verb.value,
        subject_kind=entry.subject.kind,
        subject_id=entry.subject.id,
        subject_label=_label(entry.subject.label),
        outcome=entry.outcome,
        facts={},
    )
    encoded = _encode(body, entry.facts)
    row = Row(head.stream, head.leaf, entry.occurred_at, body, encoded, leaf_hash(encoded))
    head.leaf = row.leaf
    return row


def body_of(row: AuditEntry, facts: Mapping[str, Any]) -> Body:
    """The body that says what the columns of `row` say."""
    return Body(
        stream_kind=row.stream.kind,
        stream_key=row.stream.key,
        stream_seq=row.stream_seq,
        previous=bytes(row.previous).hex(),
        occurred_at=moment(row.occurred_at),
        actor_id=row.actor_id,
        actor_label=row.actor_label,
        verb=row.verb,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        subject_label=row.subject_label,
        outcome=row.outcome,
        facts=facts,
    )


def _encode(body: Body, facts: Mapping[str, Any]) -> bytes:
    """The canonical bytes of `body` with `facts`, which are plain JSON once they are exact."""
    exact = {str(name): _exact(value, str(name)) for name, value in facts.items()}
    said = body.as_json()
    try:
        encoded = canonical_plain({**said, "facts": exact})
        while len(encoded) > MAX_BODY:
            _shorten(exact, body.verb)
            encoded = canonical_plain({**said, "facts": exact})
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise EntryError(f"The entry {body.verb} holds text that is no Unicode: {error}") from error
    return encoded


def _shorten(facts: dict[str, Any], verb: str) -> None:
    """Puts a digest in the place of the largest fact: of a text its UTF-8, of anything else its canonical
    JSON.
    """
    encoded = {
        name: value.encode() if isinstance(value, str) else canonical(value) for name, value in facts.items()
    }
    largest = max(encoded, key=lambda name: len(encoded[name]), default="")
    if not largest or len(encoded[largest]) < 200:
        raise EntryError(f"The entry {verb} has more facts than the {MAX_BODY} bytes of an entry hold.")
    facts[largest] = {"sha256": hashlib.sha256(encoded[largest]).hexdigest(), "bytes": len(encoded[largest])}


def _exact(value: object, path: str, depth: int = 0) -> object:
    """`value` with every number that JSON readers may round as text. Raises EntryError for what is not
    JSON.
    """
    if depth > MAX_DEPTH:
        raise EntryError(f"The fact {path[:80]} is nested too deeply for an audit entry.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return value if abs(value) <= MAX_INTEGER else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {_name(key, path): _exact(each, f"{path}.{key}", depth + 1) for key, each in value.items()}
    if isinstance(value, Iterable) and isinstance(value, list | tuple):
        return [_exact(each, f"{path}.{index}", depth + 1) for index, each in enumerate(value)]
    raise EntryError(f"The fact {path} is a {type(value).__name__}; an audit entry carries JSON values only.")


def _name(key: object, path: str) -> str:
    if isinstance(key, str):
        return key
    raise EntryError(f"The fact {path} has a name that is not text: {key!r}.")


def _label(text: str) -> str:
    """A label as the columns can hold it; PostgreSQL stores no NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:LABEL]
