"""Runs, their steps, and each attempt at a step."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from playbooks.domain.frames import name_of
from playbooks.domain.statuses import AttemptStatus, RunStatus, StepStatus, TurnStatus
from playbooks.models.alerts import Alert
from playbooks.models.cases import Case
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.connections import Connection
from playbooks.models.people import Principal
from playbooks.models.playbooks import PlaybookVersion


class RunTrigger(StrEnum):
    ALERT = "alert"
    PERSON = "person"
    PLAYBOOK = "playbook"  # a step of kind `run`
    EXPIRY = "expiry"  # takes back what was to last for a time only


class Run(models.Model):
    """One run of one version. `context` is what expressions see besides inputs and steps: {alert, case}.

    `parent` is the step that started it; unless it `is_detached`, that step waits for its end.
    """

    id = identifier()
    version = models.ForeignKey(PlaybookVersion, models.PROTECT, related_name="runs")
    case = models.ForeignKey(Case, models.PROTECT, related_name="runs")
    alert = models.ForeignKey(Alert, models.PROTECT, null=True, related_name="runs")
    status = status(RunStatus, RunStatus.QUEUED)
    trigger = models.CharField(max_length=10)
    requested_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    parent = models.ForeignKey("Step", models.PROTECT, null=True, related_name="children")
    is_detached = models.BooleanField(default=False)
    depth = models.PositiveSmallIntegerField(default=0)  # how many runs are above it
    repeats = models.ForeignKey("self", models.PROTECT, null=True, related_name="repeated_by")
    simulates_all = models.BooleanField(default=False)  # somebody asked for a simulation
    is_simulated = models.BooleanField(default=False)  # at least one of its actions goes to a simulator
    inputs = models.JSONField(default=dict)
    context = models.JSONField(default=dict)
    outputs = models.JSONField(default=dict)
    struck = models.JSONField(
        default=dict
    )  # steps that people left out of an approval, by key: by whom and why
    sentence = models.TextField(blank=True)  # why it failed, for a person
    rollbacks = models.PositiveSmallIntegerField(default=0)  # how many were started
    driver = models.CharField(max_length=32, blank=True)  # whose picture of the steps is up to date
    paused_at = models.DateTimeField(null=True)
    paused_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        permissions = [
            ("see_run", "See runs"),
            ("start_run", "Start runs"),
            ("stop_run", "Cancel, pause and resume runs"),
            ("roll_back_run", "Roll back runs"),
            ("resolve_step", "Say what became of a step with an unknown outcome"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "alert"],
                condition=models.Q(trigger=RunTrigger.ALERT.value),
                name="an_alert_triggers_a_version_once",
            ),
            is_one_of("status", RunStatus, name="the_status_of_a_run_is_known"),
            is_one_of("trigger", RunTrigger, name="the_trigger_of_a_run_is_known"),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="runs_by_time"),
            models.Index(
                fields=["created_at"],
                condition=models.Q(status=RunStatus.QUEUED.value),
                name="runs_that_are_queued",
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.id.hex[-6:]} of {self.version}"


class Step(models.Model):
    """One step of a run. `round` 0 does; round n is the n-th rollback, whose steps undo.

    `key` and `frame` say where it stands (domain/frames.py), `needs` are ids in the same frame. `due_at` is when
    what it waits for is looked at again, `deadline_at` when it is to be stopped. A step that `is_stopping` was
    asked to stop and has not ended yet.
    """

    id = identifier()
    run = models.ForeignKey(Run, models.PROTECT, related_name="steps")
    round = models.PositiveSmallIntegerField(default=0)
    frame = models.CharField(max_length=600, blank=True)
    key = models.CharField(max_length=600)
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10)  # one of kinds.KINDS
    needs = models.JSONField(default=list)
    action = models.CharField(max_length=80, blank=True)
    effect = models.CharField(max_length=10, blank=True)
    undoes = models.ForeignKey("self", models.PROTECT, null=True, related_name="undone_by")
    adopts = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="+"
    )  # of the run that this repeats
    status = status(StepStatus, StepStatus.PENDING)
    wait_reason = models.CharField(max_length=12, blank=True)
    connection = models.ForeignKey(
        Connection, models.PROTECT, null=True, related_name="+"
    )  # that it waits for
    event = models.CharField(max_length=100, blank=True)  # that it waits for
    event_key = models.CharField(max_length=200, blank=True)
    due_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    is_stopping = models.BooleanField(default=False)
    changed_at = models.DateTimeField()  # since when it is in this status
    attempt_count = models.PositiveSmallIntegerField(default=0)
    outputs = models.JSONField(default=dict)
    sealed = models.BinaryField(default=bytes)  # its secret outputs
    sentence = models.TextField(blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["run", "round", "key"], name="a_step_is_in_a_round_once"),
            models.CheckConstraint(
                condition=models.Q(status=StepStatus.WAITING.value) ^ models.Q(wait_reason=""),
                name="a_waiting_step_says_for_what",
            ),
            is_one_of("status", StepStatus, name="the_status_of_a_step_is_known"),
        ]
        indexes = [
            models.Index(
                fields=["changed_at"],
                condition=models.Q(status=StepStatus.READY.value),
                name="steps_that_are_ready",
            ),
            models.Index(
                fields=["due_at"],
                condition=models.Q(status=StepStatus.WAITING.value),
                name="steps_that_fall_due",
            ),
            models.Index(
                fields=["deadline_at"],
                condition=models.Q(status=StepStatus.WAITING.value, deadline_at__isnull=False),
                name="steps_that_take_too_long",
            ),
            models.Index(
                fields=["event", "event_key"],
                condition=models.Q(wait_reason="event"),
                name="steps_that_wait_for_an_event",
            ),
            models.Index(
                fields=["changed_at"],
                condition=models.Q(wait_reason="hold"),
                name="steps_that_are_held",
            ),
            models.Index(
                fields=["connection", "changed_at"],
                condition=models.Q(wait_reason="slot"),
                name="steps_that_wait_for_a_slot",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def name(self) -> str:
        """Its id in the playbook."""
        return name_of(self.key)


class Turn(models.Model):
    """One turn of a step that holds others: an item of an `each`, or a round of a `repeat` (without `item`)."""

    id = identifier()
    step = models.ForeignKey(Step, models.PROTECT, related_name="turns")
    index = models.PositiveIntegerField()  # from 0
    status = status(TurnStatus, TurnStatus.PENDING)
    item = models.JSONField(null=True)
    outputs = models.JSONField(default=dict)
    sentence = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["step", "index"], name="a_turn_is_taken_once"),
            is_one_of("status", TurnStatus, name="the_status_of_a_turn_is_known"),
        ]
        indexes = [models.Index(fields=["step", "status", "index"], name="turns_by_status")]

    def __str__(self) -> str:
        return f"{self.step}[{self.index}]"


class Attempt(models.Model):
    """One try at a step: the intent, recorded before the effect, and then its outcome, once.

    `number` fences: a settle that names an older attempt changes nothing. `idempotency_key` stays the same when
    an attempt recovers another whose answer was lost. `parameters` never hold a secret. `handle` names the job
    that goes on at the far side after the call came back.
    """

    id = identifier()
    step = models.ForeignKey(Step, models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    status = status(AttemptStatus, AttemptStatus.RUNNING)
    worker = models.CharField(max_length=80)
    idempotency_key = models.CharField(max_length=64)
    recovers = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    connection = models.ForeignKey(Connection, models.PROTECT, null=True, related_name="+")
    connection_revision = models.PositiveIntegerField(default=0)
    is_simulated = models.BooleanField(default=False)
    is_provisional = models.BooleanField(default=False)  # sent before anybody was asked
    target = models.CharField(max_length=200, blank=True)  # what is acted on
    breadth = models.PositiveIntegerField(default=1)  # how many targets that is
    parameters = models.JSONField(default=dict)
    parameters_digest = models.CharField(max_length=64)
    handle = models.JSONField(null=True)
    started_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outputs = models.JSONField(default=dict)
    sentence = models.TextField(blank=True)
    # whose word the outcome is, where nobody else could tell
    resolved_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["step", "number"], name="an_attempt_number_is_given_once"),
            models.UniqueConstraint(
                fields=["step"],
                condition=models.Q(status=AttemptStatus.RUNNING.value),
                name="a_step_has_one_running_attempt",
            ),
            is_one_of("status", AttemptStatus, name="the_status_of_an_attempt_is_known"),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status=AttemptStatus.RUNNING.value),
                name="leases_that_run_out",
            ),
            models.Index(
                fields=["connection", "started_at"],
                condition=models.Q(connection__isnull=False),
                name="attempts_by_connection",
            ),
            models.Index(
                fields=["connection"],
                condition=models.Q(status__in=[AttemptStatus.RUNNING.value, AttemptStatus.PENDING.value]),
                name="attempts_that_use_a_connection",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"
