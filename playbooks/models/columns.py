"""Columns and constraints that every table shapes alike."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.db import models
from uuid6 import uuid7


def identifier() -> models.UUIDField[Any, Any]:
    """A primary key in order of time (UUIDv7, RFC 9562)."""
    return models.UUIDField(primary_key=True, default=uuid7, editable=False)


def status(statuses: type[StrEnum], first: StrEnum) -> models.CharField[Any, Any]:
    """A status column; `is_one_of` belongs beside it in the table's constraints."""
    return models.CharField(
        max_length=20, default=first.value, choices=[(each.value, each.value) for each in statuses]
    )


def is_one_of(column: str, values: type[StrEnum], *, name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=models.Q(**{f"{column}__in": [each.value for each in values]}), name=name
    )
