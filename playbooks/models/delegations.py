"""Delegations: who stands in for whom, from when until when."""

from __future__ import annotations

from django.db import models

from playbooks.models.columns import identifier
from playbooks.models.people import Principal


class Delegation(models.Model):
    """`substitute` stands in for `person` from `begins_at` until `ends_at`, which is earlier when either ends it."""

    id = identifier()
    person = models.ForeignKey(Principal, models.PROTECT, related_name="delegations")
    substitute = models.ForeignKey(Principal, models.PROTECT, related_name="substitutions")
    reason = models.TextField()
    named_at = models.DateTimeField()
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(person=models.F("substitute")),
                name="nobody_stands_in_for_themselves",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gte=models.F("begins_at")),
                name="a_delegation_ends_after_it_begins",
            ),
        ]
        indexes = [
            models.Index(fields=["substitute", "ends_at"], name="delegations_by_substitute"),
            models.Index(fields=["person", "ends_at"], name="delegations_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.substitute} for {self.person}"
