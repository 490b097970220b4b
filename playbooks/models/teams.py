"""Teams and who belongs to them. A team is known by its id: two names never make two teams of one."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from playbooks.models.columns import identifier
from playbooks.models.lasting import InForceManager
from playbooks.models.people import Principal


class Team(models.Model):
    """What belongs to a team is seen by its members. Teams have no parents (docs/decisions/0012).

    A team that has ended has no members any more; its slug is never given again.
    """

    id = identifier()
    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    created_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    ended_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        permissions = [("see_every_team", "See what belongs to any team")]

    def __str__(self) -> str:
        return self.name


class TeamMembership(models.Model):
    """Somebody belongs to a team, since when and by whom; ended rows stay."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="memberships")
    principal = models.ForeignKey(Principal, models.PROTECT, related_name="team_memberships")
    granted_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    granted_at = models.DateTimeField()
    ended_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[InForceManager[TeamMembership]] = InForceManager()
    history: ClassVar[models.Manager[TeamMembership]] = models.Manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["team", "principal"],
                condition=models.Q(ended_at__isnull=True),
                name="somebody_is_in_a_team_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.principal} in {self.team}"
