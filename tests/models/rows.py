"""One valid row of every table that has constraints, made without any operation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.utils import timezone

from playbooks.access.grants import GRANTS
from playbooks.models import (
    Alert,
    Alternative,
    ApprovalRequest,
    Attempt,
    BreakGlass,
    Case,
    CaseSubject,
    Connection,
    Consumption,
    Delegation,
    Expiry,
    FirstAdministratorLink,
    Hold,
    IdempotencyKey,
    Membership,
    NeverTouch,
    Notice,
    NoticeChannel,
    NoticeRules,
    PermitUse,
    Playbook,
    PlaybookVersion,
    Policy,
    PolicyVersion,
    Principal,
    ProfileChange,
    Question,
    Rota,
    Run,
    Seat,
    Shift,
    Source,
    Step,
    StepUp,
    Team,
    TeamMembership,
    Token,
    Turn,
)
from playbooks.models.audit import AuditEntry, AuditStream
from playbooks.models.break_glass import BreakGlassReview
from playbooks.models.decisions import Decision

Rows = Mapping[type[Model], Model]


def make_rows() -> Rows:
    """A person's role and token, a run that an alert triggered, its gate with a decided request and all that a step
    can wait for, a hold, one entry.
    """
    people = _people()
    source, case, alert = _incident()
    version = _version(*people)
    step, attempt = _step(version, case, alert)
    made = [
        *_membership_and_token(people[0]),
        *(people[0], source, case, alert, version.playbook, version, step.run, step, attempt),
        *_request(step, people[0]),
        _delegation(*people),
        _shift(people[0]),
        *_broken(step.requests.get(), *people),
        *_waiting(step),
        *_held(version.playbook, people[0]),
        *_told(people[0]),
        _profile(*people),
        *_governed(step, *people),
        *_teams(case, people[0]),
        *_entry(),
        FirstAdministratorLink.objects.create(digest="7" * 64, expires_at=timezone.now()),
        IdempotencyKey.objects.create(
            caller="ann", key="once", fingerprint="0" * 64, answer={}, created_at=timezone.now()
        ),
    ]
    rows = {type(row): row for row in made}
    return {**rows, **{type(row): row for row in _grants(rows, people[0])}}


def _people() -> tuple[Principal, Principal]:
    return (
        Principal.objects.create(username="ann", name="Ann"),
        Principal.objects.create(username="ben", name="Ben"),
    )


def _membership_and_token(person: Principal) -> tuple[Membership, Token]:
    now, role = timezone.now(), Group.objects.create(name="night-watch")
    return (
        Membership.objects.create(principal=person, group=role, granted_at=now),
        Token.objects.create(digest="1" * 64, prefix="csn_", principal=person, created_at=now),
    )


def _teams(case: Case, person: Principal) -> tuple[Team, TeamMembership, CaseSubject]:
    now = timezone.now()
    team = Team.objects.create(slug="night", name="Night", created_at=now)
    return (
        team,
        TeamMembership.objects.create(team=team, principal=person, granted_at=now),
        CaseSubject.objects.create(case=case, principal=person, granted_at=now),
    )


def _grants(rows: Rows, person: Principal) -> list[Model]:
    role, made = Group.objects.get(name="night-watch"), []
    for kind, tables in GRANTS.items():
        permission = Permission.objects.filter(
            content_type__app_label="playbooks", content_type__model=kind._meta.model_name
        )[0]
        made += [
            tables.to_person.objects.create(user=person, permission=permission, content_object=rows[kind]),
            tables.to_role.objects.create(group=role, permission=permission, content_object=rows[kind]),
        ]
    return made


def _incident() -> tuple[Source, Case, Alert]:
    now = timezone.now()
    source = Source.objects.create(slug="sensor", kind="normal", created_at=now)
    case = Case.objects.create(title="An incident", severity=80, opened_at=now)
    alert = Alert.objects.create(
        source=source,
        identity="id:1",
        case=case,
        title="An alert",
        severity=80,
        detected_at=now,
        received_at=now,
        last_seen_at=now,
    )
    return source, case, alert


def _version(author: Principal, publisher: Principal) -> PlaybookVersion:
    now = timezone.now()
    return PlaybookVersion.objects.create(
        playbook=Playbook.objects.create(slug="block", title="Block", created_at=now),
        number=1,
        status="published",
        source="",
        document={},
        digest="2" * 64,
        author=author,
        publisher=publisher,
        created_at=now,
    )


def _step(version: PlaybookVersion, case: Case, alert: Alert) -> tuple[Step, Attempt]:
    now = timezone.now()
    run = Run.objects.create(version=version, case=case, alert=alert, trigger="alert", created_at=now)
    step = Step.objects.create(run=run, key="gate", position=0, kind="approve", changed_at=now)
    Step.objects.create(run=run, key="other_gate", position=1, kind="approve", changed_at=now)
    attempt = Attempt.objects.create(
        step=step,
        number=1,
        worker="a worker",
        idempotency_key="3" * 32,
        parameters_digest="4" * 64,
        started_at=now,
        lease_until=now + timedelta(minutes=1),
    )
    return step, attempt


def _request(
    gate: Step, person: Principal
) -> tuple[ApprovalRequest, Alternative, Seat, Consumption, Decision]:
    now = timezone.now()
    request = ApprovalRequest.objects.create(
        run=gate.run,
        step=gate,
        question="May it?",
        subject="{}",
        digest="5" * 64,
        late="deny",
        within_seconds=60,
        opened_at=now,
    )
    return (
        request,
        Alternative.objects.create(request=request, role="night-watch"),
        Seat.objects.create(request=request, position=0, role="night-watch", filled_by=person),
        Consumption.objects.create(request=request, step=gate, consumed_at=now),
        Decision.objects.create(
            request=request,
            person=person,
            person_name=person.name,
            verdict="approve",
            digest=request.digest,
            decided_at=now,
            facts={},
        ),
    )


def _broken(
    request: ApprovalRequest, person: Principal, reviewer: Principal
) -> tuple[StepUp, BreakGlass, BreakGlassReview]:
    now = timezone.now()
    proof = StepUp.objects.create(
        person=person,
        session="a session",
        purpose="break_glass",
        nonce="8" * 64,
        digest=request.digest,
        issued_at=now,
        expires_at=now,
        method="passkey",
        proven_at=now,
        used_at=now,
    )
    glass = BreakGlass.objects.create(
        request=request,
        person=person,
        person_name=person.name,
        reason="It spreads.",
        digest=request.digest,
        broken_at=now,
        until=now + timedelta(minutes=30),
        facts={},
    )
    review = BreakGlassReview.objects.create(
        break_glass=glass,
        reviewer=reviewer,
        reviewer_name=reviewer.name,
        finding="justified",
        comment="It did spread.",
        reviewed_at=now,
        facts={},
    )
    return proof, glass, review


def _delegation(person: Principal, substitute: Principal) -> Delegation:
    now = timezone.now()
    return Delegation.objects.create(
        person=person,
        substitute=substitute,
        reason="Away.",
        named_at=now,
        begins_at=now,
        ends_at=now + timedelta(days=1),
    )


def _shift(person: Principal) -> Shift:
    now = timezone.now()
    rota = Rota.objects.create(slug="network", title="Network")
    return Shift.objects.create(
        rota=rota,
        person=person,
        begins_at=now,
        ends_at=now + timedelta(days=1),
        published_at=now,
        published_by=person,
    )


def _waiting(step: Step) -> tuple[Turn, Question, Expiry]:
    now = timezone.now()
    question = Question(run=step.run, step=step, text="Which hosts?", fields={}, role="night-watch")
    question.opened_at = now
    question.save(force_insert=True)
    return (
        Turn.objects.create(step=step, index=0),
        question,
        Expiry.objects.create(step=step, target="6" * 64, due_at=now, created_at=now),
    )


def _held(playbook: Playbook, person: Principal) -> tuple[Connection, Hold]:
    """The hold of a playbook is over; what is in force stands in the cases."""
    now = timezone.now()
    return (
        Connection.objects.create(name="far", connector="http", created_at=now, changed_at=now),
        Hold.objects.create(
            scope="playbook",
            playbook=playbook,
            reason="It acts up.",
            placed_by=person,
            placed_at=now,
            released_by=person,
            released_at=now,
        ),
    )


def _profile(proposed_by: Principal, confirmed_by: Principal) -> ProfileChange:
    row = ProfileChange(profile="pair", reason="There are two of us.", proposed_at=timezone.now())
    row.proposed_by, row.confirmed_by, row.takes_effect_at = proposed_by, confirmed_by, row.proposed_at
    row.save(force_insert=True)
    return row


def _told(person: Principal) -> tuple[NoticeRules, NoticeChannel, Notice]:
    now = timezone.now()
    channel = NoticeChannel(person=person, medium="apprise", name="Phone", service="Pushover")
    channel.added_by, channel.added_at = person, now
    channel.save(force_insert=True)
    notice = Notice(person=person, channel=channel, medium="apprise", key="once", kind="run_ended")
    notice.created_at = notice.due_at = now
    notice.save(force_insert=True)
    return NoticeRules.objects.create(person=person), channel, notice


def _governed(
    step: Step, author: Principal, publisher: Principal
) -> tuple[PolicyVersion, PermitUse, NeverTouch]:
    """A policy in force, and a target that is on the list no more."""
    now = timezone.now()
    version = PolicyVersion.objects.create(
        policy=Policy.objects.create(slug="edge", title="The edge", created_at=now),
        number=1,
        status="published",
        source="",
        document={},
        digest="7" * 64,
        author=author,
        publisher=publisher,
        created_at=now,
    )
    return (
        version,
        PermitUse.objects.create(version=version, step=step, target="far", used_at=now),
        NeverTouch.objects.create(
            kind="host",
            value="dc1",
            reason="A domain controller.",
            added_by=author,
            added_at=now,
            removed_by=publisher,
            removed_at=now,
        ),
    )


def _entry() -> tuple[AuditStream, AuditEntry]:
    stream = AuditStream.objects.create(kind="run", key="1")
    entry = AuditEntry.objects.create(
        stream=stream,
        stream_seq=1,
        occurred_at=timezone.now(),
        actor_id="ann",
        actor_label="Ann",
        verb="run.started",
        subject_kind="run",
        subject_id="1",
        subject_label="A run",
        outcome="done",
        leaf=b"leaf",
    )
    return stream, entry
