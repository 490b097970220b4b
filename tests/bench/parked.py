"""W5: what a sweep and one more step cost beside very many runs that have ended or wait, and whether memory grows.

The runs are copies, made by the database itself, of one that ended and one that waits at its gate. Their entries in
the log are not copied: nothing that is measured here reads them. The executor runs in this process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from playbooks import executor
from playbooks.models import ApprovalRequest, Attempt, PlaybookVersion, Run, Seat, Step
from playbooks.operations import runs
from tests import cast
from tests.bench.figures import Figure
from tests.bench.gate import STEPS
from tests.bench.scene import Sizes, chain
from tests.cast import Cast

LENGTH = 10
BYTES_OF_ROWS = 4096  # that a parked run may take
MOST_ON_SQLITE = 100_000
WARM = 10  # runs before anything is measured, so that plans and caches are there
TABLES: Sequence[tuple[type[Model], str]] = (
    (Run, "id = %s"),
    (Step, "run_id = %s"),
    (Attempt, "step_id IN (SELECT id FROM playbooks_step WHERE run_id = %s)"),
    (ApprovalRequest, "run_id = %s"),
    (Seat, "request_id IN (SELECT id FROM playbooks_approvalrequest WHERE run_id = %s)"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    statements: int
    cpu: float  # milliseconds
    buffers: float  # pages of the database that were looked at; 0 on SQLite, which does not count them


class Parked:
    """Looks at the small tables when it is made, and at the large ones when it is asked for the figures."""

    def __init__(self, database: str, sizes: Sizes, people: Cast) -> None:
        self.database, self.sizes, self.people = database, sizes, people
        self.waiting = _published(people, "parked", STEPS)
        self.ending = _published(people, "ending", chain("noop.step", LENGTH))
        self.ended = _published(people, "ended", chain("noop.step", 2))
        self.small = self._costs()

    def figures(self) -> Iterator[Figure]:
        yield _memory(self.database, self.sizes.steps, self.ending, self.people)
        ended, parked = _drive(self.ended, self.people), _drive(self.waiting, self.people)
        _copy(ended, self._at_most(self.sizes.rows))
        yield Figure("W5", self.database, "bytes_of_a_parked_run", self._park(parked), BYTES_OF_ROWS, "same")
        for name, one, other in zip(("sweep", "step"), self.small, self._costs(), strict=True):
            yield Figure("W5", self.database, f"{name}_statements", other.statements, one.statements, "same")
            yield Figure("W5", self.database, f"{name}_cpu_ms", other.cpu, one.cpu, "about_the_same")
            if one.buffers:
                yield Figure(
                    "W5", self.database, f"{name}_buffers", other.buffers, one.buffers, "about_the_same"
                )

    def _park(self, run: Run) -> float:
        """The bytes of each run."""
        count = self._at_most(self.sizes.rows) // 10
        before = _size()
        _copy(run, count)
        return (_size() - before) / count

    def _at_most(self, count: int) -> int:
        return count if self.database == "postgresql" else min(count, MOST_ON_SQLITE)

    def _costs(self) -> tuple[Cost, Cost]:
        return _sweep(), _step(self.ending, self.people)


def _published(people: Cast, slug: str, steps: str) -> PlaybookVersion:
    return cast.publish(people, f"playbook: {slug}\ntitle: {slug}\nsteps:\n{steps}")


def _drive(version: PlaybookVersion, people: Cast) -> Run:
    run = runs.start(version.playbook.slug, caller=people.caller("analyst"))
    executor.drive(run.pk, worker="bench")
    return run


def _memory(database: str, steps: int, version: PlaybookVersion, people: Cast) -> Figure:
    """The memory of this process after a warm-up, and after so many steps more."""
    for _ in range(WARM * 10):
        _drive(version, people)
    warm = _resident()
    for _ in range(steps // LENGTH):
        _drive(version, people)
    return Figure("W5", database, f"resident_mib_after_{steps}_steps", _resident(), warm, "flat")


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _sweep() -> Cost:
    return _cost(executor.sweep, 1)


def _step(version: PlaybookVersion, people: Cast) -> Cost:
    """Of one step in the middle of a chain, with its share of the beginning and the end of the run."""
    started = [runs.start(version.playbook.slug, caller=people.caller("analyst")) for _ in range(2 * WARM)]
    ready = iter(started)
    return _cost(lambda: executor.drive(next(ready).pk, worker="bench"), LENGTH)


def _cost(act: Callable[[], object], units: int) -> Cost:
    for _ in range(WARM):
        act()
    times = []
    pages = _pages()
    for _ in range(WARM - 1):
        begun = time.process_time()
        act()
        times.append((time.process_time() - begun) * 1000 / units)
    pages = (_pages() - pages) / (WARM - 1) / units
    with CaptureQueriesContext(connection) as captured:
        act()
    return Cost(len(captured) // units, median(times), pages)


def _pages() -> float:
    """Pages of tables and indexes that this connection has looked at so far."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT sum(heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0))"
            " FROM pg_statio_user_tables WHERE relname LIKE 'playbooks_%'"
        )
        return float(cursor.fetchone()[0])


def _size() -> int:
    """Bytes of the rows; on SQLite with their indexes."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            return int(cursor.fetchone()[0])
        names = [f"'{model._meta.db_table}'::regclass" for model, _ in TABLES]
        cursor.execute(f"SELECT {' + '.join(f'pg_table_size({name})' for name in names)}")
        return int(cursor.fetchone()[0])


def _copy(run: Run, count: int) -> None:
    """Rows like those of `run`, so many times. The keys of a copy differ from the original's in their last digits."""
    with connection.cursor() as cursor:
        for model, condition in TABLES:
            fields = model._meta.concrete_fields
            columns = ", ".join(
                f'"{field.column}"' for field in fields if field.get_internal_type() != "BigAutoField"
            )
            values = ", ".join(
                _new_key(field.column) if _names_a_copy(field) else f'"{field.column}"'
                for field in fields
                if field.get_internal_type() != "BigAutoField"
            )
            table = model._meta.db_table
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, ({_numbers(count)}) AS copies"
                f" WHERE {condition}",
                [run.pk if connection.vendor == "postgresql" else run.pk.hex],
            )
        cursor.execute("ANALYZE")  # autovacuum would, a minute later


def _names_a_copy(field: object) -> bool:
    model = getattr(field, "related_model", None) or getattr(field, "model", None)
    is_key = getattr(field, "primary_key", False) or getattr(field, "related_model", None) is not None
    return is_key and model in {each for each, _ in TABLES}


def _new_key(column: str) -> str:
    if connection.vendor == "sqlite":
        return f"substr(\"{column}\", 1, 20) || printf('%012x', copies.copy)"
    return (
        f"(substr(replace(\"{column}\"::text, '-', ''), 1, 20) || lpad(to_hex(copies.copy), 12, '0'))::uuid"
    )


def _numbers(count: int) -> str:
    if connection.vendor == "postgresql":
        return f"SELECT copy FROM generate_series(1, {count}) AS copy"
    return (
        f"WITH RECURSIVE up (copy) AS (SELECT 1 UNION ALL SELECT copy + 1 FROM up WHERE copy < {count})"
        " SELECT copy FROM up"
    )
