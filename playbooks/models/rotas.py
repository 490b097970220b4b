"""Rotas: who is on call, when, and since when that was known."""

from __future__ import annotations

from django.db import models

from playbooks.models.columns import identifier
from playbooks.models.people import Principal


class Rota(models.Model):
    """A rota by its name, as a seat `{on_call: NAME}` has it."""

    slug = models.SlugField(max_length=64, primary_key=True)
    title = models.CharField(max_length=120)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.title


class Shift(models.Model):
    """`person` is on call from `begins_at` until `ends_at`, unless the shift was withdrawn."""

    id = identifier()
    rota = models.ForeignKey(Rota, models.PROTECT, related_name="shifts")
    person = models.ForeignKey(Principal, models.PROTECT, related_name="shifts")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("begins_at")), name="a_shift_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=models.Q(withdrawn_at__isnull=True, withdrawn_by__isnull=True)
                | models.Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False),
                name="a_withdrawn_shift_says_by_whom",
            ),
        ]
        indexes = [models.Index(fields=["rota", "ends_at"], name="shifts_by_rota")]

    def __str__(self) -> str:
        return f"{self.person} for {self.rota_id}"
