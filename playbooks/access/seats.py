"""Who is meant by a seat that is no role: the owner of a connection, whoever is on call.

It is read fresh where somebody decides, as memberships are. A shift counts once it has been published for a day, so
that nobody puts themselves on a rota in order to decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from playbooks.access.history import COOLING
from playbooks.domain.seats import ON_CALL, OWNER_OF, Seat
from playbooks.models import Connection, Shift

Decided = Mapping[UUID, datetime]  # who has approved a request, and when


@dataclass(frozen=True, slots=True)
class Meant:
    """Who owns which connection, and the shifts that may count."""

    now: datetime
    owners: Mapping[str, str]
    shifts: Sequence[Shift]

    def seat(self, name: str, also: Iterable[str] = (), decided: Decided | None = None) -> Seat:
        """The seat as the matching sees it. Whoever was on call when they approved stays meant."""
        more = tuple(Seat(each, self._people(each, decided or {})) for each in also)
        return Seat(name, self._people(name, decided or {}), more)

    def _people(self, name: str, decided: Decided) -> frozenset[str] | None:
        if name.startswith(OWNER_OF):
            owner = self.owners.get(name.removeprefix(OWNER_OF))
            return frozenset({owner} if owner else ())
        if not name.startswith(ON_CALL):
            return None
        rota = name.removeprefix(ON_CALL)
        shifts = [each for each in self.shifts if each.rota_id == rota]
        return frozenset(
            str(each.person_id)
            for each in shifts
            if _counts(each, self.now) or _counts(each, decided.get(each.person_id))
        )


def meant_by(names: Iterable[str], now: datetime, deciders: Collection[UUID] = ()) -> Meant:
    """Whoever is meant by those of `names` that are no roles, in one query for owners and one for those on call."""
    asked = set(names)
    connections = [name.removeprefix(OWNER_OF) for name in asked if name.startswith(OWNER_OF)]
    rotas = [name.removeprefix(ON_CALL) for name in asked if name.startswith(ON_CALL)]
    owned = Connection.objects.filter(name__in=connections, owner__is_active=True)
    owners = dict(owned.values_list("name", "owner")) if connections else {}
    shifts = Shift.objects.filter(rota__in=rotas, withdrawn_at__isnull=True, person__is_active=True)
    near = shifts.filter(Q(begins_at__lte=now, ends_at__gt=now) | Q(person__in=deciders)) if rotas else ()
    return Meant(now, {name: str(owner) for name, owner in owners.items()}, list(near))


def _counts(shift: Shift, moment: datetime | None) -> bool:
    """Whether it makes its person on call at a moment: published long enough before."""
    if moment is None:
        return False
    return shift.begins_at <= moment < shift.ends_at and shift.published_at <= moment - COOLING


def names_of(people: Collection[UUID], now: datetime) -> dict[str, set[str]]:
    """The seats that are no roles and are meant for any of these people now, with who they are meant for."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, owner in Connection.objects.filter(owner__in=people).values_list("name", "owner"):
        found[f"{OWNER_OF}{name}"].add(str(owner))
    for rota, person in on_call(now).filter(person__in=people).values_list("rota", "person"):
        found[f"{ON_CALL}{rota}"].add(str(person))
    return dict(found)


def on_call(now: datetime) -> QuerySet[Shift]:
    """The shifts of this moment that count."""
    rows = Shift.objects.filter(begins_at__lte=now, ends_at__gt=now, withdrawn_at__isnull=True)
    return rows.filter(published_at__lte=now - COOLING, person__is_active=True)
