"""Whether the installation is live and ready, and what is missing when it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from playbooks.audit import reading
from playbooks.models import Heartbeat

SWEEP_AGE = timedelta(seconds=30)
CHECKPOINT_AGE = timedelta(minutes=11)  # two heartbeats of the sequencer, and some patience
WAITING_AGE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Check:
    """`detail` says what is wrong and what to do, or how it is."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Health:
    ok: bool
    checks: tuple[Check, ...]


def health() -> Health:
    """Every check in order. Behind a database that cannot be used the others cannot be made."""
    checks = [_database()]
    if checks[0].ok:
        checks.append(_migrations())
    if all(each.ok for each in checks):
        now = timezone.now()
        checks += [check(now) for check in _CHECKS if check is not _demo or settings.DEMO]
    return Health(all(each.ok for each in checks), tuple(checks))


def _database() -> Check:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return Check("database", False, f"The database cannot be used ({type(error).__name__}).")
    return Check("database", True, f"{connection.display_name} answers.")


def _migrations() -> Check:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        return Check("migrations", False, f"{missing} migrations are missing. Run manage.py migrate.")
    return Check("migrations", True, "The database has the form that this release needs.")


def _worker(now: datetime) -> Check:
    return _since(
        "worker", Heartbeat.objects.filter(part="sweep").values_list("beat_at", flat=True).first(), now
    )


def _since(name: str, at: datetime | None, now: datetime) -> Check:
    if at is None:
        return Check(name, False, "No worker has swept yet. Start one, or wait a moment.")
    age = int((now - at).total_seconds())
    if now - at > SWEEP_AGE:
        return Check(name, False, f"The last sweep was {age} seconds ago. Is the worker running?")
    return Check(name, True, f"The last sweep was {age} seconds ago.")


def _checkpoint(now: datetime) -> Check:
    newest, waiting_since = reading.latest_checkpoint(), reading.waiting_since()
    if newest is None or now - newest.signed_at > CHECKPOINT_AGE:
        return Check("checkpoint", False, "No checkpoint was signed lately. Is manage.py sequence running?")
    if waiting_since is not None and now - waiting_since > WAITING_AGE:
        return Check(
            "checkpoint", False, f"An audit entry waits for its checkpoint since {waiting_since:%H:%M:%S}."
        )
    return Check("checkpoint", True, f"Audit entries are signed up to {newest.signed_at:%H:%M:%S} UTC.")


def _demo(_now: datetime) -> Check:
    ready = Heartbeat.objects.filter(part="demo").exists()
    return Check("demo", ready, "The demo is loaded." if ready else "The demo is being loaded.")


_CHECKS: tuple[Callable[[datetime], Check], ...] = (_worker, _checkpoint, _demo)
