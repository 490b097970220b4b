"""Taking alerts in: durable, de-duplicated, in a case, with the runs that they trigger, in one transaction."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from playbooks import audit
from playbooks.audit import Actor, Entry, Stream, Subject
from playbooks.domain.alerts import NormalAlert
from playbooks.domain.duties import Denial
from playbooks.domain.expressions import ExpressionError, evaluate
from playbooks.domain.statuses import AlertStatus, VersionStatus
from playbooks.domain.verbs import Verb
from playbooks.models import Alert, AlertRaw, Case, PlaybookVersion, Principal, Run, RunTrigger, Source
from playbooks.operations.caller import Caller
from playbooks.operations.cases import case_stream, open_case
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rounds import moment
from playbooks.operations.runs import alert_scope, begin


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a sender: which alert it is, and what came of it. `is_new` is False for a resend."""

    alert: UUID
    case: UUID
    runs: tuple[UUID, ...]
    is_new: bool


def ingest(
    alert: NormalAlert, *, source: Source, raw: bytes, actor: Actor, posted_by: Principal | None = None
) -> Accepted:
    """Accepts one alert. When this returns, the alert, its case and its queued runs are committed.

    `posted_by` is the person who posted it, where it was not the source itself: they count as having asked for
    what it triggers.
    """
    try:
        return _ingest(alert, source, raw, actor, posted_by)
    except IntegrityError:
        # A rival committed the same alert between our look and our insert; now it is there to be found.
        return _ingest(alert, source, raw, actor, posted_by)


def triage(alert: UUID, *, caller: Caller) -> Alert:
    """Marks a new alert as looked at. Raises Refused when it is not new any more."""
    caller.require("triage_alert", "triage alerts")
    with transaction.atomic(durable=True):
        row = Alert.objects.select_for_update().filter(pk=alert).first()
        if row is None:
            raise Missing(f"There is no alert {alert}.")
        if row.status != AlertStatus.NEW:
            raise Refused(Denial("alert_not_new", f"This alert is {row.status} already."))
        move(row, AlertStatus.TRIAGED)
        audit.append(_entry(row, Verb.ALERT_TRIAGED, caller.actor, timezone.now(), {}))
    return row


def _ingest(
    alert: NormalAlert, source: Source, raw: bytes, actor: Actor, posted_by: Principal | None
) -> Accepted:
    with transaction.atomic(durable=True):
        now = timezone.now()
        known = Alert.objects.filter(source=source, identity=_identity(alert)).first()
        if known is not None:
            return _repeat(known, actor, now)
        case = open_case(alert.title, severity=alert.severity, actor=actor, now=now)
        row = _create(alert, source, case, raw, now)
        audit.append(*_accepted(row, raw, actor, now))
        runs = _trigger(row, actor, posted_by, now)
        return Accepted(row.pk, case.pk, tuple(run.pk for run in runs), is_new=True)


def _identity(alert: NormalAlert) -> str:
    """The source's own id, or the fingerprint; hashed when it is too long for the column."""
    identity = f"id:{alert.external_id}" if alert.external_id else f"fingerprint:{alert.fingerprint}"
    return identity if len(identity) <= 200 else f"sha256:{hashlib.sha256(identity.encode()).hexdigest()}"


def _repeat(alert: Alert, actor: Actor, now: datetime) -> Accepted:
    Alert.objects.filter(pk=alert.pk).update(count=F("count") + 1, last_seen_at=now)
    audit.append(_entry(alert, Verb.ALERT_REPEATED, actor, now, {}))
    runs = alert.runs.order_by("created_at").values_list("pk", flat=True)
    return Accepted(alert.pk, alert.case_id, tuple(runs), is_new=False)


def _create(alert: NormalAlert, source: Source, case: Case, raw: bytes, now: datetime) -> Alert:
    row = Alert.objects.create(
        source=source,
        identity=_identity(alert),
        case=case,
        title=alert.title,
        description=alert.description,
        category=alert.category,
        severity=alert.severity,
        severity_word=alert.severity_word,
        rule=alert.rule,
        observables={kind: list(values) for kind, values in alert.observables.items()},
        assets=list(alert.assets),
        detected_at=alert.detected_at,
        received_at=now,
        last_seen_at=now,
    )
    AlertRaw.objects.create(alert=row, sha256=hashlib.sha256(raw).hexdigest(), compressed=zlib.compress(raw))
    return row


def _accepted(alert: Alert, raw: bytes, actor: Actor, now: datetime) -> list[Entry]:
    facts = {
        "source": alert.source.slug,
        "title": alert.title,
        "severity": alert.severity,
        "raw_sha256": hashlib.sha256(raw).hexdigest(),
    }
    attached = _entry(
        alert, Verb.ALERT_ATTACHED, actor, now, {"alert": str(alert.pk)}, case_stream(alert.case_id)
    )
    return [_entry(alert, Verb.ALERT_ACCEPTED, actor, now, facts), attached]


def _trigger(alert: Alert, actor: Actor, posted_by: Principal | None, now: datetime) -> list[Run]:
    """Starts what the alert triggers, and writes on the alert what was considered and why not."""
    published = PlaybookVersion.objects.filter(status=VersionStatus.PUBLISHED).select_related("playbook")
    runs, considered = [], []
    for version in published.order_by("playbook__slug"):
        if not definition_of(version.pk).playbook.triggers:
            continue
        run, reason = _consider(version, alert, actor, posted_by, now)
        considered.append(
            {"playbook": version.playbook.slug, "run": str(run.pk) if run else None, "reason": reason}
        )
        if run:
            runs.append(run)
    if considered:
        Alert.objects.filter(pk=alert.pk).update(considered=considered)
    return runs


def _consider(
    version: PlaybookVersion, alert: Alert, actor: Actor, posted_by: Principal | None, now: datetime
) -> tuple[Run | None, str]:
    conditions = [trigger.alert for trigger in definition_of(version.pk).playbook.triggers]
    fired, errors = _first_that_holds(conditions, {"alert": alert_scope(alert), "now": moment(now)})
    if fired is None and errors:
        return None, "A trigger could not be evaluated: " + " · ".join(errors)
    if fired is None:
        return None, "No trigger applies: " + " · ".join(conditions)
    try:
        run = begin(
            version,
            case=alert.case,
            alert=alert,
            actor=actor,
            trigger=RunTrigger.ALERT,
            requested_by=posted_by,
            inputs={},
            simulate=False,
            now=now,
        )
    except Invalid as error:
        return None, f"The inputs could not be filled from the alert: {error}"
    return run, fired


def _first_that_holds(
    conditions: Sequence[str], scope: Mapping[str, object]
) -> tuple[str | None, Sequence[str]]:
    """The first condition that is true, and a sentence for each before it that cannot be evaluated."""
    errors: list[str] = []
    for condition in conditions:
        try:
            if evaluate(condition, scope) is True:
                return condition, errors
        except ExpressionError as error:
            errors.append(str(error))
    return None, errors


def _entry(
    alert: Alert,
    verb: Verb,
    actor: Actor,
    now: datetime,
    facts: dict[str, object],
    stream: Stream | None = None,
) -> Entry:
    return Entry(
        stream=stream or Stream("alert", str(alert.pk)),
        verb=verb,
        actor=actor,
        subject=Subject("alert", str(alert.pk), alert.title),
        outcome="done",
        facts=facts,
        occurred_at=now,
    )
