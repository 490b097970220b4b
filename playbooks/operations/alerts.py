"""Taking alerts in: durable, de-duplicated, in a case, with the runs that they trigger, in one transaction.

What comes in one request is written together: a look at what is known, one insert, one append to the log.
"""

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
from playbooks.models import Alert, AlertRaw, PlaybookVersion, Principal, Run, RunTrigger, Source, Team
from playbooks.operations.caller import Caller
from playbooks.operations.cases import case_stream, new_case, opened
from playbooks.operations.definitions import definition_of
from playbooks.operations.moves import move
from playbooks.operations.refusals import Invalid, Missing, Refused
from playbooks.operations.rounds import moment
from playbooks.operations.runs import alert_scope, begin
from playbooks.operations.statements import Insert, fetch, key, places, write

AT_ONCE = 250  # alerts of one transaction
TEAM = ("team", "(SELECT p.team_id FROM playbooks_playbook p WHERE p.id = playbook_id)")  # of a version


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a sender: which alert it is, and what came of it. `is_new` is False for a resend."""

    alert: UUID
    case: UUID
    runs: tuple[UUID, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Incoming:
    """An alert as its source posted it: in normal form, and the bytes."""

    alert: NormalAlert
    source: Source
    raw: bytes

    @property
    def identity(self) -> str:
        """The source's own id, or the fingerprint; hashed when it is too long for the column."""
        of = self.alert
        identity = f"id:{of.external_id}" if of.external_id else f"fingerprint:{of.fingerprint}"
        return identity if len(identity) <= 200 else f"sha256:{hashlib.sha256(identity.encode()).hexdigest()}"


def ingest(
    alert: NormalAlert, *, source: Source, raw: bytes, actor: Actor, posted_by: Principal | None = None
) -> Accepted:
    """Accepts one alert; see `ingest_all`."""
    return ingest_all([Incoming(alert, source, raw)], actor=actor, posted_by=posted_by)[0]


def ingest_all(
    incoming: Sequence[Incoming], *, actor: Actor, posted_by: Principal | None = None
) -> list[Accepted]:
    """Accepts alerts, in order. When this returns, all of them, their cases and their queued runs are committed.

    `posted_by` is the person who posted them, where it was not the source itself: they count as having asked for
    what is triggered.
    """
    accepted: list[Accepted] = []
    for begin_at in range(0, len(incoming), AT_ONCE):
        some = incoming[begin_at : begin_at + AT_ONCE]
        try:
            accepted.extend(_ingest(some, actor, posted_by))
        except IntegrityError:
            # A rival committed the same alert between our look and our insert; now it is there to be found.
            accepted.extend(_ingest(some, actor, posted_by))
    return accepted


def triage(alert: UUID, *, caller: Caller) -> Alert:
    """Marks a new alert as looked at. Raises Refused when it is not new any more."""
    caller.require("triage_alert", "triage alerts")
    with transaction.atomic(durable=True):
        row = Alert.objects.select_for_update().filter(pk=alert).first()
        if row is None:
            raise Missing(f"There is no alert {alert}.")
        caller.require_on("triage_alert", row, f"alert {alert}")
        if row.status != AlertStatus.NEW:
            raise Refused(Denial("alert_not_new", f"This alert is {row.status} already."))
        move(row, AlertStatus.TRIAGED)
        audit.append(_entry(row, Verb.ALERT_TRIAGED, caller.actor, timezone.now(), {}))
    return row


def _ingest(incoming: Sequence[Incoming], actor: Actor, posted_by: Principal | None) -> list[Accepted]:
    with transaction.atomic(durable=True):
        now = timezone.now()
        rows, new, entries = _sorted_out(incoming, actor, now)
        triggers = _triggers()
        fired = {alert.pk: _fired(alert, triggers, now) for alert, _ in new}
        _store(new)
        audit.append(*entries)
        runs = {alert.pk: _start(alert, fired[alert.pk], actor, posted_by, now) for alert, _ in new}
        return _answers(rows, runs, now)


def _sorted_out(
    incoming: Sequence[Incoming], actor: Actor, now: datetime
) -> tuple[list[Alert], list[tuple[Alert, bytes]], list[Entry]]:
    """The row of each alert; those that are new, with what was posted; and what is to be said of each."""
    known = _known(incoming)
    rows, new, entries = [], [], []
    for each in incoming:
        name = (each.source.pk, each.identity)
        row = known.get(name)
        if row is None:
            row = known[name] = _new(each, now)
            new.append((row, each.raw))
            entries += [opened(row.case, actor, now), *_accepted(row, each.raw, actor, now)]
        else:
            entries.append(_entry(row, Verb.ALERT_REPEATED, actor, now, {}))
        rows.append(row)
    return rows, new, entries


