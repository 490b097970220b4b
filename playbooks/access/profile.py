"""The profile that holds, and the people whom it binds."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from playbooks.domain.profiles import Profile
from playbooks.domain.roles import DECIDE
from playbooks.models import Principal, PrincipalKind, ProfileChange, Seat


def profile_at(now: datetime) -> Profile:
    """The one that took effect last; `team` where none was ever chosen."""
    rows = ProfileChange.objects.filter(takes_effect_at__lte=now, withdrawn_at__isnull=True)
    found = rows.order_by("-takes_effect_at", "-pk").values_list("profile", flat=True).first()
    return Profile(found or Profile.TEAM)


def pending_change(now: datetime) -> ProfileChange | None:
    """What waits for a second person, or for its time."""
    rows = ProfileChange.objects.filter(withdrawn_at__isnull=True).exclude(takes_effect_at__lte=now)
    return rows.select_related("proposed_by").order_by("-proposed_at").first()


def bound() -> QuerySet[Principal]:
    """The active people who decide: who hold a role that decides by its nature, or for which a seat was ever asked."""
    roles = {*DECIDE, *Seat.objects.order_by().values_list("role", flat=True).distinct()}
    people = Principal.objects.filter(is_active=True, kind=PrincipalKind.PERSON)
    return people.filter(memberships__group__name__in=roles).distinct()
