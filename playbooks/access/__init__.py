"""Who may do what: the only door to django-guardian.

Roles (groups) give permissions by kind, guardian gives them by object, teams bound what is within reach (scope.py);
nothing else does. Django's `has_perm` and guardian's shortcuts let every superuser through, so neither is asked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db.models import Model, QuerySet

from playbooks.access import scope
from playbooks.models import Membership, Principal

Row = TypeVar("Row", bound=Model)


def permissions_of(principal: Principal) -> frozenset[str]:
    """The codenames that the principal's roles give, in one query, read fresh."""
    held = Membership.objects.filter(principal=principal.pk, principal__is_active=True)
    permissions = Permission.objects.filter(
        group__in=held.values("group"), content_type__app_label="playbooks"
    )
    return frozenset(permissions.values_list("codename", flat=True))


def may(principal: Principal, permission: str, on: Model | None = None) -> bool:
    """Whether a role of the principal gives the permission; on the object `on` where that is named, within reach."""
    if on is None:
        return permission in permissions_of(principal)
    return visible(principal, permission, type(on)._default_manager.filter(pk=on.pk)).exists()


def visible(principal: Principal, permission: str, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Those of `rows` on which the principal has the permission, by role and team or by a grant, as one query."""
    return rows.filter(scope.visible(principal, permission, rows.model))


def within_reach(principal: Principal, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Those of `rows` that teams, grants and restrictions leave within the principal's reach, by whatever right."""
    return rows.filter(scope.reach(principal, rows.model))


def roles_of(people: Iterable[UUID]) -> dict[UUID, frozenset[str]]:
    """The role slugs that each of these people holds now, in one query; none once deactivated.

    Deciding transactions call this, never a cache.
    """
    held: dict[UUID, set[str]] = {each: set() for each in people}
    rows = Membership.objects.filter(principal__in=held, principal__is_active=True)
    for principal, role in rows.values_list("principal", "group__name"):
        held[principal].add(role)
    return {each: frozenset(names) for each, names in held.items()}
