"""The walls: what is in an append-only table stays as it is, whoever asks."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from playbooks.audit import checks, walls
from playbooks.audit.sequencer import sequence_once
from playbooks.audit.signing import Signer
from playbooks.models.audit import AuditBody, AuditCheckpoint, AuditEntry, AuditLeaf, AuditStream
from playbooks.models.break_glass import BreakGlassReview
from playbooks.models.decisions import Decision, Withdrawal
from tests.audit.making import entry, write
from tests.databases import take_down

LOG = (AuditEntry, AuditBody, AuditLeaf, AuditCheckpoint)
TABLES = {model._meta.db_table: model for model in (*LOG, Decision, Withdrawal, BreakGlassReview)}


def refuse(sql: str) -> None:
    with pytest.raises(DatabaseError, match=r"refused|grows|60 seconds"), transaction.atomic():
        connection.cursor().execute(sql)


@pytest.fixture
def filled(db: None, signer: Signer) -> None:
    write(entry())
    sequence_once(signer)


def test_the_walls_cover_every_append_only_table() -> None:
    assert set(walls.APPEND_ONLY) == set(TABLES)


@pytest.mark.parametrize("table", [model._meta.db_table for model in LOG])
def test_rows_can_be_neither_updated_nor_deleted(filled: None, table: str) -> None:
    column = TABLES[table]._meta.pk.column
    refuse(f'UPDATE {table} SET "{column}" = "{column}"')
    refuse(f"DELETE FROM {table}")


@pytest.mark.parametrize("table", TABLES)
def test_tables_cannot_be_truncated(db: None, table: str) -> None:
    if connection.vendor == "postgresql":
        refuse(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", [model._meta.db_table for model in LOG])
def test_a_row_cannot_be_replaced(filled: None, table: str) -> None:
    if connection.vendor == "sqlite":
        refuse(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize("model", [Decision, Withdrawal, BreakGlassReview])
def test_what_people_decide_refuses_changes_too(db: None, model: type[Decision]) -> None:
    table, column = model._meta.db_table, model._meta.pk.column
    if connection.vendor == "postgresql":
        refuse(f'UPDATE {table} SET "{column}" = "{column}"')
        refuse(f"DELETE FROM {table}")


@pytest.mark.parametrize("model", TABLES.values())
def test_managers_neither_update_nor_delete(model: type[AuditEntry]) -> None:
    with pytest.raises(TypeError, match="append-only"):
        model.objects.update(leaf=b"")
    with pytest.raises(TypeError, match="append-only"):
        model.objects.all().delete()


def test_a_stream_only_grows_and_keeps_its_name(filled: None) -> None:
    refuse("UPDATE playbooks_auditstream SET last_seq = last_seq - 1")
    refuse("UPDATE playbooks_auditstream SET kind = 'case'")
    refuse("DELETE FROM playbooks_auditstream")


def test_the_clock_of_the_database_is_believed(db: None) -> None:
    row = write(entry())[0]
    row.refresh_from_db()
    assert abs((row.recorded_at - row.occurred_at).total_seconds()) < 5
    people = "actor_id, actor_label, verb, subject_kind, subject_id, subject_label"
    copied = f"stream_id, previous, recorded_at, {people}"
    late = {
        "postgresql": "occurred_at - interval '61 seconds'",
        "sqlite": "datetime(occurred_at, '-61 seconds')",
    }[connection.vendor]
    refuse(
        f"INSERT INTO playbooks_auditentry ({copied}, outcome, leaf, stream_seq, occurred_at)"
        f" SELECT {copied}, outcome, leaf, stream_seq + 1, {late} FROM playbooks_auditentry"
    )


def test_every_entry_is_queued_for_the_tree_by_the_database_itself(db: None) -> None:
    rows = write(entry(), entry())
    assert all(row.pending for row in AuditEntry.objects.filter(pk__in=[row.pk for row in rows]))


def test_the_check_is_silent_as_long_as_the_walls_stand(db: None) -> None:
    assert checks.walls_stand(databases=["default"]) == []


@pytest.mark.parametrize("name", walls.expected(connection.vendor))
def test_the_check_names_a_missing_trigger_and_migrate_restores_it(db: None, name: str) -> None:
    take_down(name)
    assert [message.id for message in checks.walls_stand(databases=["default"])] == ["audit.E001"]
    assert name in checks.walls_stand(databases=["default"])[0].msg
    walls.install(connection)
    assert checks.walls_stand(databases=["default"]) == []


def test_the_check_finds_a_trigger_that_was_emptied_or_disabled(db: None) -> None:
    name = "playbooks_auditentry_append_only"
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE playbooks_auditentry ENABLE TRIGGER {name}")
        assert name in checks.walls_stand(databases=["default"])[0].msg
        walls.install(connection)
        cursor.execute(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
        )
    assert name in checks.walls_stand(databases=["default"])[0].msg


def test_migrating_again_stands_fallen_walls_up(fresh_database: None) -> None:
    take_down()
    call_command("migrate", verbosity=0)
    assert checks.walls_stand(databases=["default"]) == []
    assert AuditStream.objects.count() == 0
