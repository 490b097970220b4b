"""Step-up: challenges that were issued, the proofs that answered them, and how often somebody failed.

No secret is here: a session is named by the SHA-256 of its key, and of a code only its time step is kept.
"""

from __future__ import annotations

from django.db import models

from playbooks.domain.stepup import Method, Purpose
from playbooks.models.columns import identifier, is_one_of
from playbooks.models.people import Principal


class StepUp(models.Model):
    """A challenge for one person in one session, and what proved it. `digest` and `verdict` are what it is about."""

    id = identifier()
    person = models.ForeignKey(Principal, models.PROTECT, related_name="step_ups")
    session = models.CharField(max_length=64)
    purpose = models.CharField(max_length=20)
    nonce = models.CharField(max_length=64, unique=True)
    digest = models.CharField(max_length=64)
    verdict = models.CharField(max_length=20, blank=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    method = models.CharField(max_length=20, blank=True)
    proven_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            is_one_of("purpose", Purpose, name="the_purpose_of_a_step_up_is_known"),
            models.CheckConstraint(
                condition=models.Q(method="", proven_at__isnull=True)
                | models.Q(method__in=[each.value for each in Method], proven_at__isnull=False),
                name="a_proof_has_its_method_and_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(used_at__isnull=True) | models.Q(proven_at__isnull=False),
                name="only_a_proof_is_used",
            ),
        ]
        indexes = [models.Index(fields=["person", "-proven_at"], name="proofs_of_a_person")]

    def __str__(self) -> str:
        return f"step-up of {self.person} for {self.purpose}"


class FactorUse(models.Model):
    """How somebody has used their factors: the last code, so that none is used twice, and failures in a row."""

    person = models.OneToOneField(Principal, models.PROTECT, primary_key=True, related_name="factor_use")
    code_counter = models.BigIntegerField(null=True)  # the time step of the last code (RFC 6238)
    failures = models.PositiveSmallIntegerField(default=0)
    locked_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"factors of {self.person}"
