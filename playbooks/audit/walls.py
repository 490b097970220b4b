"""The triggers that make tables append-only, on PostgreSQL and on SQLite.

They are hand-written SQL, installed by a migration and after every migration again, since Django's table
rebuild on SQLite drops triggers silently. Each is kept in the text in which the database gives it back, so
that the system check (audit/checks.py) can compare. There is no switch to turn them off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_migrate
from django.dispatch import receiver

ENTRY, STREAM, PENDING = "playbooks_auditentry", "playbooks_auditstream", "playbooks_auditpending"

# Table -> what makes a row unique, beside constraints: SQLite's INSERT OR REPLACE passes delete triggers.
APPEND_ONLY: Mapping[str, tuple[tuple[str, ...], ...]] = {
    ENTRY: (("id",), ("stream_id", "stream_seq")),
    "playbooks_auditbody": (("entry_id",),),
    "playbooks_auditleaf": (("index",), ("entry_id",)),
    "playbooks_auditcheckpoint": (("id",),),
    "playbooks_decision": (("id",), ("request_id", "person_id")),
    "playbooks_breakglassreview": (("id",), ("break_glass_id",)),
    "playbooks_withdrawal": (("id",), ("decision_id",)),
}


@dataclass(frozen=True, slots=True)
class Trigger:
    """`function` is the body of the PL/pgSQL function of the trigger's own, and empty on SQLite."""

    table: str
    name: str
    sql: str
    function: str = ""


def expected(vendor: str) -> dict[str, Trigger]:
    """Every trigger by name. `vendor` is Django's name of the database."""
    triggers = _postgresql() if vendor == "postgresql" else _sqlite()
    return {trigger.name: trigger for trigger in triggers}


