"""Starting and stopping runs, and a person's word on a step whose outcome is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks.audit import Actor
from playbooks.domain.duties import Denial
from playbooks.domain.statuses import (
    AttemptStatus,
    StepStatus,
    VersionStatus,
)
from playbooks.domain.verbs import Verb
from playbooks.models import Alert, Case, PlaybookVersion, Principal, Run, RunTrigger, Step
from playbooks.operations import idempotency, provisionals, secrecy
from playbooks.operations.caller import Caller
from playbooks.operations.cases import open_case
from playbooks.operations.change import Change, lock_run
from playbooks.operations.creation import Origin, accepted_inputs, create_run, note_started
from playbooks.operations.moves import move_step, settle
from playbooks.operations.progress import advance
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rounds import open_frame

GENERIC = "normal"  # the kind of a source that posts our normal form and is known by its own name


class Resolution(StrEnum):
    """What a person says of a step whose answer was lost."""

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did_not_happen"
    GIVE_UP = "give_up"


def start(
    playbook: str,
    *,
    caller: Caller,
    version: int | None = None,
    alert: UUID | None = None,
    case: UUID | None = None,
    inputs: Mapping[str, object] | None = None,
    simulate: bool = False,
    idempotency_key: str = "",
) -> Run:
    """Starts a run by hand of the published (or the given published) version.

    Raises Refused without the permission, Missing for an unknown playbook, alert or case, Invalid for inputs
    that do not fit.
    """
    caller.require("start_run", "start runs")
    call = {
        "start": playbook,
        "version": version,
        "alert": str(alert or ""),
        "case": str(case or ""),
        "inputs": dict(inputs or {}),
        "simulate": simulate,
    }
    with transaction.atomic(durable=True):
        answered = idempotency.recall(str(caller.principal.pk), idempotency_key, call)
        if answered:
            return Run.objects.get(pk=answered["run"])
        now = timezone.now()
        row = _published(playbook, version)
        caller.require_on("start_run", row.playbook, _none_of(playbook, version))
        about = _alert(alert, caller)
        run = begin(
            row,
            case=_case(case, about, row, caller, now),
            alert=about,
            actor=caller.actor,
            trigger=RunTrigger.PERSON,
            requested_by=caller.principal,
            inputs=inputs or {},
            simulate=simulate,
            now=now,
        )
        idempotency.keep(str(caller.principal.pk), idempotency_key, call, {"run": str(run.pk)}, now=now)
        return run


def begin(
    version: PlaybookVersion,
    *,
    case: Case,
    alert: Alert | None,
    actor: Actor,
    trigger: RunTrigger,
    requested_by: Principal | None,
    inputs: Mapping[str, object],
    simulate: bool,
    now: datetime,
) -> Run:
    """Creates a run with its steps and moves it on, in the caller's transaction.

    `requested_by` is whoever asked for it, also by posting the alert that triggered it; None where that was a
    source. Raises Invalid for inputs that do not fit.
    """
    context = _context(alert, case)
    run = create_run(
        version.pk,
        case=case,
        context=context,
        inputs=accepted_inputs(version.pk, inputs, context, now),
        origin=Origin(trigger, requested_by, alert=alert, simulates_all=simulate),
        now=now,
    )
    run.version = version  # as it was read, so that nobody reads it again
    change = Change(run, now, actor)
    note_started(change)
    advance(change)
    change.finish()
    return run


def resolve(
    run: UUID,
    step: str,
    *,
    caller: Caller,
    resolution: Resolution,
    outputs: Mapping[str, object] | None = None,
    comment: str,
) -> Step:
    """A person says what became of a step whose answer was lost, with a mandatory comment.

    `happened` takes `outputs` as the step's, `did_not_happen` makes it ready once more, `give_up` fails it.
    """
    caller.require("resolve_step", "resolve steps with an unknown outcome")
    if not comment.strip():
        raise Invalid([("/comment", "Say how you know what happened.")])
    with transaction.atomic(durable=True):
        row = lock_run(run)
        caller.require_on("resolve_step", row, f"run {run}")
        unknown = row.steps.filter(key=step, status=StepStatus.UNKNOWN).order_by("-round").first()
        if unknown is None:
            raise Refused(Denial("not_unknown", f"The outcome of step {step} is not unknown (any more)."))
        change = Change(row, timezone.now(), caller.actor)
        said, sealed = secrecy.sealed(unknown, outputs or {}, secrecy.names_of(unknown))
        change.note_step(
            Verb.STEP_RESOLVED,
            unknown,
            resolution=resolution.value,
            outputs=said,  # later steps may send what this person says
            comment=comment,
        )
        _resolve(change, unknown, resolution, said, sealed, comment)
        _sign(unknown, caller)
        advance(change, unknown.frame)
        change.finish()
    return unknown


def _resolve(
    change: Change,
    step: Step,
    resolution: Resolution,
    outputs: Mapping[str, object],
    sealed: bytes,
    comment: str,
) -> None:
    attempt = step.attempts.order_by("-number")[0]
    if resolution is Resolution.HAPPENED:
        settle(attempt, AttemptStatus.SUCCEEDED, now=change.now, outputs=outputs, sentence=comment)
        move_step(
            step, StepStatus.SUCCEEDED, now=change.now, outputs={"changed": True, **outputs}, sealed=sealed
        )
        provisionals.follow(change, step, attempt)
        return
    settle(attempt, AttemptStatus.FAILED, now=change.now, sentence=comment)
    is_over = step.is_stopping or open_frame(change.run, step.frame).is_stopping
    if resolution is Resolution.GIVE_UP or is_over:
        why = "Given up" if resolution is Resolution.GIVE_UP else "It did not happen, and is not tried again"
        move_step(step, StepStatus.FAILED, now=change.now, sentence=f"{why}: {comment}")
        return
    move_step(step, StepStatus.READY, now=change.now)
    change.ready += 1


def _sign(step: Step, caller: Caller) -> None:
    attempt = step.attempts.order_by("-number")[0]
    attempt.resolved_by = caller.principal
    attempt.save(update_fields=["resolved_by"])


def _published(slug: str, number: int | None) -> PlaybookVersion:
    versions = PlaybookVersion.objects.select_related("playbook").filter(
        playbook__slug=slug, status=VersionStatus.PUBLISHED
    )
    found = (versions if number is None else versions.filter(number=number)).first()
    if found is None:
        raise Missing(f"There is no {_none_of(slug, number)}.")
    return found


def _none_of(slug: str, number: int | None) -> str:
    which = "" if number is None else f" {number}"
    return f"published version{which} of a playbook {slug}"


def _alert(alert: UUID | None, caller: Caller) -> Alert | None:
    if alert is None:
        return None
    found = Alert.objects.select_related("source", "case").filter(pk=alert).first()
    if found is None:
        raise Missing(f"There is no alert {alert}.")
    caller.require_on("start_run", found, f"alert {alert}")
    return found


def _case(
    case: UUID | None, alert: Alert | None, version: PlaybookVersion, caller: Caller, now: datetime
) -> Case:
    """The named case, else the alert's, else a new one: every run belongs to a case."""
    if case is not None:
        found = Case.objects.filter(pk=case).first()
        if found is None:
            raise Missing(f"There is no case {case}.")
        caller.require_on("start_run", found, f"case {case}")
        return found
    if alert is not None:
        return alert.case
    of = version.playbook
    return open_case(of.title, severity=50, actor=caller.actor, now=now, team=of.team_id)


def _context(alert: Alert | None, case: Case) -> dict[str, object]:
    about: dict[str, object] = {"case": {"id": str(case.pk), "title": case.title, "severity": case.severity}}
    if alert is not None:
        about["alert"] = alert_scope(alert)
    return about


def alert_scope(alert: Alert) -> dict[str, object]:
    """An alert as expressions see it, under the name `alert`."""
    return {
        "id": str(alert.pk),
        "source": alert.source.slug if alert.source.kind == GENERIC else alert.source.kind,
        "external_id": alert.external_id,
        "title": alert.title,
        "description": alert.description,
        "category": alert.category,
        "severity": alert.severity,
        "severity_word": alert.severity_word,
        "detected_at": alert.detected_at.isoformat(),
        "received_at": alert.received_at.isoformat(),
        "rule": alert.rule,
        "observables": alert.observables,
        "assets": alert.assets,
    }
