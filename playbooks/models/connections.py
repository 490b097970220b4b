"""Connections: a connector with its settings and its secrets, and what its simulator believes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache

from cryptography.fernet import Fernet
from django.conf import settings
from django.db import models
from django.utils import timezone

from playbooks.models.columns import identifier
from playbooks.models.people import Principal
from playbooks.models.teams import Team


class Connection(models.Model):
    """`revision` counts every change of settings or secrets: approvals bind it.

    Limits are off where they are null: `most_at_once` steps use it at a time, it is called `most_calls` times in
    `calls_seconds`, and steps change `most_targets` different targets in `targets_seconds`; beyond that each step
    needs an approval by `targets_role`.
    """

    id = identifier()
    name = models.SlugField(max_length=64, unique=True)
    connector = models.CharField(max_length=32)
    settings = models.JSONField(default=dict)
    sealed = models.BinaryField(default=bytes)
    revision = models.PositiveIntegerField(default=1)
    environment = models.CharField(max_length=40, blank=True)
    environment_at = models.DateTimeField(default=timezone.now)  # since when it is said to be in it
    environment_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    owner = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    is_simulated = models.BooleanField(default=False)
    most_at_once = models.PositiveIntegerField(null=True)
    most_calls = models.PositiveIntegerField(null=True)
    calls_seconds = models.PositiveIntegerField(default=60)
    most_targets = models.PositiveIntegerField(null=True)
    targets_seconds = models.PositiveIntegerField(default=3600)
    targets_role = models.SlugField(max_length=64, default="tier-2")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ()
        permissions = [("see_connection", "See connections"), ("manage_connection", "Manage connections")]

    def __str__(self) -> str:
        return self.name


class SimulatedState(models.Model):
    """What the simulator of a connection believes of its targets, so that what it blocked stays blocked."""

    connection = models.OneToOneField(Connection, models.PROTECT, primary_key=True, related_name="simulated")
    state = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"simulated {self.connection}"


def seal(secrets: Mapping[str, str]) -> bytes:
    """`secrets` encrypted and authenticated (Fernet) with a key that is not in the database."""
    return _fernet(settings.CONNECTION_KEY).encrypt(json.dumps(dict(secrets)).encode())


def unseal(sealed: bytes | memoryview) -> dict[str, str]:
    """The way back. Raises cryptography.fernet.InvalidToken when the key is another one."""
    if not sealed:
        return {}
    secrets: dict[str, str] = json.loads(_fernet(settings.CONNECTION_KEY).decrypt(bytes(sealed)))
    return secrets


@lru_cache(maxsize=2)
def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))
