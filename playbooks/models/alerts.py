"""Alert sources, alerts in normal form, and the exact bytes that were posted."""

from __future__ import annotations

from django.db import models

from playbooks.domain.statuses import AlertStatus
from playbooks.models.cases import Case
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.teams import Team


class Source(models.Model):
    """A product that posts alerts. `kind` names the mapping from its own form."""

    id = identifier()
    slug = models.SlugField(max_length=64, unique=True)
    kind = models.CharField(max_length=32)
    created_at = models.DateTimeField()
    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")  # of the cases that it opens

    class Meta:
        default_permissions = ()
        permissions = [("manage_source", "Manage alert sources")]

    def __str__(self) -> str:
        return self.slug


class Alert(models.Model):
    """One alert in normal form (alerts.md). `identity` is the source's own id or the fingerprint."""

    id = identifier()
    source = models.ForeignKey(Source, models.PROTECT, related_name="alerts")
    identity = models.CharField(max_length=200)
    case = models.ForeignKey(Case, models.PROTECT, related_name="alerts")
    status = status(AlertStatus, AlertStatus.NEW)
    title = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    category = models.CharField(max_length=120, blank=True)
    severity = models.PositiveSmallIntegerField()
    severity_word = models.CharField(max_length=40, blank=True)
    rule = models.JSONField(default=dict)
    observables = models.JSONField(default=dict)
    assets = models.JSONField(default=list)
    detected_at = models.DateTimeField()
    received_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    considered = models.JSONField(default=list)  # what the triggers decided: [{playbook, run | reason}]

    class Meta:
        default_permissions = ()
        permissions = [("see_alert", "See alerts"), ("triage_alert", "Triage alerts")]
        constraints = [
            models.UniqueConstraint(fields=["source", "identity"], name="a_resend_makes_no_second_alert"),
            models.CheckConstraint(
                condition=models.Q(severity__lte=100), name="the_severity_of_an_alert_is_at_most_100"
            ),
            is_one_of("status", AlertStatus, name="the_status_of_an_alert_is_known"),
        ]
        indexes = [models.Index(fields=["-received_at"], name="alerts_by_time")]

    def __str__(self) -> str:
        return self.title

    @property
    def external_id(self) -> str:
        """The source's own id; empty where the alert is known by its fingerprint."""
        kind, _, value = self.identity.partition(":")
        return value if kind == "id" else ""


class AlertRaw(models.Model):
    """The bytes as they were posted, compressed with zlib."""

    alert = models.OneToOneField(Alert, models.PROTECT, primary_key=True, related_name="raw")
    sha256 = models.CharField(max_length=64)
    compressed = models.BinaryField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.sha256
