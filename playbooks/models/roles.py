"""Roles that an installation made itself. The built-in ones are in domain/roles.py, and nobody changes those."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models

from playbooks.models.people import Principal


class CustomRole(models.Model):
    """What a Django group does not know of a role. One that has ended is nobody's, and its slug is not given again."""

    group = models.OneToOneField(Group, models.PROTECT, primary_key=True, related_name="custom")
    title = models.CharField(max_length=120)
    created_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    ended_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.title
