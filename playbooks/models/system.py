"""What the installation knows of itself: heartbeats and answers to repeated calls."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """When a part of the system (worker, sweep, sequencer) last said that it is alive."""

    part = models.CharField(max_length=40, primary_key=True)
    beat_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.part


class IdempotencyKey(models.Model):
    """The answer that was given under a caller's Idempotency-Key."""

    caller = models.CharField(max_length=80)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)  # of the operation and its arguments
    answer = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="an_idempotency_key_is_answered_once")
        ]

    def __str__(self) -> str:
        return self.key
