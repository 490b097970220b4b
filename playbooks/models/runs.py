"""Runs, their steps, and each attempt at a step."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from playbooks.domain.statuses import AttemptStatus, RunStatus, StepStatus
from playbooks.models.alerts import Alert
from playbooks.models.cases import Case
from playbooks.models.columns import identifier, is_one_of, status
from playbooks.models.connections import Connection
from playbooks.models.people import Principal
from playbooks.models.playbooks import PlaybookVersion


class RunTrigger(StrEnum):
    ALERT = "alert"
    PERSON = "person"


class Run(models.Model):
    """One run of one version. `context` is what expressions see besides inputs and steps: {alert, case}."""

    id = identifier()
    version = models.ForeignKey(PlaybookVersion, models.PROTECT, related_name="runs")
    case = models.ForeignKey(Case, models.PROTECT, related_name="runs")
    alert = models.ForeignKey(Alert, models.PROTECT, null=True, related_name="runs")
    status = status(RunStatus, RunStatus.QUEUED)
    trigger = models.CharField(max_length=10)
    requested_by = models.ForeignKey(Principal, models.PROTECT, null=True, related_name="+")
    simulates_all = models.BooleanField(default=False)  # somebody asked for a simulation
    is_simulated = models.BooleanField(default=False)  # at least one of its actions goes to a simulator
    inputs = models.JSONField(default=dict)
    context = models.JSONField(default=dict)
    outputs = models.JSONField(default=dict)
    sentence = models.TextField(blank=True)  # why it failed, for a person
    rollbacks = models.PositiveSmallIntegerField(default=0)  # how many were started
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        permissions = [
            ("see_run", "See runs"),
            ("start_run", "Start runs"),
            ("stop_run", "Cancel runs"),
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
        indexes = [models.Index(fields=["-created_at"], name="runs_by_time")]

    def __str__(self) -> str:
        return f"run {self.id.hex[-6:]} of {self.version}"


class Step(models.Model):
    """One step of a run. `round` 0 does; round n is the n-th rollback, whose steps undo."""

    id = identifier()
    run = models.ForeignKey(Run, models.PROTECT, related_name="steps")
    round = models.PositiveSmallIntegerField(default=0)
    key = models.CharField(max_length=64)  # the step's id in the playbook
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10)  # do, approve, wait, set
    needs = models.JSONField(default=list)
    action = models.CharField(max_length=80, blank=True)
    effect = models.CharField(max_length=10, blank=True)
    undoes = models.ForeignKey("self", models.PROTECT, null=True, related_name="undone_by")
    status = status(StepStatus, StepStatus.PENDING)
    wait_reason = models.CharField(max_length=12, blank=True)
    due_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()  # since when it is in this status
    attempt_count = models.PositiveSmallIntegerField(default=0)
    outputs = models.JSONField(default=dict)
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
        ]

    def __str__(self) -> str:
        return self.key


class Attempt(models.Model):
    """One try at a step: the intent, recorded before the effect, and then its outcome, once.

    `number` fences: a settle that names an older attempt changes nothing. `idempotency_key` stays the same when
    an attempt recovers another whose answer was lost. `parameters` never hold a secret.
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
    parameters = models.JSONField(default=dict)
    parameters_digest = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outputs = models.JSONField(default=dict)
    sentence = models.TextField(blank=True)

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
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"
