"""Playbooks and their versions. A version that left the draft is never changed again."""

from __future__ import annotations

from django.db import models

from playbooks.domain.statuses import VersionStatus
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.people import Principal
from playbooks.models.teams import Team


class Playbook(models.Model):
    id = identifier()
    slug = models.SlugField(max_length=64, unique=True)
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ()
        permissions = [
            ("see_playbook", "See playbooks"),
            ("write_playbook", "Write playbooks"),
            ("publish_playbook", "Publish playbooks"),
        ]

    def __str__(self) -> str:
        return self.title


class PlaybookVersion(models.Model):
    """`document` is what runs, `digest` the SHA-256 of its canonical JSON, `source` the text as it was written.

    `pins` are the versions of other playbooks that it runs, fixed when it is published, and `closure_digest` is
    over all of that (domain/pins.py); both are empty before. A shipped version that nobody changed has neither
    author nor publisher.
    """

    id = identifier()
    playbook = models.ForeignKey(Playbook, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = status(VersionStatus, VersionStatus.DRAFT)
    source = models.TextField()
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    steps_digest = models.CharField(max_length=64, blank=True)  # of the steps alone, whatever it is called
    pins = models.JSONField(default=dict)
    closure_digest = models.CharField(max_length=64, blank=True)
    author = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    publisher = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["playbook", "number"], name="a_version_number_is_given_once"),
            models.UniqueConstraint(
                fields=["playbook"],
                condition=models.Q(status=VersionStatus.PUBLISHED.value),
                name="a_playbook_has_one_published_version",
            ),
            models.CheckConstraint(
                condition=models.Q(author__isnull=True) | ~models.Q(author=models.F("publisher")),
                name="the_publisher_of_a_version_is_not_its_author",
            ),
            is_one_of("status", VersionStatus, name="the_status_of_a_version_is_known"),
        ]
        indexes = [models.Index(fields=["steps_digest"], name="versions_with_the_same_steps")]

    def __str__(self) -> str:
        return f"{self.playbook.slug} {self.number}"
