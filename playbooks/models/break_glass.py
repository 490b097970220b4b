"""Break-glass: that somebody ran past a gate, and what somebody else said of it afterwards."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from django.db import models

from playbooks.models.append_only import AppendOnlyManager
from playbooks.models.approvals import ApprovalRequest
from playbooks.models.columns import identifier, is_one_of
from playbooks.models.people import Principal


class Finding(StrEnum):
    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not_justified"


class BreakGlass(models.Model):
    """`person` let run what `digest` stands for, until `until`, though the quorum of `request` was not complete.

    Where the evidence was not in a signed checkpoint yet when something was destroyed, the receipt is owed until it
    is settled.
    """

    id = identifier()
    request = models.OneToOneField(ApprovalRequest, models.PROTECT, related_name="break_glass")
    person = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    person_name = models.CharField(max_length=120)
    second = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    second_name = models.CharField(max_length=120, blank=True)
    reason = models.TextField()
    digest = models.CharField(max_length=64)
    broken_at = models.DateTimeField()
    until = models.DateTimeField()
    address = models.GenericIPAddressField(null=True)
    facts = models.JSONField()
    owes_receipt = models.BooleanField(default=False)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        permissions = [
            ("break_glass", "Run past an open gate, with a reason and a review"),
            ("review_break_glass", "Review what was passed by break-glass"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(second=models.F("person")), name="nobody_stands_by_for_themselves"
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="a_break_glass_has_its_reason"),
            models.CheckConstraint(
                condition=models.Q(until__gt=models.F("broken_at")), name="a_break_glass_ends_after_it_began"
            ),
            models.CheckConstraint(
                condition=models.Q(settled_at__isnull=True) | models.Q(owes_receipt=True),
                name="only_a_receipt_that_is_owed_is_settled",
            ),
        ]
        indexes = [
            models.Index(
                fields=["broken_at"],
                condition=models.Q(owes_receipt=True, settled_at__isnull=True),
                name="receipts_that_are_owed",
            )
        ]

    def __str__(self) -> str:
        return f"break-glass by {self.person_name}"


class BreakGlassReview(models.Model):
    """What somebody without a hand in it found. Written once."""

    id = identifier()
    break_glass = models.OneToOneField(BreakGlass, models.PROTECT, related_name="review")
    reviewer = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    reviewer_name = models.CharField(max_length=120)
    finding = models.CharField(max_length=20)
    comment = models.TextField()
    reviewed_at = models.DateTimeField()
    facts = models.JSONField()

    objects: ClassVar[models.Manager[BreakGlassReview]] = AppendOnlyManager()

    class Meta:
        default_permissions = ()
        constraints = [
            is_one_of("finding", Finding, name="a_review_finds_it_justified_or_not"),
            models.CheckConstraint(condition=~models.Q(comment=""), name="a_review_says_what_was_found"),
        ]

    def __str__(self) -> str:
        return f"review by {self.reviewer_name}"
