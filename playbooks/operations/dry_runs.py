"""The door to a dry run: who may ask for one, about what, and the one entry in the log that it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from playbooks import access, audit
from playbooks.access.profile import profile_at
from playbooks.audit import Entry, Stream, Subject
from playbooks.domain.alerts import NormalAlert, Rejected, normal
from playbooks.domain.canonical import digest
from playbooks.domain.definition import Definition, defined
from playbooks.domain.dry_runs.choices import Choices, UnfitChoice, check_choices
from playbooks.domain.dry_runs.ledger import Enough, Ledger
from playbooks.domain.dry_runs.progress import walk_through
from playbooks.domain.dry_runs.record import Walked
from playbooks.domain.dry_runs.report import report
from playbooks.domain.dry_runs.walk import Walk
from playbooks.domain.expressions import ExpressionError, evaluate, render
from playbooks.domain.inputs import accept_inputs
from playbooks.domain.pins import pins_of
from playbooks.domain.playbook import Playbook as Document
from playbooks.domain.statuses import VersionStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Alert, Playbook, PlaybookVersion
from playbooks.operations.actions import uses_simulator
from playbooks.operations.caller import Caller
from playbooks.operations.dry_run_seats import Asked, Seating
from playbooks.operations.dry_run_world import DryWorld
from playbooks.operations.influence import authors_of_all
from playbooks.operations.pins import in_force_of
from playbooks.operations.refusals import Invalid, Missing, no_permission
from playbooks.operations.rounds import moment
from playbooks.operations.runs import alert_scope

MAY = frozenset({"write_playbook", "publish_playbook", "start_run"})
NO_TRIGGER = "No trigger applies, so a run about this would be started by a person."


class Reads(StrEnum):
    """Whether what only reads is answered from examples, or really asked over its connection."""

    SIMULATED = "simulated"
    PERFORMED = "performed"


@dataclass(frozen=True, slots=True)
class About:
    """What is walked: `alert` is one that is stored, `sample` a body in our normal form; at most one of them.

    `choose` is explained in domain/dry_runs/choices.py.
    """

    alert: UUID | None = None
    sample: Mapping[str, Any] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    choose: Mapping[str, Any] = field(default_factory=dict)
    reads: Reads = Reads.SIMULATED


@dataclass(frozen=True, slots=True)
class Triggered:
    """Whether the alert would start the playbook by itself. `sentence` is the condition that holds, or says why not."""

    fires: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class DryRun(Walked):
    """`approvals` say who could decide now. `triggered` is None without an alert."""

    playbook: str
    number: int
    digest: str
    reads: Reads
    inputs: Mapping[str, Any]
    triggered: Triggered | None
    approvals: tuple[Asked, ...]


def dry_run(slug: str, number: int, about: About, *, caller: Caller) -> DryRun:
    """Walks a version, of any status, and does nothing but the entry that says so.

    Raises Refused, Missing for what the caller may not know of, Invalid for a sample, inputs or choices that do not
    fit.
    """
    _require_right(caller, about)
    version, now = _version(slug, number, caller), timezone.now()
    definition = _definition(version)
    alert = _alert(about, caller, now)
    context = _context(alert, definition)
    inputs = _inputs(definition, about, context, now)
    choices = Choices(about.choose)
    _check(choices, definition)
    _note(version, about, caller, now)
    triggered = _triggered(definition, context, now)
    walk = Walk(
        definition=definition,
        world=DryWorld(caller.principal, performs_reads=about.reads is Reads.PERFORMED),
        choices=choices,
        ledger=Ledger(),
        now=now,
        context=context,
        inputs=inputs,
        facts=_facts(definition, triggered),
    )
    return _told(_walked(walk), walk, version, about, triggered, caller)


def _require_right(caller: Caller, about: About) -> None:
    if not MAY & access.permissions_of(caller.principal):
        raise no_permission("dry-run playbooks")
    if about.reads is Reads.PERFORMED:
        caller.require("start_run", "let a dry run ask real systems")
    if about.alert is not None and about.sample is not None:
        raise Invalid([("/sample", "Name a stored alert or give a sample, not both.")])


def _version(slug: str, number: int, caller: Caller) -> PlaybookVersion:
    visible = access.visible(caller.principal, "see_playbook", Playbook.objects.filter(slug=slug))
    versions = PlaybookVersion.objects.select_related("playbook")
    found = versions.filter(playbook__in=visible, number=number).first()
    if found is None:
        raise Missing(f"There is no version {number} of {slug}.")
    return found


def _definition(version: PlaybookVersion) -> Definition:
    """Of a version that was never in force, with what it would pin now: not kept, since publishing pins it."""
    pins = version.pins
    if version.status in {VersionStatus.DRAFT, VersionStatus.IN_REVIEW}:
        pins = pins_of(version.document, in_force_of(version))
    playbook = Document.model_validate(version.document)
    return defined(playbook, digest=version.digest, number=version.number, pins=pins)


def _alert(about: About, caller: Caller, now: datetime) -> Alert | NormalAlert | None:
    if about.alert is not None:
        rows = access.visible(caller.principal, "see_alert", Alert.objects.filter(pk=about.alert))
        found = rows.select_related("source", "case").first()
        if found is None:
            raise Missing(f"There is no alert {about.alert}.")
        return found
    if about.sample is None:
        return None
    sample = normal(about.sample, now)
    if isinstance(sample, Rejected):
        raise Invalid([(f"/sample{each.pointer}", each.detail) for each in sample.faults])
    return sample


def _context(alert: Alert | NormalAlert | None, definition: Definition) -> dict[str, object]:
    """`alert` and `case` as a run would see them; a case that would be opened has no id yet."""
    if isinstance(alert, Alert):
        case = {"id": str(alert.case_id), "title": alert.case.title, "severity": alert.case.severity}
        return {"alert": alert_scope(alert), "case": case}
    if alert is None:
        return {"case": {"id": "dry-run", "title": definition.playbook.title, "severity": 50}}
    case = {"id": "dry-run", "title": alert.title, "severity": alert.severity}
    return {"alert": _sample_scope(alert), "case": case}


def _sample_scope(alert: NormalAlert) -> dict[str, object]:
    """A sample as expressions would see it after it was stored."""
    names = ("source", "external_id", "title", "description", "category", "severity", "severity_word")
    return {
        "id": "sample",
        **{name: getattr(alert, name) for name in names},
        "detected_at": alert.detected_at.isoformat(),
        "received_at": alert.received_at.isoformat(),
        "rule": dict(alert.rule),
        "observables": {kind: list(values) for kind, values in alert.observables.items()},
        "assets": list(alert.assets),
    }


def _inputs(
    definition: Definition, about: About, context: Mapping[str, object], now: datetime
) -> dict[str, object]:
    seen = {**context, "now": moment(now)}
    values, errors = accept_inputs(
        definition.playbook.inputs, about.inputs, default=lambda value: render(value, seen)
    )
    if errors:
        raise Invalid([(f"/inputs/{name}", sentence) for name, sentence in errors])
    return values


def _check(choices: Choices, definition: Definition) -> None:
    try:
        check_choices(choices, definition)
    except UnfitChoice as error:
        raise Invalid(error.errors) from None


def _note(version: PlaybookVersion, about: About, caller: Caller, now: datetime) -> None:
    """Written before anything is walked, so that what is really asked of a far side is known to the log before."""
    sample = digest(dict(about.sample)) if about.sample is not None else None
    with transaction.atomic(durable=True):
        audit.append(
            Entry(
                stream=Stream("playbook", str(version.playbook_id)),
                verb=Verb.PLAYBOOK_DRY_RUN,
                actor=caller.actor,
                subject=Subject("playbook", str(version.playbook_id), version.playbook.slug),
                outcome="done",
                facts={
                    "number": version.number,
                    "digest": version.digest,
                    "alert": str(about.alert) if about.alert else None,
                    "sample_digest": sample,
                    "reads": about.reads.value,
                },
                occurred_at=now,
            )
        )


def _triggered(definition: Definition, context: Mapping[str, object], now: datetime) -> Triggered | None:
    if "alert" not in context:
        return None
    scope, errors = {"alert": context["alert"], "now": moment(now)}, []
    for trigger in definition.playbook.triggers:
        try:
            if evaluate(trigger.alert, scope) is True:
                return Triggered(True, trigger.alert)
        except ExpressionError as error:
            errors.append(str(error))
    return Triggered(False, " · ".join(errors) or NO_TRIGGER)


def _facts(definition: Definition, triggered: Triggered | None) -> dict[str, object]:
    """`run` as expressions see it."""
    is_triggered = triggered is not None and triggered.fires
    trigger = "alert" if is_triggered else "person"
    return {"id": "dry-run", "trigger": trigger, "simulated": uses_simulator(definition)}


def _walked(walk: Walk) -> Walked:
    try:
        walk_through(walk)
    except Enough as error:
        return report(walk, stopped=str(error))
    except UnfitChoice as error:
        raise Invalid(error.errors) from None
    return report(walk, stopped="")


def _told(
    walked: Walked,
    walk: Walk,
    version: PlaybookVersion,
    about: About,
    triggered: Triggered | None,
    caller: Caller,
) -> DryRun:
    asked_for = {} if triggered and triggered.fires else {str(caller.principal.pk): str(caller.principal)}
    names_people = access.may(caller.principal, "see_people")
    profile = profile_at(timezone.now())
    told = {each.name: getattr(walked, each.name) for each in fields(walked)}
    seatings: dict[tuple[str, int], Seating] = {}
    for approval in walked.approvals:
        key = (approval.playbook, approval.number)
        if key not in seatings:
            row = PlaybookVersion.objects.get(playbook__slug=key[0], number=key[1])
            seatings[key] = Seating(asked_for, authors_of_all(row), names_people, profile)
    told["approvals"] = tuple(
        seatings[approval.playbook, approval.number].asked(approval) for approval in walked.approvals
    )
    return DryRun(
        **told,
        playbook=version.playbook.slug,
        number=version.number,
        digest=version.digest,
        reads=about.reads,
        inputs=walk.inputs,
        triggered=triggered,
    )
