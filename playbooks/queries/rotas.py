"""Rotas: who is on call now, and who will be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from playbooks import access
from playbooks.access.history import COOLING
from playbooks.models import Principal, Rota, Shift
from playbooks.queries import references
from playbooks.queries.references import Person

SHOWN = 50  # shifts of one rota


@dataclass(frozen=True, slots=True)
class ShiftView:
    """`counts_at` is from when on it makes its person on call: never before it has been published for a day."""

    id: UUID
    person: Person | None
    begins_at: datetime
    ends_at: datetime
    published_at: datetime
    published_by: Person | None
    counts_at: datetime
    is_now: bool


@dataclass(frozen=True, slots=True)
class RotaView:
    """`shifts` are those that are not over and were not withdrawn, the first 50."""

    slug: str
    title: str
    on_call: tuple[str, ...]
    shifts: tuple[ShiftView, ...]


def rotas(person: Principal, now: datetime) -> QuerySet[Rota]:
    """The rotas with their shifts to come, by name, for who may see people."""
    rows = Rota.objects.all() if access.may(person, "see_people") else Rota.objects.none()
    coming = Shift.objects.filter(ends_at__gt=now, withdrawn_at__isnull=True)
    ordered = coming.select_related("person", "published_by").order_by("begins_at", "pk")
    return rows.order_by("slug").prefetch_related(Prefetch("shifts", ordered, to_attr="coming"))


def view(row: Rota, now: datetime) -> RotaView:
    found: list[Shift] = getattr(row, "coming", [])
    shifts = tuple(_shift(each, now) for each in found[:SHOWN])
    on_call = tuple(each.person.name for each in shifts if each.is_now and each.person is not None)
    return RotaView(row.slug, row.title, on_call, shifts)


def rota_view(slug: str, person: Principal, now: datetime) -> RotaView | None:
    row = rotas(person, now).filter(slug=slug).first()
    return view(row, now) if row is not None else None


def _shift(row: Shift, now: datetime) -> ShiftView:
    counts_at = max(row.begins_at, row.published_at + COOLING)
    return ShiftView(
        id=row.pk,
        person=references.person(row.person),
        begins_at=row.begins_at,
        ends_at=row.ends_at,
        published_at=row.published_at,
        published_by=references.person(row.published_by),
        counts_at=counts_at,
        is_now=counts_at <= now < row.ends_at and row.person.is_active,
    )