def _known(incoming: Sequence[Incoming]) -> dict[tuple[UUID, str], Alert]:
    identities: dict[UUID, list[str]] = {}
    for each in incoming:
        identities.setdefault(each.source.pk, []).append(each.identity)
    found = [
        row
        for source, names in identities.items()
        for row in fetch(
            Alert, f"source_id = %s AND identity IN ({places(names)})", [key(Source, source), *names]
        )
    ]
    return {(row.source_id, row.identity): row for row in found}


def _answers(rows: Sequence[Alert], runs: Mapping[UUID, Sequence[Run]], now: datetime) -> list[Accepted]:
    answers: list[Accepted] = []
    left = dict(runs)
    for row in rows:
        started = left.pop(row.pk, None)
        if started is None:
            answers.append(_repeat(row, now))
        else:
            answers.append(Accepted(row.pk, row.case_id, tuple(run.pk for run in started), is_new=True))
    return answers


def _repeat(alert: Alert, now: datetime) -> Accepted:
    Alert.objects.filter(pk=alert.pk).update(count=F("count") + 1, last_seen_at=now)
    runs = alert.runs.order_by("created_at").values_list("pk", flat=True)
    return Accepted(alert.pk, alert.case_id, tuple(runs), is_new=False)


def _new(each: Incoming, now: datetime) -> Alert:
    alert = each.alert
    return Alert(
        source=each.source,
        identity=each.identity,
        case=new_case(alert.title, severity=alert.severity, now=now, team=each.source.team_id),
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


def _store(new: Sequence[tuple[Alert, bytes]]) -> None:
    if new:
        cases = [alert.case for alert, _ in new]
        raws = [
            AlertRaw(alert=alert, sha256=hashlib.sha256(raw).hexdigest(), compressed=zlib.compress(raw))
            for alert, raw in new
        ]
        write(Insert(cases), Insert([alert for alert, _ in new]), Insert(raws))


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


@dataclass(frozen=True, slots=True)
class _Triggers:
    """Of one published version. `team` is the playbook's, as it is now."""

    version: UUID
    team: object  # as the database has it
    slug: str
    conditions: tuple[str, ...]


def _triggers() -> list[_Triggers]:
    """Of every published version that has any. What a version says is read once for each process."""
    published = fetch(
        PlaybookVersion, "status = %s", [VersionStatus.PUBLISHED.value], only=("id",), also=(TEAM,)
    )
    found = []
    for each in published:
        definition = definition_of(each.pk)
        if conditions := tuple(trigger.alert for trigger in definition.playbook.triggers):
            found.append(_Triggers(each.pk, getattr(each, TEAM[0]), definition.slug, conditions))
    return sorted(found, key=lambda each: each.slug)


def _fired(alert: Alert, triggers: Sequence[_Triggers], now: datetime) -> list[UUID]:
    """The versions that the alert triggers. Writes on the alert what was considered, and why not.

    What a team's source posts is not for the playbooks of another.
    """
    team = key(Team, alert.source.team_id)
    scope = {"alert": alert_scope(alert), "now": moment(now)}
    fired: list[UUID] = []
    for each in triggers:
        if None not in (team, each.team) and team != each.team:
            continue
        condition, errors = _first_that_holds(each.conditions, scope)
        if condition is not None:
            fired.append(each.version)
            reason = condition
        elif errors:
            reason = "A trigger could not be evaluated: " + " · ".join(errors)
        else:
            reason = "No trigger applies: " + " · ".join(each.conditions)
        alert.considered.append({"playbook": each.slug, "run": None, "reason": reason})
    return fired


def _start(
    alert: Alert, fired: Sequence[UUID], actor: Actor, posted_by: Principal | None, now: datetime
) -> list[Run]:
    """Starts what the alert triggers, and says on the alert which runs those are, or why there is none."""
    runs = []
    versions = PlaybookVersion.objects.select_related("playbook").in_bulk(fired) if fired else {}
    for version in (versions[each] for each in fired):
        told = next(each for each in alert.considered if each["playbook"] == version.playbook.slug)
        try:
            run = _begin(version, alert, actor, posted_by, now)
        except Invalid as error:
            told["reason"] = f"The inputs could not be filled from the alert: {error}"
            continue
        told["run"] = str(run.pk)
        runs.append(run)
    if fired:
        Alert.objects.filter(pk=alert.pk).update(considered=alert.considered)
    return runs


def _begin(
    version: PlaybookVersion, alert: Alert, actor: Actor, posted_by: Principal | None, now: datetime
) -> Run:
    return begin(
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