def defects(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """The triggers that are missing, disabled, or say something else than they should."""
    present = _present_on_postgresql if connection.vendor == "postgresql" else _present_on_sqlite
    found = present(connection)
    return [
        each
        for each in expected(connection.vendor).values()
        if found.get(each.name) != (each.sql, each.function)
    ]


def install(connection: BaseDatabaseWrapper) -> None:
    """Puts every trigger right, of the tables that are there: a migration may come before the last of them. Those
    that are right are not touched.
    """
    tables = set(connection.introspection.table_names())
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for trigger in (each for each in defects(connection) if each.table in tables):
            for statement in _statements(trigger, connection.vendor):
                cursor.execute(statement)


@receiver(post_migrate, dispatch_uid="playbooks.audit.walls")
def install_after_migrate(sender: AppConfig, using: str, **_kwargs: Any) -> None:
    """Only where all the tables are there: migrating back to zero needs no walls."""
    connection = connections[using]
    tables = {*APPEND_ONLY, STREAM, PENDING}
    if sender.name == "playbooks" and tables <= set(connection.introspection.table_names()):
        install(connection)


_FUNCTION = "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $wall${body}$wall$"


def _statements(trigger: Trigger, vendor: str) -> list[str]:
    if vendor != "postgresql":
        return [f"DROP TRIGGER IF EXISTS {trigger.name}", trigger.sql]
    return [
        _FUNCTION.format(name=trigger.name, body=trigger.function),
        f"DROP TRIGGER IF EXISTS {trigger.name} ON {trigger.table}",
        trigger.sql,
        f"ALTER TABLE {trigger.table} ENABLE ALWAYS TRIGGER {trigger.name}",
    ]


def _postgresql() -> Iterator[Trigger]:
    for table in APPEND_ONLY:
        yield _on_postgresql(
            table,
            "append_only",
            "BEFORE DELETE OR UPDATE OR TRUNCATE",
            "STATEMENT",
            f"BEGIN RAISE EXCEPTION '{table} is append-only: % is refused.', TG_OP"
            " USING ERRCODE = '23001'; END",
        )
    yield _on_postgresql(
        ENTRY, "stamp", "BEFORE INSERT", "ROW", "BEGIN NEW.recorded_at := clock_timestamp(); RETURN NEW; END"
    )
    yield _on_postgresql(
        ENTRY,
        "clock",
        "BEFORE INSERT",
        "ROW",
        "BEGIN IF abs(extract(epoch FROM clock_timestamp() - NEW.occurred_at)) > 60 THEN RAISE EXCEPTION"
        " 'An audit entry cannot say that it happened at %: that is more than 60 seconds from now.',"
        " NEW.occurred_at USING ERRCODE = '23514'; END IF; RETURN NEW; END",
    )
    yield _on_postgresql(
        ENTRY,
        "queue",
        "AFTER INSERT",
        "STATEMENT",
        f"BEGIN INSERT INTO {PENDING} (entry_id) SELECT id FROM added; RETURN NULL; END",  # noqa: S608,
        referencing=" REFERENCING NEW TABLE AS added",
    )
    yield _on_postgresql(
        STREAM,
        "kept",
        "BEFORE DELETE OR TRUNCATE",
        "STATEMENT",
        f"BEGIN RAISE EXCEPTION '{STREAM} only grows: % is refused.', TG_OP USING ERRCODE = '23001'; END",
    )
    yield _on_postgresql(
        STREAM,
        "grows",
        "BEFORE UPDATE",
        "ROW",
        "BEGIN IF (NEW.id, NEW.kind, NEW.key) <> (OLD.id, OLD.kind, OLD.key) OR NEW.last_seq < OLD.last_seq"
        " THEN RAISE EXCEPTION 'A stream keeps its name and only grows.' USING ERRCODE = '23001'; END IF;"
        " RETURN NEW; END",
    )


def _on_postgresql(
    table: str, suffix: str, when: str, each: str, function: str, *, referencing: str = ""
) -> Trigger:
    name = f"{table}_{suffix}"
    sql = f"CREATE TRIGGER {name} {when} ON {table}{referencing} FOR EACH {each} EXECUTE FUNCTION {name}()"
    return Trigger(table, name, sql, function)


def _sqlite() -> Iterator[Trigger]:
    for table, keys in APPEND_ONLY.items():
        for event in ("UPDATE", "DELETE"):
            yield _on_sqlite(
                table, event.lower(), f"BEFORE {event}", f"{table} is append-only: {event} is refused."
            )
        same = " OR ".join(f"({_same(key)})" for key in keys)
        yield _on_sqlite(
            table,
            "replace",
            "BEFORE INSERT",
            f"{table} is append-only: REPLACE is refused.",
            when=f"EXISTS (SELECT 1 FROM {table} WHERE {same})",  # noqa: S608
        )
    yield _on_sqlite(
        ENTRY,
        "clock",
        "BEFORE INSERT",
        "An audit entry cannot say that it happened more than 60 seconds from now.",
        when="coalesce(abs(julianday('now') - julianday(NEW.occurred_at)) * 86400 > 60, 1)",
    )
    queue = f"INSERT INTO {PENDING} (entry_id) VALUES (NEW.id);"  # noqa: S608
    yield Trigger(
        ENTRY, f"{ENTRY}_queue", f"CREATE TRIGGER {ENTRY}_queue AFTER INSERT ON {ENTRY} BEGIN {queue} END"
    )
    yield _on_sqlite(STREAM, "kept", "BEFORE DELETE", f"{STREAM} only grows: DELETE is refused.")
    yield _on_sqlite(
        STREAM,
        "grows",
        "BEFORE UPDATE",
        "A stream keeps its name and only grows.",
        when="(NEW.id, NEW.kind, NEW.key) <> (OLD.id, OLD.kind, OLD.key) OR NEW.last_seq < OLD.last_seq",
    )


def _same(key: tuple[str, ...]) -> str:
    return " AND ".join(f'"{column}" = NEW."{column}"' for column in key)


def _on_sqlite(table: str, suffix: str, event: str, refusal: str, *, when: str = "") -> Trigger:
    name = f"{table}_{suffix}"
    condition = f" WHEN {when}" if when else ""
    sql = f"CREATE TRIGGER {name} {event} ON {table}{condition} BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    return Trigger(table, name, sql)


def _present_on_postgresql(connection: BaseDatabaseWrapper) -> dict[str, tuple[str, str]]:
    # Pretty-printing leaves out the schema of tables on the search path. Only what is always on counts.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.tgname, pg_get_triggerdef(t.oid, true), p.prosrc FROM pg_trigger t"
            " JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal AND t.tgenabled = 'A' AND pg_table_is_visible(c.oid)"
        )
        return {name: (sql, function) for name, sql, function in cursor.fetchall()}


def _present_on_sqlite(connection: BaseDatabaseWrapper) -> dict[str, tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        return {name: (sql, "") for name, sql in cursor.fetchall()}
