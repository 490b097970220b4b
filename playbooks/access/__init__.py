"""Who may do what: the only door to django-guardian.

Roles (groups) give permissions by kind, guardian gives them by object; nothing else does. Django's `has_perm` and
guardian's shortcuts let every superuser through, so neither is asked here without its bypass switched off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db.models import Model, QuerySet
from guardian.shortcuts import get_objects_for_user

from playbooks.models import Membership, Principal

Row = TypeVar("Row", bound=Model)


def permissions_of(principal: Principal) -> frozenset[str]:
    """The codenames that the principal's roles give, in one query, read fresh."""
    if not principal.is_active:
        return frozenset()
    held = Permission.objects.filter(
        group__memberships__principal=principal.pk, content_type__app_label="playbooks"
    )
    return frozenset(held.values_list("codename", flat=True))


def may(principal: Principal, permission: str, on: Model | None = None) -> bool:
    """Whether a role of the principal, or a grant on the object `on`, gives the permission."""
    if permission in permissions_of(principal):
        return True
    return (
        on is not None and visible(principal, permission, type(on)._default_manager.filter(pk=on.pk)).exists()
    )


def visible(principal: Principal, permission: str, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Those of `rows` on which the principal has the permission, as one query."""
    if permission in permissions_of(principal):
        return rows
    granted: QuerySet[Row] = get_objects_for_user(
        principal, f"playbooks.{permission}", rows, with_superuser=False, accept_global_perms=False
    )
    return granted


def roles_of(people: Iterable[UUID]) -> dict[UUID, frozenset[str]]:
    """The role slugs that each of these people holds now, in one query; none once deactivated.

    Deciding transactions call this, never a cache.
    """
    held: dict[UUID, set[str]] = {each: set() for each in people}
    rows = Membership.objects.filter(principal__in=held, principal__is_active=True)
    for principal, role in rows.values_list("principal", "group__name"):
        held[principal].add(role)
    return {each: frozenset(names) for each, names in held.items()}
