"""What a run waits for besides approvals: answers, events, the end of a hold, and the time when a change is over."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from playbooks.domain.statuses import ExpiryStatus, QuestionStatus
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.connections import Connection
from playbooks.models.people import Principal
from playbooks.models.playbooks import Playbook
from playbooks.models.runs import Run, Step


class Question(models.Model):
    """A form that one person of `role` fills in. `fields` is {name: {type, title?, default?}}."""

    id = identifier()
    run = models.ForeignKey(Run, models.PROTECT, related_name="questions")
    step = models.OneToOneField(Step, models.PROTECT, related_name="question")
    status = status(QuestionStatus, QuestionStatus.OPEN)
    text = models.TextField()
    fields = models.JSONField()
    shown = models.JSONField(default=dict)  # outputs that the author chose to show: {step: outputs}
    role = models.SlugField(max_length=64)
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [is_one_of("status", QuestionStatus, name="the_status_of_a_question_is_known")]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(status=QuestionStatus.OPEN.value),
                name="questions_that_fall_due",
            ),
            models.Index(
                fields=["role"],
                condition=models.Q(status=QuestionStatus.OPEN.value),
                name="open_questions_by_role",
            ),
        ]

    def __str__(self) -> str:
        return self.text


class Event(models.Model):
    """Something that happened outside. Runs that wait for this name and key go on; those that come to wait for it
    later, and were started before, find it here.
    """

    id = identifier()
    name = models.CharField(max_length=100)
    key = models.CharField(max_length=200)
    data = models.JSONField(default=dict)
    posted_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    received_at = models.DateTimeField()
    is_settled = models.BooleanField(default=False)  # nobody who waits has still to hear of it

    class Meta:
        default_permissions = ()
        permissions = [("post_event", "Post events that runs wait for")]
        indexes = [
            models.Index(fields=["name", "key", "-received_at"], name="events_by_name_and_key"),
            models.Index(
                fields=["received_at"], condition=models.Q(is_settled=False), name="events_not_settled"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.key}"


class HoldScope(StrEnum):
    EVERYTHING = "everything"
    PLAYBOOK = "playbook"
    CONNECTION = "connection"


class Hold(models.Model):
    """While a hold is placed, no step begins that it covers."""

    id = identifier()
    scope = models.CharField(max_length=10)
    playbook = models.ForeignKey(Playbook, models.PROTECT, null=True, related_name="holds")
    connection = models.ForeignKey(Connection, models.PROTECT, null=True, related_name="holds")
    reason = models.TextField()
    placed_by = models.ForeignKey(Principal, models.PROTECT, related_name="+")
    placed_at = models.DateTimeField()
    released_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    released_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        permissions = [("place_hold", "Hold playbooks, connections, or everything, and release holds")]
        constraints = [
            models.CheckConstraint(
                condition=(
                    models.Q(scope="everything", playbook__isnull=True, connection__isnull=True)
                    | models.Q(scope="playbook", playbook__isnull=False, connection__isnull=True)
                    | models.Q(scope="connection", playbook__isnull=True, connection__isnull=False)
                ),
                name="a_hold_names_what_it_holds",
            ),
            models.UniqueConstraint(
                fields=["scope"],
                condition=models.Q(scope="everything", released_at__isnull=True),
                name="everything_is_held_once",
            ),
            models.UniqueConstraint(
                fields=["playbook"],
                condition=models.Q(released_at__isnull=True),
                name="a_playbook_is_held_once",
            ),
            models.UniqueConstraint(
                fields=["connection"],
                condition=models.Q(released_at__isnull=True),
                name="a_connection_is_held_once",
            ),
        ]

    def __str__(self) -> str:
        return f"hold on {self.playbook or self.connection or self.scope}"


class Expiry(models.Model):
    """A change that is to be taken back at `due_at`, by a run of its own. `target` is the digest of the call that
    takes it back: whoever holds the same target holds it together.
    """

    id = identifier()
    step = models.OneToOneField(Step, models.PROTECT, related_name="expiry")
    target = models.CharField(max_length=64)
    status = status(ExpiryStatus, ExpiryStatus.ACTIVE)
    due_at = models.DateTimeField()
    run = models.OneToOneField(Run, models.PROTECT, null=True, related_name="expiry")  # that takes it back
    tries = models.PositiveSmallIntegerField(default=0)  # runs that could not
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [is_one_of("status", ExpiryStatus, name="the_status_of_an_expiry_is_known")]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(status=ExpiryStatus.ACTIVE.value),
                name="expiries_that_fall_due",
            ),
            models.Index(
                fields=["due_at"],
                condition=models.Q(status=ExpiryStatus.UNDOING.value),
                name="expiries_that_are_undone",
            ),
            models.Index(
                fields=["target"],
                condition=models.Q(status=ExpiryStatus.ACTIVE.value),
                name="active_expiries_by_target",
            ),
        ]

    def __str__(self) -> str:
        return f"expiry of {self.step}"
