"""The system check that the walls around the append-only tables stand as they were built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from playbooks.audit.walls import defects


@register(Tags.database)
def walls_stand(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Runs with `check --database default` and before `migrate`; silent until the tables are there."""
    return [
        Error(
            f"The trigger {trigger.name} on {trigger.table} is missing, disabled or changed.",
            hint="Find out who touched it, then run `manage.py migrate`, which puts it right.",
            id="audit.E001",
        )
        for alias in databases or ()
        for trigger in defects(connections[alias])
        if trigger.table in connections[alias].introspection.table_names()
    ]
