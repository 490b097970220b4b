"""Cases: what belongs together in one incident."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from playbooks.domain.statuses import CaseStatus
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.lasting import InForceManager
from playbooks.models.people import Principal
from playbooks.models.teams import Team


class Case(models.Model):
    """A case of no team is everybody's whose role sees cases. One that `is_restricted` is seen by those who are named
    on it alone, whatever their roles and teams.
    """

    id = identifier()
    title = models.CharField(max_length=300)
    severity = models.PositiveSmallIntegerField()
    status = status(CaseStatus, CaseStatus.OPEN)
    owner = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    resolution = models.TextField(blank=True)
    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")
    is_restricted = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        permissions = [("see_case", "See cases"), ("work_case", "Work on cases")]
        constraints = [is_one_of("status", CaseStatus, name="the_status_of_a_case_is_known")]
        indexes = [models.Index(fields=["-opened_at"], name="cases_by_time")]

    def __str__(self) -> str:
        return self.title

    @property
    def reference(self) -> str:
        """A short name to speak about: the random end of the id."""
        return f"C-{self.id.hex[-6:].upper()}"


class CaseSubject(models.Model):
    """Somebody whom the case is about: they neither see it nor decide anything in it. Ended rows stay."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="subjects")
    principal = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    granted_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    granted_at = models.DateTimeField()
    ended_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[InForceManager[CaseSubject]] = InForceManager()
    history: ClassVar[models.Manager[CaseSubject]] = models.Manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["case", "principal"],
                condition=models.Q(ended_at__isnull=True),
                name="a_case_is_about_somebody_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.case} is about {self.principal}"
