"""Databases for tests that need real transactions.

Django's own way, to flush all tables afterwards, meets the triggers of the append-only tables and is
refused. So such a test uses the fixture `fresh_database` (make it known with `from tests.databases import
fresh_database` in a conftest) in place of `transactional_db`: it takes the triggers down as the owner of
the test database, empties every table, and builds them again.

A test whose `now` is far from the clock's uses `any_time`, which takes down the trigger that compares the
two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models.signals import post_migrate
from django.test.utils import setup_databases, teardown_databases
from pytest_django.plugin import DjangoDbBlocker

from playbooks.audit import walls
from playbooks.management import default_policies


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_use_migrations: bool,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """In place of pytest-django's, which makes no test database when it sees no test that uses `db`, so that a test
    with a fixture of ours, run alone, would empty the database of the installation.
    """
    if not django_db_use_migrations:
        settings.MIGRATION_MODULES = {config.label: None for config in apps.get_app_configs()}
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases=[DEFAULT_DB_ALIAS])
    yield
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


@pytest.fixture
def fresh_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database with real transactions, emptied afterwards; other threads may use it too."""
    with django_db_blocker.unblock():
        yield
        empty()


@pytest.fixture
def any_time(db: None) -> None:
    """Entries may say that they happened at any time, until the test's transaction is rolled back."""
    take_down("clock")


def leave_out_default_policies() -> None:
    """From now on a new or an emptied database has no policies; a product's has those that are shipped."""
    config = apps.get_app_config("playbooks")
    post_migrate.disconnect(sender=config, dispatch_uid=default_policies.ON_NEW_INSTALLATIONS)


def empty() -> None:
    """Removes every row, as `flush` does, and stands the triggers up again."""
    connections.close_all()
    take_down()
    call_command("flush", interactive=False, verbosity=0)
    walls.install(connection)


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction in which the operations may believe that theirs are the outermost."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)


@contextmanager
def walls_down() -> Iterator[None]:
    """What somebody who owns the database can do: takes the triggers down, and stands them up again."""
    take_down()
    yield
    # PostgreSQL alters no table for which deferred constraints are still to be checked.
    connection.check_constraints()
    walls.install(connection)


def take_down(suffix: str = "") -> None:
    """Drops the triggers whose name ends with `suffix`; all without one."""
    with connection.cursor() as cursor:
        for trigger in walls.expected(connection.vendor).values():
            if trigger.name.endswith(suffix):
                on = f" ON {trigger.table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {trigger.name}{on}")
