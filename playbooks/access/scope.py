"""What somebody may see: the right by role and the reach by team, or a grant on the object, in one condition.

Everything here is a part of the query that reads the rows, so that a list is filtered in one query whatever its length,
and every right is read fresh at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Exists, Model, Q, QuerySet

from playbooks.access.grants import GRANTS
from playbooks.access.identities import same_human_as
from playbooks.models import (
    Alert,
    ApprovalRequest,
    Case,
    CaseSubject,
    Membership,
    Playbook,
    PlaybookVersion,
    Principal,
    Question,
    Run,
    TeamMembership,
)

Owner = type[Model]

# What belongs to a case or a playbook is seen by whoever sees all of those to which it belongs: {owner: path}.
INHERITED: Mapping[type[Model], Mapping[Owner, str]] = {
    Alert: {Case: "case__"},
    PlaybookVersion: {Playbook: "playbook__"},
    Run: {Case: "case__", Playbook: "version__playbook__"},
    ApprovalRequest: {Case: "run__case__", Playbook: "run__version__playbook__"},
    Question: {Case: "run__case__", Playbook: "run__version__playbook__"},
}


def visible(principal: Principal, permission: str, model: type[Model]) -> Q:
    """Rows of `model` on which a role within its reach, or a grant, gives the permission."""
    by_role = by_role_of(principal, permission) & reach(principal, model)
    if model not in GRANTS:
        return by_role
    to_person, to_role = _granted(principal, model, permission)
    return (by_role | Q(pk__in=to_person) | Q(pk__in=to_role)) & _not_about(principal, model, "")


def by_role_of(principal: Principal, permission: str) -> Q:
    held = _memberships(principal).filter(
        group__permissions__codename=permission, group__permissions__content_type__app_label="playbooks"
    )
    return Q(Exists(held))


def reach(principal: Principal, model: type[Model]) -> Q:
    """Rows of `model` that team, grant and restriction leave within the reach of the principal, by whatever right.

    Tables without an owner are within everybody's reach.
    """
    owners = INHERITED.get(model, {model: ""} if model in GRANTS else {})
    within = Q()
    for owner, path in owners.items():
        within &= _reach_of_owner(principal, owner, path)
    return within


def _reach_of_owner(principal: Principal, owner: Owner, path: str) -> Q:
    of_nobody = Q(**{f"{path}team__isnull": True})
    teams = TeamMembership.objects.filter(principal=principal.pk, principal__is_active=True)
    by_team = of_nobody | Q(**{f"{path}team__in": teams.values("team")})
    by_team |= by_role_of(principal, "see_every_team")
    if owner is Case:
        by_team &= Q(**{f"{path}is_restricted": False})
    within = by_team
    for granted in _granted(principal, owner):
        within |= Q(**{f"{path}pk__in": granted})
    return within & _not_about(principal, owner, path)


def _not_about(principal: Principal, owner: Owner, path: str) -> Q:
    """Nobody sees a case that is about them, by whatever right and whatever account."""
    if owner is not Case:
        return Q()
    about = CaseSubject.objects.filter(principal__in=same_human_as(principal.pk))
    return ~Q(**{f"{path}pk__in": about.values("case")})


def _granted(
    principal: Principal, owner: Owner, permission: str = ""
) -> tuple[QuerySet[Any, Any], QuerySet[Any, Any]]:
    """The ids of the objects on which the person, or a role of theirs, has the permission; any for an empty one."""
    tables, which = GRANTS[owner], {"permission__codename": permission} if permission else {}
    to_person = tables.to_person.objects.filter(user=principal.pk, user__is_active=True, **which)
    roles = _memberships(principal).values("group")
    to_role = tables.to_role.objects.filter(group__in=roles, **which)
    return to_person.values("content_object"), to_role.values("content_object")


def _memberships(principal: Principal) -> QuerySet[Membership]:
    return Membership.objects.filter(principal=principal.pk, principal__is_active=True)
