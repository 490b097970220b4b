"""Which profile holds here, what is to change about it, and how it came to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from playbooks import access
from playbooks.access.profile import bound, pending_change, profile_at
from playbooks.domain.profiles import Profile
from playbooks.models import Principal, ProfileChange
from playbooks.queries import references
from playbooks.queries.references import Person


@dataclass(frozen=True, slots=True)
class ChangeView:
    """`takes_effect_at` is null while it waits for a second person. Nobody proposed what was chosen by command."""

    id: UUID
    profile: str
    meaning: str
    reason: str
    proposed_by: Person | None
    proposed_at: datetime
    confirmed_by: Person | None
    takes_effect_at: datetime | None
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProfileView:
    """What holds, and what waits to hold."""

    profile: str
    meaning: str
    pending: ChangeView | None


def profile() -> ProfileView:
    now = timezone.now()
    holds, pending = profile_at(now), pending_change(now)
    return ProfileView(holds.value, holds.meaning, change_view(pending) if pending else None)


def changes(person: Principal) -> QuerySet[ProfileChange]:
    """Every change, the newest first, for whoever may see runs."""
    rows = ProfileChange.objects.all() if access.may(person, "see_run") else ProfileChange.objects.none()
    return rows.select_related("proposed_by", "confirmed_by").order_by("-proposed_at", "-pk")


def change_view(row: ProfileChange) -> ChangeView:
    return ChangeView(
        id=row.pk,
        profile=row.profile,
        meaning=Profile(row.profile).meaning,
        reason=row.reason,
        proposed_by=references.person(row.proposed_by),
        proposed_at=row.proposed_at,
        confirmed_by=references.person(row.confirmed_by),
        takes_effect_at=row.takes_effect_at,
        withdrawn_at=row.withdrawn_at,
    )


def is_bound(person: Principal) -> bool:
    """Whether the person decides under the profile, and may therefore change it."""
    return bound().filter(pk=person.pk).exists()


def is_alone() -> bool:
    """Whether nobody could confirm what one person proposes."""
    return bound().count() < 2
