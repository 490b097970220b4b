"""Guardian's tables with a direct foreign key each, so that no grant is orphaned when its object goes."""

from __future__ import annotations

from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from playbooks.models import Case, Playbook


class PlaybookGrantToPerson(UserObjectPermissionBase):
    content_object = models.ForeignKey(Playbook, models.CASCADE)


class PlaybookGrantToRole(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Playbook, models.CASCADE)


class CaseGrantToPerson(UserObjectPermissionBase):
    content_object = models.ForeignKey(Case, models.CASCADE)


class CaseGrantToRole(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Case, models.CASCADE)
