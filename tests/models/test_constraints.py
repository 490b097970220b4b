"""Every constraint of the tables holds in the database itself, whatever the code above it does."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import BaseConstraint, CheckConstraint, Model, UniqueConstraint

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
    PlaybookVersion,
    PolicyVersion,
    Principal,
    ProfileChange,
    Question,
    Run,
    Seat,
    Shift,
    Source,
    Step,
    StepUp,
    TeamMembership,
    Token,
    Turn,
)
from playbooks.models.audit import AuditEntry, AuditStream
from playbooks.models.break_glass import BreakGlassReview
from playbooks.models.decisions import Decision
from tests.databases import take_down
from tests.models.rows import Rows, make_rows

ANN, BEN = "ann", "ben"  # people stand in the cases by their user names
OTHER = "other_gate"  # a step that nothing is about yet
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
IN_FORCE = {"released_by": None, "released_at": None}
EVERYTHING = {"scope": "everything", "playbook": None}
SHARED = {"person": None, "role": "night-watch"}
OF_CONNECTION = {"scope": "connection", "playbook": None, "connection": Connection}


@dataclass(frozen=True)
class Again:
    """The valid row of `model` once more, as another row, with `columns` changed.

    A column's value that is a model stands for the valid row of that model. `twice` makes two such rows.
    """

    model: type[Model]
    columns: Mapping[str, Any] = field(default_factory=dict)
    twice: bool = False

    def insert(self, rows: Rows) -> None:
        for _ in range(2 if self.twice else 1):
            self._insert(rows)

    def _insert(self, rows: Rows) -> None:
        row = copy(rows[self.model])
        row.pk = row._meta.pk.get_default()
        row._state.adding = True
        for name, value in self.columns.items():
            setattr(row, name, _meant(value, rows))
        row.save(force_insert=True)


@dataclass(frozen=True)
class Itself(Again):
    """The row, changed to say of itself that it is the same person as itself."""

    def insert(self, rows: Rows) -> None:
        Principal.objects.filter(pk=rows[Principal].pk).update(same_person_as=rows[Principal].pk)


def _meant(value: Any, rows: Rows) -> Any:
    if value in (ANN, BEN):
        return Principal.objects.get(username=value)
    if value == OTHER:
        return Step.objects.get(key=OTHER)
    return rows[value] if isinstance(value, type) else value


GRANT_TABLES = [each for tables in GRANTS.values() for each in (tables.to_person, tables.to_role)]
ENDED = {"ended_at": datetime(2026, 11, 28, tzinfo=UTC)}

# What violates each constraint, and nothing else.
VIOLATIONS: list[tuple[str, Again]] = [
    ("a_resend_makes_no_second_alert", Again(Alert)),
    ("the_severity_of_an_alert_is_at_most_100", Again(Alert, {"identity": "id:2", "severity": 101})),
    ("the_status_of_an_alert_is_known", Again(Alert, {"identity": "id:2", "status": "gone"})),
    ("the_status_of_a_case_is_known", Again(Case, {"status": "gone"})),
    ("a_gate_has_one_request_in_force", Again(ApprovalRequest)),
    ("a_gate_has_one_request_in_force", Again(ApprovalRequest, {"status": "granted"})),
    ("a_gate_has_one_request_in_force", Again(ApprovalRequest, {"status": "consumed"})),
    ("the_status_of_a_request_is_known", Again(ApprovalRequest, {"status": "gone"})),
    (
        "a_late_request_is_denied_escalated_or_held",
        Again(ApprovalRequest, {"status": "denied", "late": "approve"}),
    ),
    ("a_seat_has_its_own_place", Again(Seat, {"filled_by": BEN})),
    ("a_person_fills_one_seat_of_a_request", Again(Seat, {"position": 1})),
    ("a_step_consumes_a_request_once", Again(Consumption)),
    ("a_request_goes_on_to_a_role_once", Again(Alternative)),
    ("a_shift_ends_after_it_begins", Again(Shift, {"ends_at": LONG_AGO})),
    ("a_withdrawn_shift_says_by_whom", Again(Shift, {"withdrawn_by": BEN})),
    ("a_person_decides_a_request_once", Again(Decision)),
    ("a_denial_has_its_reason", Again(Decision, {"person": BEN, "verdict": "deny"})),
    (
        "a_verdict_approves_or_denies",
        Again(Decision, {"person": BEN, "verdict": "abstain", "comment": "Unsure."}),
    ),
    ("the_purpose_of_a_step_up_is_known", Again(StepUp, {"purpose": "fun"})),
    ("a_proof_has_its_method_and_its_moment", Again(StepUp, {"method": "charm"})),
    ("a_proof_has_its_method_and_its_moment", Again(StepUp, {"proven_at": None, "used_at": None})),
    ("only_a_proof_is_used", Again(StepUp, {"method": "", "proven_at": None})),
    ("nobody_stands_by_for_themselves", Again(BreakGlass, {"second": ANN})),
    ("a_break_glass_has_its_reason", Again(BreakGlass, {"reason": ""})),
    ("a_break_glass_ends_after_it_began", Again(BreakGlass, {"until": LONG_AGO})),
    ("only_a_receipt_that_is_owed_is_settled", Again(BreakGlass, {"settled_at": LONG_AGO})),
    ("a_review_finds_it_justified_or_not", Again(BreakGlassReview, {"finding": "perhaps"})),
    ("a_review_says_what_was_found", Again(BreakGlassReview, {"comment": ""})),
    ("nobody_stands_in_for_themselves", Again(Delegation, {"substitute": ANN})),
    ("a_delegation_ends_after_it_begins", Again(Delegation, {"ends_at": LONG_AGO})),
    ("a_stream_is_kept_once", Again(AuditStream)),
    ("an_entry_has_its_own_place_in_its_stream", Again(AuditEntry)),
    ("the_entries_of_a_stream_count_from_one", Again(AuditEntry, {"stream_seq": 0})),
    ("a_principal_is_a_person_or_a_service", Again(Principal, {"username": "cat", "kind": "cat"})),
    (
        "a_service_account_has_an_owner_and_a_person_has_none",
        Again(Principal, {"username": "robot", "kind": "service"}),
    ),
    (
        "a_service_account_has_an_owner_and_a_person_has_none",
        Again(Principal, {"username": "ann2", "owner": BEN}),
    ),
    (
        "only_a_person_has_further_accounts",
        Again(Principal, {"username": "robot", "kind": "service", "owner": ANN, "same_person_as": BEN}),
    ),
    ("an_account_is_no_further_account_of_itself", Itself(Principal)),
    ("there_is_one_link_for_a_first_administrator", Again(FirstAdministratorLink, {"id": 2})),
    ("a_principal_holds_a_role_once", Again(Membership)),
    (
        "a_token_belongs_to_a_principal_or_to_a_source",
        Again(Token, {"digest": "nobody's", "principal": None}),
    ),
    (
        "a_token_belongs_to_a_principal_or_to_a_source",
        Again(Token, {"digest": "of both", "source": Source}),
    ),
    ("a_version_number_is_given_once", Again(PlaybookVersion, {"status": "draft"})),
    ("a_playbook_has_one_published_version", Again(PlaybookVersion, {"number": 2})),
    (
        "the_publisher_of_a_version_is_not_its_author",
        Again(PlaybookVersion, {"number": 2, "status": "retired", "publisher": ANN}),
    ),
    ("a_number_of_a_policy_version_is_given_once", Again(PolicyVersion, {"status": "draft"})),
    ("a_policy_has_one_version_in_force", Again(PolicyVersion, {"number": 2})),
    (
        "nobody_agrees_to_their_own_policy",
        Again(PolicyVersion, {"number": 2, "status": "retired", "publisher": ANN}),
    ),
    (
        "nobody_agrees_to_their_own_policy",
        Again(PolicyVersion, {"number": 2, "status": "retired", "seconder": ANN}),
    ),
    (
        "a_permit_is_agreed_to_by_two",
        Again(PolicyVersion, {"number": 2, "status": "retired", "seconder": BEN}),
    ),
    ("the_status_of_a_policy_version_is_known", Again(PolicyVersion, {"number": 2, "status": "gone"})),
    ("a_step_uses_a_permit_once", Again(PermitUse)),
    ("the_kind_of_a_target_is_known", Again(NeverTouch, {"kind": "planet"})),
    ("a_target_is_on_the_list_once", Again(NeverTouch, {"removed_by": None, "removed_at": None}, twice=True)),
    ("who_takes_a_target_off_the_list_says_so", Again(NeverTouch, {"removed_by": None})),
    ("the_status_of_a_version_is_known", Again(PlaybookVersion, {"number": 2, "status": "gone"})),
    ("an_alert_triggers_a_version_once", Again(Run)),
    ("the_status_of_a_run_is_known", Again(Run, {"alert": None, "status": "gone"})),
    ("the_trigger_of_a_run_is_known", Again(Run, {"trigger": "whim"})),
    ("a_step_is_in_a_round_once", Again(Step)),
    ("a_waiting_step_says_for_what", Again(Step, {"key": "other", "status": "waiting"})),
    ("a_waiting_step_says_for_what", Again(Step, {"key": "other", "wait_reason": "time"})),
    ("the_status_of_a_step_is_known", Again(Step, {"key": "other", "status": "gone"})),
    ("an_attempt_number_is_given_once", Again(Attempt, {"status": "lost"})),
    ("a_step_has_one_running_attempt", Again(Attempt, {"number": 2})),
    ("the_status_of_an_attempt_is_known", Again(Attempt, {"number": 2, "status": "gone"})),
    ("an_idempotency_key_is_answered_once", Again(IdempotencyKey)),
    ("a_turn_is_taken_once", Again(Turn)),
    ("the_status_of_a_turn_is_known", Again(Turn, {"index": 1, "status": "gone"})),
    ("the_status_of_a_question_is_known", Again(Question, {"step": OTHER, "status": "gone"})),
    ("the_status_of_an_expiry_is_known", Again(Expiry, {"step": OTHER, "status": "gone"})),
    ("a_hold_names_what_it_holds", Again(Hold, {"scope": "weather"})),
    ("a_hold_names_what_it_holds", Again(Hold, {"playbook": None})),
    ("a_hold_names_what_it_holds", Again(Hold, {"scope": "everything"})),
    ("a_hold_names_what_it_holds", Again(Hold, {"connection": Connection})),
    ("everything_is_held_once", Again(Hold, {**EVERYTHING, **IN_FORCE}, twice=True)),
    ("a_playbook_is_held_once", Again(Hold, IN_FORCE, twice=True)),
    ("a_connection_is_held_once", Again(Hold, {**OF_CONNECTION, **IN_FORCE}, twice=True)),
    (
        "quiet_hours_have_a_beginning_and_an_end",
        Again(NoticeRules, {"person": BEN, "quiet_from": time(22)}),
    ),
    (
        "quiet_hours_have_a_beginning_and_an_end",
        Again(NoticeRules, {"person": BEN, "quiet_until": time(7)}),
    ),
    ("the_medium_of_a_channel_is_known", Again(NoticeChannel, {**SHARED, "medium": "drums"})),
    ("a_channel_is_a_persons_service_or_shared_by_a_role", Again(NoticeChannel, {"role": "night-watch"})),
    ("a_channel_is_a_persons_service_or_shared_by_a_role", Again(NoticeChannel, {"person": None})),
    (
        "a_channel_is_a_persons_service_or_shared_by_a_role",
        Again(NoticeChannel, {"medium": "email", "mailbox": "ann@example.org"}),
    ),
    ("a_channel_for_mail_has_a_mailbox", Again(NoticeChannel, {**SHARED, "medium": "email"})),
    ("a_channel_for_mail_has_a_mailbox", Again(NoticeChannel, {"mailbox": "ann@example.org"})),
    (
        "a_request_is_decided_under_a_known_profile",
        Again(ApprovalRequest, {"status": "denied", "profile": "x"}),
    ),
    ("a_profile_is_team_pair_or_solo", Again(ProfileChange, {"profile": "trio", "confirmed_by": None})),
    ("who_confirms_a_profile_did_not_propose_it", Again(ProfileChange, {"confirmed_by": ANN})),
    (
        "one_profile_waits_for_confirmation",
        Again(ProfileChange, {"confirmed_by": None, "takes_effect_at": None}, twice=True),
    ),
    ("nobody_is_told_the_same_twice", Again(Notice)),
    ("the_status_of_a_notice_is_known", Again(Notice, {"key": "2", "status": "gone"})),
    ("the_kind_of_a_notice_is_known", Again(Notice, {"key": "2", "kind": "weather"})),
    ("a_notice_goes_to_somebody", Again(Notice, {"key": "2", "person": None, "channel": None})),
    ("somebody_is_in_a_team_once", Again(TeamMembership)),
    ("a_case_is_about_somebody_once", Again(CaseSubject)),
    *((f"a_{each._meta.model_name}_is_given_once", Again(each)) for each in GRANT_TABLES),
]

# What comes close and is right: no constraint forbids more than its name says.
ALLOWED = [
    Again(Alert, {"identity": "id:2", "severity": 100}),
    *(Again(ApprovalRequest, {"status": each}) for each in ("denied", "expired", "voided", "withdrawn")),
    Again(Seat, {"position": 1, "filled_by": None}),
    Again(Decision, {"person": BEN, "verdict": "deny", "comment": "Not at noon."}),
    Again(StepUp, {"nonce": "9" * 64, "method": "", "proven_at": None, "used_at": None}),
    Again(Delegation),
    Again(Alternative, {"role": "day-watch"}),
    Again(Shift, {"withdrawn_by": BEN, "withdrawn_at": LONG_AGO}),
    Again(AuditEntry, {"stream_seq": 2}),
    Again(PolicyVersion, {"number": 2, "status": "in_review", "publisher": None}),
    Again(PolicyVersion, {"number": 2, "status": "retired", "author": None, "publisher": None}),
    Again(PermitUse, {"step": OTHER}),
    Again(NeverTouch, {"removed_by": None, "removed_at": None}),
    Again(PlaybookVersion, {"number": 2, "status": "in_review", "publisher": None}),
    Again(PlaybookVersion, {"number": 2, "status": "retired", "author": None}),
    Again(PlaybookVersion, {"number": 2, "status": "retired", "author": None, "publisher": None}),
    Again(Principal, {"username": "robot", "kind": "service", "owner": BEN}),
    Again(Principal, {"username": "ann2", "same_person_as": BEN}),
    Again(Token, {"digest": "a source's", "principal": None, "source": Source}),
    Again(Run, {"trigger": "person"}),
    Again(Run, {"alert": None}),
    Again(Step, {"round": 1}),
    Again(Step, {"key": "other", "status": "waiting", "wait_reason": "time"}),
    Again(Attempt, {"number": 2, "status": "lost"}),
    Again(Turn, {"index": 1, "status": "cancelled"}),
    Again(Question, {"step": OTHER, "status": "withdrawn"}),
    Again(Expiry, {"step": OTHER, "status": "released"}),
    Again(Hold),
    Again(Hold, EVERYTHING, twice=True),
    Again(Hold, OF_CONNECTION, twice=True),
    Again(NoticeRules, {"person": BEN, "quiet_from": time(22), "quiet_until": time(7)}),
    Again(ProfileChange, {"confirmed_by": None, "takes_effect_at": None}),
    Again(NoticeChannel, SHARED),
    Again(NoticeChannel, {**SHARED, "medium": "email", "mailbox": "soc@example.org"}),
    Again(Notice, {"key": "2", "person": None}),
    Again(Notice, {"key": "2", "channel": None}),
    *(Again(Hold, {**scope, **IN_FORCE}) for scope in ({}, EVERYTHING, OF_CONNECTION)),
    *(Again(each, ENDED, twice=True) for each in (Membership, TeamMembership, CaseSubject, *GRANT_TABLES)),
]


def constraints() -> dict[str, tuple[type[Model], BaseConstraint]]:
    models = apps.get_app_config("playbooks").get_models()
    return {each.name: (model, each) for model in models for each in model._meta.constraints}


CONSTRAINTS = constraints()


def words(name: str) -> str:
    """How the database names a constraint: SQLite says of a unique one only which columns it has."""
    model, constraint = CONSTRAINTS[name]
    if connection.vendor == "postgresql":
        kind = "check" if isinstance(constraint, CheckConstraint) else "unique"
        return f'violates {kind} constraint "{name}"'
    if isinstance(constraint, UniqueConstraint):
        columns = {each.name: f"{model._meta.db_table}.{each.column}" for each in model._meta.concrete_fields}
        return f"UNIQUE constraint failed: {', '.join(columns[each] for each in constraint.fields)}"
    return f"CHECK constraint failed: {name}"


@pytest.fixture
def rows(db: None) -> Rows:
    # On SQLite this wall refuses a second row of the append-only tables before their constraints are asked.
    take_down("_replace")
    return make_rows()


@pytest.mark.parametrize(("name", "again"), VIOLATIONS, ids=[name for name, _ in VIOLATIONS])
def test_the_database_refuses_what_a_constraint_forbids_and_names_it(
    name: str, again: Again, rows: Rows
) -> None:
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        again.insert(rows)
    assert str(refused.value).splitlines()[0].endswith(words(name))


@pytest.mark.parametrize("again", ALLOWED, ids=lambda again: again.model.__name__)
def test_no_constraint_forbids_more_than_it_says(again: Again, rows: Rows) -> None:
    again.insert(rows)
    assert again.model._base_manager.count() >= 2


def test_every_constraint_has_its_violation() -> None:
    assert {name for name, _ in VIOLATIONS} == set(CONSTRAINTS)
    for name, again in VIOLATIONS:
        assert CONSTRAINTS[name][0] is again.model, f"{name} is a constraint of another table"
