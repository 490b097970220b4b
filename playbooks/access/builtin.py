"""Brings the built-in roles of domain/roles.py, and the table of the cache, into the database after each migration."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from playbooks.domain.roles import ROLES


def ensure_roles(**_signal: Any) -> None:
    """Idempotent: makes missing roles and gives each built-in role exactly its permissions."""
    known = {each.codename: each for each in Permission.objects.filter(content_type__app_label="playbooks")}
    for slug, role in ROLES.items():
        group, _ = Group.objects.get_or_create(name=slug)
        group.permissions.set([known[codename] for codename in sorted(role.permissions)])


def ensure_cache(using: str, **_signal: Any) -> None:
    """Idempotent: Django makes the table of its database cache by a command of its own."""
    call_command("createcachetable", database=using, verbosity=0)
