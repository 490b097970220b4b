"""Cases: what belongs together in one incident."""

from __future__ import annotations

from django.db import models

from playbooks.domain.statuses import CaseStatus
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.people import Principal


class Case(models.Model):
    id = identifier()
    title = models.CharField(max_length=300)
    severity = models.PositiveSmallIntegerField()
    status = status(CaseStatus, CaseStatus.OPEN)
    owner = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    resolution = models.TextField(blank=True)

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
