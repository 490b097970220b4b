"""Guardian's tables with a direct foreign key each, so that no grant is orphaned when its object goes.

A grant knows who gave it, when, why and until when, and is ended, not deleted. `objects` are those in force now, also
for guardian's own look-ups; `history` are all. A further kind of object (policies) is two classes and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import models
from django.db.models import Model, Q
from django.utils import timezone
from guardian.managers import GroupObjectPermissionManager, UserObjectPermissionManager
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from playbooks.models import Case, Connection, Playbook, Principal, Source


def _in_force() -> Q:
    return Q(ended_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()))


class PersonGrants(UserObjectPermissionManager):
    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(_in_force())


class RoleGrants(GroupObjectPermissionManager):
    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(_in_force())


class Terms(models.Model):
    """Who gave a right on one object, when, why, until when, and who ended it."""

    granted_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    granted_at = models.DateTimeField(default=timezone.now)
    reason = models.TextField(default="")
    expires_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"given by {self.granted_by}"


class GrantToPerson(Terms, UserObjectPermissionBase):
    objects: ClassVar[PersonGrants] = PersonGrants()
    history: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        abstract = True
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["user", "permission", "content_object"],
                condition=Q(ended_at__isnull=True),
                name="a_%(class)s_is_given_once",
            )
        ]


class GrantToRole(Terms, GroupObjectPermissionBase):
    objects: ClassVar[RoleGrants] = RoleGrants()
    history: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        abstract = True
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["group", "permission", "content_object"],
                condition=Q(ended_at__isnull=True),
                name="a_%(class)s_is_given_once",
            )
        ]


class PlaybookGrantToPerson(GrantToPerson):
    content_object = models.ForeignKey(Playbook, models.CASCADE)


class PlaybookGrantToRole(GrantToRole):
    content_object = models.ForeignKey(Playbook, models.CASCADE)


class CaseGrantToPerson(GrantToPerson):
    content_object = models.ForeignKey(Case, models.CASCADE)


class CaseGrantToRole(GrantToRole):
    content_object = models.ForeignKey(Case, models.CASCADE)


class ConnectionGrantToPerson(GrantToPerson):
    content_object = models.ForeignKey(Connection, models.CASCADE)


class ConnectionGrantToRole(GrantToRole):
    content_object = models.ForeignKey(Connection, models.CASCADE)


class SourceGrantToPerson(GrantToPerson):
    content_object = models.ForeignKey(Source, models.CASCADE)


class SourceGrantToRole(GrantToRole):
    content_object = models.ForeignKey(Source, models.CASCADE)


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the grants on one kind of object are; what the kind is called, and the column of its names."""

    kind: str
    key: str
    to_person: type[GrantToPerson]
    to_role: type[GrantToRole]


GRANTS: Mapping[type[Model], Tables] = {
    Case: Tables("case", "pk", CaseGrantToPerson, CaseGrantToRole),
    Playbook: Tables("playbook", "slug", PlaybookGrantToPerson, PlaybookGrantToRole),
    Connection: Tables("connection", "name", ConnectionGrantToPerson, ConnectionGrantToRole),
    Source: Tables("source", "slug", SourceGrantToPerson, SourceGrantToRole),
}
