"""What people are told by mail, chat and push: their rules, the addresses, and what is to go out (an outbox)."""

from __future__ import annotations

from django.db import models

from playbooks.domain.notices import Medium, NoticeKind
from playbooks.domain.statuses import NoticeStatus
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.people import Principal


class NoticeRules(models.Model):
    """One person's rules; whoever has none has the default. `chosen` is {kind: {medium: when}}."""

    person = models.OneToOneField(Principal, models.PROTECT, primary_key=True, related_name="notice_rules")
    chosen = models.JSONField(default=dict)
    digest_minutes = models.PositiveIntegerField(default=60)
    digest_hour = models.PositiveSmallIntegerField(null=True)
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_hours_have_a_beginning_and_an_end",
            )
        ]

    def __str__(self) -> str:
        return f"what {self.person} is told"


class NoticeChannel(models.Model):
    """An address for notices besides a person's own mailbox: a service of one person, or something that the holders
    of a role share, which gets the kinds in `kinds`.

    `sealed` holds the address of an Apprise service, since that is a secret; `mailbox` is one for mail.
    """

    id = identifier()
    person = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="notice_channels")
    role = models.SlugField(max_length=64, blank=True)
    medium = models.CharField(max_length=10)
    name = models.CharField(max_length=80)
    service = models.CharField(max_length=80)  # as Apprise calls it
    mailbox = models.EmailField(blank=True)
    sealed = models.BinaryField(default=bytes)
    kinds = models.JSONField(default=list)
    added_by = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        permissions = [("manage_notices", "Manage shared channels and see what could not be delivered")]
        constraints = [
            is_one_of("medium", Medium, name="the_medium_of_a_channel_is_known"),
            models.CheckConstraint(
                condition=models.Q(person__isnull=False, role="", medium=Medium.APPRISE.value)
                | (models.Q(person__isnull=True) & ~models.Q(role="")),
                name="a_channel_is_a_persons_service_or_shared_by_a_role",
            ),
            models.CheckConstraint(
                condition=models.Q(medium=Medium.EMAIL.value) ^ models.Q(mailbox=""),
                name="a_channel_for_mail_has_a_mailbox",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Notice(models.Model):
    """One message for one person or channel. `key` says what it tells to whom, so that nobody is told twice.

    It goes to `channel`, or, without one, to the person's mailbox. `gathers`: it is told together with others that go
    out then.
    """

    id = identifier()
    key = models.CharField(max_length=200)
    kind = models.CharField(max_length=20)
    about_kind = models.CharField(max_length=20)
    about_id = models.CharField(max_length=64)
    person = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="notices")
    channel = models.ForeignKey(NoticeChannel, models.PROTECT, null=True, related_name="notices")
    medium = models.CharField(max_length=10)
    title = models.CharField(max_length=200)
    text = models.TextField()
    path = models.CharField(max_length=200)
    status = status(NoticeStatus, NoticeStatus.QUEUED)
    gathers = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    sentence = models.TextField(blank=True)  # why the last try failed, or why it was dropped

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["key"], name="nobody_is_told_the_same_twice"),
            is_one_of("status", NoticeStatus, name="the_status_of_a_notice_is_known"),
            is_one_of("kind", NoticeKind, name="the_kind_of_a_notice_is_known"),
            models.CheckConstraint(
                condition=models.Q(person__isnull=False) | models.Q(channel__isnull=False),
                name="a_notice_goes_to_somebody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(status=NoticeStatus.QUEUED.value),
                name="notices_that_fall_due",
            ),
            models.Index(fields=["-ended_at"], name="notices_by_end"),
        ]

    def __str__(self) -> str:
        return self.title
