"""Approval requests, their seats, and which steps consumed them."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from playbooks.domain.profiles import Profile
from playbooks.domain.statuses import RequestStatus
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.people import Principal
from playbooks.models.runs import Run, Step


class Late(StrEnum):
    """What happens when the deadline passes. Approval is not among it."""

    DENY = "deny"
    ESCALATE = "escalate"
    HOLD = "hold"


class ApprovalRequest(models.Model):
    """`subject` is the canonical JSON of what is to happen, `digest` its SHA-256; decisions bind the digest."""

    id = identifier()
    run = models.ForeignKey(Run, models.PROTECT, related_name="requests")
    step = models.ForeignKey(Step, models.PROTECT, related_name="requests")  # the gate
    status = status(RequestStatus, RequestStatus.OPEN)
    question = models.TextField()
    subject = models.TextField()
    digest = models.CharField(max_length=64)
    shown = models.JSONField(default=dict)  # outputs that the author chose to show: {step: outputs}
    requesters = models.JSONField(default=dict)  # {id: name}
    authors = models.JSONField(default=dict)
    denials_to_end = models.PositiveSmallIntegerField(default=1)
    # A request that was denied is asked once more, with new evidence, of others than those who denied it.
    previous = models.ForeignKey("self", models.PROTECT, null=True, related_name="asked_again")
    asked_again_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    asked_again_at = models.DateTimeField(null=True)
    evidence = models.TextField(blank=True)  # what was said when this one, denied, was asked again
    through = models.JSONField(default=dict)
    profile = models.CharField(max_length=10, default=Profile.TEAM.value)  # under which it is decided
    countersigns = models.BooleanField(
        default=False
    )  # the step has run, provisionally; it is to stand or not
    late = models.CharField(max_length=10)
    within_seconds = models.PositiveIntegerField()
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    remind_at = models.DateTimeField(null=True)  # when those who still have to decide are reminded
    escalated_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        permissions = [("see_request", "See approval requests")]
        constraints = [
            models.UniqueConstraint(
                fields=["step"],
                condition=models.Q(
                    status__in=[
                        RequestStatus.OPEN.value,
                        RequestStatus.GRANTED.value,
                        RequestStatus.PASSED.value,
                        RequestStatus.CONSUMED.value,
                    ]
                ),
                name="a_gate_has_one_request_in_force",
            ),
            is_one_of("status", RequestStatus, name="the_status_of_a_request_is_known"),
            is_one_of("profile", Profile, name="a_request_is_decided_under_a_known_profile"),
            is_one_of("late", Late, name="a_late_request_is_denied_escalated_or_held"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(status=RequestStatus.OPEN.value),
                name="requests_that_fall_due",
            ),
            models.Index(
                fields=["remind_at"],
                condition=models.Q(status=RequestStatus.OPEN.value, remind_at__isnull=False),
                name="requests_to_be_reminded_of",
            ),
        ]

    def __str__(self) -> str:
        return self.question


class Seat(models.Model):
    """One required place in the quorum of a request."""

    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="seats")
    position = models.PositiveSmallIntegerField()
    role = models.CharField(max_length=80)  # a role, or who is meant: domain/seat_names.py
    filled_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["request", "position"], name="a_seat_has_its_own_place"),
            models.UniqueConstraint(
                fields=["request", "filled_by"], name="a_person_fills_one_seat_of_a_request"
            ),
        ]
        indexes = [models.Index(fields=["role"], name="seats_by_role")]

    def __str__(self) -> str:
        return self.role


class Alternative(models.Model):
    """Who may take any seat of a request too, since it was late; `role` as in a seat."""

    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="alternatives")
    role = models.CharField(max_length=80)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["request", "role"], name="a_request_goes_on_to_a_role_once"),
        ]
        indexes = [models.Index(fields=["role"], name="alternatives_by_role")]

    def __str__(self) -> str:
        return self.role


class Consumption(models.Model):
    """A step was claimed under a request. Its retries use the same approval, nothing else does."""

    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="consumptions")
    step = models.ForeignKey(Step, models.PROTECT, related_name="consumptions")
    consumed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["request", "step"], name="a_step_consumes_a_request_once"),
        ]

    def __str__(self) -> str:
        return f"{self.step} under {self.request_id}"
