"""Checks the live log: columns against bodies, leaves, chains, tree and checkpoints. Nothing is changed.

Every problem is told with the entry that it is about; the order is that of the streams, then of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Subquery

from playbooks.audit.writing import body_of
from playbooks.domain.entries import BodyError, parse_body
from playbooks.domain.notes import Checkpoint, NoteError, VerifierKey, open_checkpoint
from playbooks.domain.tree import Frontier, leaf_hash
from playbooks.models.audit import (
    AuditBody,
    AuditCheckpoint,
    AuditEntry,
    AuditLeaf,
    AuditPending,
    AuditStream,
)

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Problem:
    """`where` names an entry, a stream or a checkpoint."""

    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"


def problems(key: VerifierKey, *, earlier: Checkpoint | None = None) -> Iterator[Problem]:
    """Everything that does not hold. `earlier` is a checkpoint that somebody kept; the log must continue
    it.
    """
    yield from _problems_of_streams()
    yield from _problems_of_tree(key, earlier)


def _problems_of_streams() -> Iterator[Problem]:
    body = AuditBody.objects.filter(entry=OuterRef("pk")).values("body")
    rows = (
        AuditEntry.objects.select_related("stream")
        .annotate(raw=Subquery(body))
        .order_by("stream_id", "stream_seq")
    )
    last: AuditEntry | None = None
    for row in rows.iterator(CHUNK):
        if last is not None and last.stream_id != row.stream_id:
            yield from _problems_of_head(last)
            last = None
        yield from _problems_of_entry(row, last)
        last = row
    if last is not None:
        yield from _problems_of_head(last)
    for stream in AuditStream.objects.filter(entries__isnull=True, last_seq__gt=0):
        yield Problem(f"{stream}#1", f"The entries of the stream are missing, up to #{stream.last_seq}.")


def _problems_of_entry(row: Any, last: AuditEntry | None) -> Iterator[Problem]:
    seq, leaf = (0, b"") if last is None else (last.stream_seq, bytes(last.leaf))
    if row.stream_seq != seq + 1:
        yield Problem(f"{row.stream}#{seq + 1}", "The entry is missing.")
    elif bytes(row.previous) != leaf:
        yield Problem(_name(row), "It does not continue the entry before it.")
    if row.raw is None:
        yield Problem(_name(row), "Its body is missing.")
        return
    raw = bytes(row.raw)
    if leaf_hash(raw) != bytes(row.leaf):
        yield Problem(_name(row), "Its body was changed: the leaf is that of another.")
    try:
        said = parse_body(raw)
    except BodyError as error:
        yield Problem(_name(row), str(error))
        return
    if said != body_of(row, said.facts):
        yield Problem(_name(row), "Its columns were changed: they say something else than its body.")


def _problems_of_head(last: AuditEntry) -> Iterator[Problem]:
    stream = last.stream
    if (stream.last_seq, bytes(stream.last_leaf)) != (last.stream_seq, bytes(last.leaf)):
        yield Problem(
            f"{stream}#{last.stream_seq + 1}", f"The entry is missing: the stream counts {stream.last_seq}."
        )


def _problems_of_tree(key: VerifierKey, earlier: Checkpoint | None) -> Iterator[Problem]:
    signed, problems_of_notes = _signed_roots(key, earlier)
    yield from problems_of_notes
    frontier = Frontier()
    leaves = AuditLeaf.objects.select_related("entry", "entry__stream").order_by("index")
    for leaf in leaves.iterator(CHUNK):
        if leaf.index != frontier.size:
            yield Problem(f"leaf {frontier.size}", "The leaf is missing from the tree.")
            return
        if bytes(leaf.leaf) != bytes(leaf.entry.leaf):
            yield Problem(_name(leaf.entry), f"Leaf {leaf.index} of the tree is that of another entry.")
        if b"".join(frontier.append(bytes(leaf.leaf))) != bytes(leaf.completed):
            yield Problem(_name(leaf.entry), f"The stored subtrees at leaf {leaf.index} were changed.")
        if frontier.size in signed and signed.pop(frontier.size) != frontier.root():
            yield Problem(
                _name(leaf.entry), f"The tree of {frontier.size} leaves is not the one that was signed."
            )
    yield from (
        Problem(f"checkpoint over {size}", "The tree has lost leaves since.") for size in sorted(signed)
    )
    for row in AuditEntry.objects.filter(tree__isnull=True, pending__isnull=True).select_related("stream"):
        yield Problem(_name(row), "It is neither in the tree nor waiting for it.")
    for waiting in AuditPending.objects.filter(entry__tree__isnull=False).select_related("entry__stream"):
        yield Problem(_name(waiting.entry), "It is in the tree and waits for it again.")


def _signed_roots(key: VerifierKey, earlier: Checkpoint | None) -> tuple[dict[int, bytes], list[Problem]]:
    """The root at each size that was signed, and the checkpoints that are not what they say."""
    roots = {} if earlier is None else {earlier.size: earlier.root}
    found = []
    for row in AuditCheckpoint.objects.order_by("id").iterator(CHUNK):
        where = f"checkpoint {row.pk} over {row.size} leaves"
        try:
            signed = open_checkpoint(row.note.encode(), key)
        except NoteError as error:
            found.append(Problem(where, str(error)))
            continue
        if (signed.size, signed.root) != (row.size, bytes(row.root)):
            found.append(
                Problem(where, "Its columns were changed: they say something else than what was signed.")
            )
        if roots.setdefault(signed.size, signed.root) != signed.root:
            found.append(Problem(where, "Two different trees of this size were signed: the log was forked."))
    return roots, found


def _name(row: AuditEntry) -> str:
    return f"{row.stream}#{row.stream_seq} ({row.verb})"
