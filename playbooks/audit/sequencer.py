"""The sequencer: gives committed entries their places in the tree and signs what the tree is then.

A trigger queues every entry (audit/walls.py), so an entry is seen exactly when its transaction has
committed: nothing can be passed over, and a long transaction holds up nobody else (decision 0002). Two
sequencers at once are safe: one works, the other has nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from playbooks.audit.proofs import root_at
from playbooks.audit.signing import Signer
from playbooks.audit.writing import Actor, Entry, Stream, Subject, append
from playbooks.domain.entries import moment
from playbooks.domain.notes import Checkpoint, NoteError, open_checkpoint
from playbooks.domain.tree import Frontier
from playbooks.domain.verbs import Verb
from playbooks.models.audit import AuditCheckpoint, AuditEntry, AuditLeaf, AuditPending

HEARTBEAT = timedelta(minutes=5)
BATCH = 10_000  # entries for one signature
LOCK = 0x636F756E746572  # of the advisory lock on PostgreSQL: "counter"
LOG = Stream("system", "log")


class ForkError(Exception):
    """The tree is not a continuation of what was signed before; the text says how. Nothing is signed."""


def sequence_once(signer: Signer) -> AuditCheckpoint | None:
    """Takes up to BATCH waiting entries into the tree and signs; None when there is nothing to do.

    An empty tree is begun with the entries that introduce the log and its key. Raises ForkError.
    """
    if not _has_work():
        return None
    with transaction.atomic():
        checkpoint = _sequence(signer) if _lock() else None
    if checkpoint is not None:
        signer.remember(checkpoint.note)
    return checkpoint


def _has_work() -> bool:
    last = AuditCheckpoint.objects.order_by("-id").first()
    return last is None or _is_old(last) or AuditPending.objects.exists()


def _is_old(last: AuditCheckpoint) -> bool:
    return timezone.now() - last.signed_at >= HEARTBEAT


def _lock() -> bool:
    """On SQLite the transaction itself is exclusive (settings: IMMEDIATE)."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _sequence(signer: Signer) -> AuditCheckpoint | None:
    last = AuditCheckpoint.objects.order_by("-id").first()
    if last is None:
        _begin(signer)
    frontier = _continue(last, signer)
    entries = list(AuditEntry.objects.filter(pending__isnull=False).order_by("id").only("id", "leaf")[:BATCH])
    if not entries and last is not None and not _is_old(last):
        return None
    _place(entries, frontier)
    return _sign(frontier, signer, timezone.now())


def _begin(signer: Signer) -> None:
    now, name = timezone.now(), signer.name
    actor, subject = Actor("system", "Countersign"), Subject("log", name, name)

    def entry(verb: Verb, **facts: str) -> Entry:
        return Entry(stream=LOG, verb=verb, actor=actor, subject=subject, occurred_at=now, facts=facts)

    append(entry(Verb.LOG_STARTED, origin=name), entry(Verb.KEY_INTRODUCED, key=str(signer.key)))


def _continue(last: AuditCheckpoint | None, signer: Signer) -> Frontier:
    """The frontier of the last checkpoint, once the tree in the database has been found to be what was
    signed.
    """
    size = 0 if last is None else last.size
    newest = AuditLeaf.objects.order_by("-index").first()
    held = 0 if newest is None else newest.index + 1
    if held != size:
        raise ForkError(f"The tree holds {held} leaves, but the last checkpoint is over {size}.")
    _compare_with_memory(size, signer)
    if last is None:
        return Frontier()
    try:
        signed = open_checkpoint(last.note.encode(), signer.key)
    except NoteError as error:
        raise ForkError(f"The last checkpoint in the database cannot be continued. {error}") from error
    frontier = Frontier.from_bytes(bytes(last.frontier))
    if (signed.size, signed.root) != (last.size, frontier.root()):
        raise ForkError(f"The columns of checkpoint {last.pk} differ from what was signed.")
    return frontier


def _compare_with_memory(size: int, signer: Signer) -> None:
    known = signer.last()
    if known is None:
        return
    if known.size > size:
        raise ForkError(
            f"The log has {size} leaves, but a checkpoint over {known.size} was signed. The database was"
            " restored from an older backup, or entries were removed: restore the newer state."
        )
    if known.root != root_at(known.size):
        raise ForkError(f"The first {known.size} leaves of the tree are not those that were signed.")


def _place(entries: Sequence[AuditEntry], frontier: Frontier) -> None:
    leaves = []
    for entry in entries:
        index, leaf = frontier.size, bytes(entry.leaf)
        leaves.append(
            AuditLeaf(index=index, entry=entry, leaf=leaf, completed=b"".join(frontier.append(leaf)))
        )
    AuditLeaf.objects.bulk_create(leaves)
    AuditPending.objects.filter(entry__in=[entry.pk for entry in entries]).delete()


def _sign(frontier: Frontier, signer: Signer, now: datetime) -> AuditCheckpoint:
    root = frontier.root()
    note = signer.sign(Checkpoint(signer.name, frontier.size, root, (f"signed at {moment(now)}",)))
    return AuditCheckpoint.objects.create(
        size=frontier.size, root=root, frontier=frontier.to_bytes(), note=note, signed_at=now
    )
