"""Policies, their versions, what was done under a permit, and the targets that nothing touches."""

from __future__ import annotations

from django.db import models

from playbooks.domain.policies.never_touch import TargetKind
from playbooks.domain.statuses import VersionStatus
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.people import Principal
from playbooks.models.runs import Step


class Policy(models.Model):
    id = identifier()
    slug = models.SlugField(max_length=64, unique=True)
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        permissions = [
            ("see_policy", "See policies and the never-touch list"),
            ("write_policy", "Write policies, and add to the never-touch list"),
            ("publish_policy", "Put policies in force, and take targets off the never-touch list"),
        ]

    def __str__(self) -> str:
        return self.title


class PolicyVersion(models.Model):
    """`document` is what is evaluated, `digest` the SHA-256 of its canonical JSON, `source` the text as written.

    `seconder` has agreed to a permit before its publisher. `retirement_by` asks for the end of a version that is in
    force, which somebody else confirms. A shipped version has neither author nor publisher.
    """

    id = identifier()
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = status(VersionStatus, VersionStatus.DRAFT)
    source = models.TextField()
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    author = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    seconder = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    publisher = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    retirement_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "number"], name="a_number_of_a_policy_version_is_given_once"
            ),
            models.UniqueConstraint(
                fields=["policy"],
                condition=models.Q(status=VersionStatus.PUBLISHED.value),
                name="a_policy_has_one_version_in_force",
            ),
            models.CheckConstraint(
                condition=models.Q(author__isnull=True)
                | ~(
                    models.Q(author=models.F("publisher"), publisher__isnull=False)
                    | models.Q(author=models.F("seconder"), seconder__isnull=False)
                ),
                name="nobody_agrees_to_their_own_policy",
            ),
            models.CheckConstraint(
                condition=models.Q(seconder__isnull=True)
                | models.Q(publisher__isnull=True)
                | ~models.Q(seconder=models.F("publisher")),
                name="a_permit_is_agreed_to_by_two",
            ),
            is_one_of("status", VersionStatus, name="the_status_of_a_policy_version_is_known"),
        ]
        indexes = [
            models.Index(fields=["status", "retired_at"], name="policy_versions_in_force"),
        ]

    def __str__(self) -> str:
        return f"{self.policy.slug} {self.number}"


class PermitUse(models.Model):
    """A step ran under a permit instead of an approval, or before one, provisionally. Its retries use the same one."""

    version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="uses")
    step = models.ForeignKey(Step, models.PROTECT, related_name="permits")
    target = models.CharField(max_length=200)
    used_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["version", "step"], name="a_step_uses_a_permit_once"),
        ]

    def __str__(self) -> str:
        return f"{self.step} under {self.version}"


class NeverTouch(models.Model):
    """A target that no action changes. One that is taken off the list is kept to for another day."""

    id = identifier()
    kind = models.CharField(max_length=10)
    value = models.CharField(max_length=253)
    reason = models.TextField()
    added_by = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    added_at = models.DateTimeField()
    removed_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    removed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            is_one_of("kind", TargetKind, name="the_kind_of_a_target_is_known"),
            models.UniqueConstraint(
                fields=["kind", "value"],
                condition=models.Q(removed_at__isnull=True),
                name="a_target_is_on_the_list_once",
            ),
            models.CheckConstraint(
                condition=models.Q(removed_at__isnull=True, removed_by__isnull=True)
                | models.Q(removed_at__isnull=False, removed_by__isnull=False),
                name="who_takes_a_target_off_the_list_says_so",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"
