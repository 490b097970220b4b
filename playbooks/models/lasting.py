"""Rights that were given at a time, by somebody, and may have ended: they are ended, never deleted.

`objects` are those in force; `history` are all, so that who had influence through whom can be read afterwards.
"""

from __future__ import annotations

from typing import TypeVar

from django.db import models

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)


class InForceManager(models.Manager[Row_co]):
    def get_queryset(self) -> models.QuerySet[Row_co]:
        return super().get_queryset().filter(ended_at__isnull=True)
