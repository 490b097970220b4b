"""Decisions on approval requests: append-only rows, refused by trigger for anything but INSERT and SELECT."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from playbooks.domain.statuses import Verdict
from playbooks.models.append_only import AppendOnly, AppendOnlyManager
from playbooks.models.approvals import ApprovalRequest
from playbooks.models.columns import identifier, is_one_of
from playbooks.models.people import Principal


class DecisionManager(AppendOnlyManager["Decision"]):
    """A decision always comes with its withdrawal, since without it nobody knows whether it still counts."""

    def get_queryset(self) -> AppendOnly[Decision]:
        return super().get_queryset().select_related("withdrawal")


class Decision(models.Model):
    """What one person decided, on which digest, and the facts that the duty rules were evaluated on."""

    id = identifier()
    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="decisions")
    person = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    person_name = models.CharField(max_length=120)
    verdict = models.CharField(max_length=10)
    digest = models.CharField(max_length=64)
    comment = models.TextField(blank=True)
    decided_at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True)
    facts = models.JSONField()

    objects: ClassVar[models.Manager[Decision]] = DecisionManager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["request", "person"], name="a_person_decides_a_request_once"),
            models.CheckConstraint(
                condition=models.Q(verdict__in=[Verdict.APPROVE.value, Verdict.CONFIRM.value])
                | ~models.Q(comment=""),
                name="a_denial_has_its_reason",
            ),
            is_one_of("verdict", Verdict, name="a_verdict_approves_or_denies"),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.person_name}"

    @property
    def stands(self) -> bool:
        """Whether it counts: it was not withdrawn."""
        return getattr(self, "withdrawal", None) is None


class Withdrawal(models.Model):
    """A person took their decision back while the request was open; it is final, and the decision stays to be read."""

    id = identifier()
    decision = models.OneToOneField(Decision, models.PROTECT, related_name="withdrawal")
    reason = models.TextField()
    withdrawn_at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True)

    objects: ClassVar[models.Manager[Withdrawal]] = AppendOnlyManager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"withdrawal of {self.decision_id}"
