"""Rows that are written once: the first of the three walls around evidence (the third is a trigger)."""

from __future__ import annotations

from typing import TypeVar

from django.db import models

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)


class AppendOnly(models.QuerySet[Row_co]):
    """A query set that can neither update nor delete."""

    def update(self, **_columns: object) -> int:
        raise TypeError(f"{self.model.__name__} is append-only: its rows are never updated.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError(f"{self.model.__name__} is append-only: its rows are never deleted.")


class AppendOnlyManager(models.Manager[Row_co]):
    def get_queryset(self) -> AppendOnly[Row_co]:
        return AppendOnly(self.model, using=self._db)
