"""The tables of the audit log. Only playbooks.audit uses them; triggers refuse any change
(audit/walls.py).
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from playbooks.models.append_only import AppendOnlyManager


class AuditStream(models.Model):
    """A chain of entries about one thing. `last_leaf` is empty before the first entry."""

    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=80)
    last_seq = models.PositiveBigIntegerField(default=0)
    last_leaf = models.BinaryField(default=b"")

    class Meta:
        default_permissions = ()
        permissions = [("see_audit", "See the audit log"), ("export_audit", "Export evidence")]
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="a_stream_is_kept_once")]

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"


class AuditEntry(models.Model):
    """What somebody did, for searching. The columns repeat the body; `audit_verify` compares the two.

    `id` follows the order of insertion. `recorded_at` is the database's clock and no part of the leaf.
    """

    id = models.BigAutoField(primary_key=True)
    stream = models.ForeignKey(AuditStream, models.PROTECT, related_name="entries", db_index=False)
    stream_seq = models.PositiveBigIntegerField()
    previous = models.BinaryField(default=b"")  # the leaf of the entry before it in the stream
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    actor_id = models.CharField(max_length=80)
    actor_label = models.CharField(max_length=200)
    verb = models.CharField(max_length=40)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.CharField(max_length=80)
    subject_label = models.CharField(max_length=200)
    outcome = models.CharField(max_length=20)
    leaf = models.BinaryField()

    objects: ClassVar[models.Manager[AuditEntry]] = AppendOnlyManager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "stream_seq"], name="an_entry_has_its_own_place_in_its_stream"
            ),
            models.CheckConstraint(
                condition=models.Q(stream_seq__gte=1), name="the_entries_of_a_stream_count_from_one"
            ),
        ]
        indexes = [
            models.Index(fields=["occurred_at"], name="entries_by_time"),
            models.Index(fields=["verb", "id"], name="entries_by_verb"),
            models.Index(fields=["actor_id", "id"], name="entries_by_actor"),
            models.Index(fields=["subject_id", "id"], name="entries_by_subject"),
            models.Index(
                fields=["outcome", "id"], condition=~models.Q(outcome="done"), name="entries_by_outcome"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} by {self.actor_label}"


class AuditBody(models.Model):
    """The canonical bytes that the leaf is the hash of. A table of its own, so that retention can prune
    it.
    """

    entry = models.OneToOneField(AuditEntry, models.PROTECT, primary_key=True, related_name="body")
    body = models.BinaryField()

    objects: ClassVar[models.Manager[AuditBody]] = AppendOnlyManager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"body of {self.entry_id}"


class AuditPending(models.Model):
    """Entries that are not in the tree yet. A trigger puts them here, the sequencer takes them away."""

    entry = models.OneToOneField(
        AuditEntry, models.PROTECT, primary_key=True, related_name="pending", db_constraint=False
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"entry {self.entry_id}"


class AuditLeaf(models.Model):
    """A leaf of the tree. `completed` are the roots of the perfect subtrees of 2, 4, 8… leaves that end
    with it.
    """

    index = models.PositiveBigIntegerField(primary_key=True)
    entry = models.OneToOneField(AuditEntry, models.PROTECT, related_name="tree")
    leaf = models.BinaryField()
    completed = models.BinaryField(default=b"")

    objects: ClassVar[models.Manager[AuditLeaf]] = AppendOnlyManager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"leaf {self.index}"


class AuditCheckpoint(models.Model):
    """A signed state of the tree. The same size may be signed again: the heartbeat that proves silence."""

    id = models.BigAutoField(primary_key=True)
    size = models.PositiveBigIntegerField()
    root = models.BinaryField()
    frontier = models.BinaryField()
    note = models.TextField()
    signed_at = models.DateTimeField()

    objects: ClassVar[models.Manager[AuditCheckpoint]] = AppendOnlyManager()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["size"], name="checkpoints_by_size")]

    def __str__(self) -> str:
        return f"checkpoint of {self.size} leaves"
