"""The statements that append to the log, by hand, since every change of anything goes through them.

PostgreSQL writes entries, bodies and heads in one statement, to save the way there and back; on SQLite there is no
way to save. Only the number of rows varies in the texts; what comes from outside is a parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection
from django.db.backends.utils import CursorWrapper

from playbooks.domain.entries import Body

AT_ONCE = 500  # rows of one statement; the databases bound its parameters
Some = TypeVar("Some")
Keys = dict[tuple[int, int], int]  # (stream, number in it) -> primary key of the entry


@dataclass(slots=True)
class Head:
    """Where a stream ends: its primary key, and number and leaf of its last entry (0 and empty before the first)."""

    stream: int
    seq: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """An entry on its way into the tables: its stream, what its body says, and the bytes of that."""

    stream: int
    previous: bytes
    occurred_at: datetime
    said: Body
    body: bytes
    leaf: bytes

    @property
    def seq(self) -> int:
        return self.said.stream_seq


def lock(coming: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], Head]:
    """The heads of streams by kind and key, made where they are new, locked in the order given, and counted up by as
    many entries as are about to come. The heads answered are those before that.
    """
    heads = {}
    with connection.cursor() as cursor:
        for some in _some(list(coming.items())):
            new: list[Any] = [part for (kind, key), count in some for part in (kind, key, count, b"")]
            cursor.execute(_lock(len(some)), new)
            for stream, kind, key, last, leaf in cursor.fetchall():
                heads[kind, key] = Head(stream, last - coming[kind, key], bytes(leaf))
    return heads


def insert(rows: Sequence[Row]) -> Keys:
    """Inserts entries and bodies, in order, and tells the streams their last leaf."""
    write = _on_postgresql if connection.vendor == "postgresql" else _one_by_one
    keys: Keys = {}
    with connection.cursor() as cursor:
        for some in _some(rows):
            mine = {row.stream: row.leaf for row in some}
            keys.update(write(cursor, some, mine))
    return keys


def extend(rows: Sequence[Row], before: Head) -> Keys:
    """Inserts entries and bodies of one stream, in order, if it still ends at `before`; else nothing."""
    write = _extend_together if connection.vendor == "postgresql" else _extend_one_by_one
    last = rows[-1]
    moved = [last.seq, last.leaf, before.stream, before.seq, before.leaf]
    with connection.cursor() as cursor:
        return write(cursor, rows, moved)


def _extend_together(cursor: CursorWrapper, rows: Sequence[Row], moved: Sequence[Any]) -> Keys:
    cursor.execute(_extended(len(rows)), [*moved, *_columns(rows), *_numbered(rows)])
    return {(stream, seq): key for key, stream, seq in cursor.fetchall()}


def _extend_one_by_one(cursor: CursorWrapper, rows: Sequence[Row], moved: Sequence[Any]) -> Keys:
    cursor.execute(MOVE, moved)
    return _entries_and_bodies(cursor, rows) if cursor.rowcount else {}


def _on_postgresql(cursor: CursorWrapper, rows: Sequence[Row], leaves: Mapping[int, bytes]) -> Keys:
    cursor.execute(_together(len(rows), len(leaves)), [*_columns(rows), *_numbered(rows), *_flat(leaves)])
    return {(stream, seq): key for key, stream, seq in cursor.fetchall()}


def _one_by_one(cursor: CursorWrapper, rows: Sequence[Row], leaves: Mapping[int, bytes]) -> Keys:
    keys = _entries_and_bodies(cursor, rows)
    cursor.execute(_leaves(len(leaves)), _flat(leaves))
    return keys


def _entries_and_bodies(cursor: CursorWrapper, rows: Sequence[Row]) -> Keys:
    cursor.execute(_entries(len(rows)), _columns(rows))
    keys = {(stream, seq): key for key, stream, seq in cursor.fetchall()}
    cursor.execute(
        _bodies(len(rows)), [part for row in rows for part in (keys[row.stream, row.seq], row.body)]
    )
    return keys


def _numbered(rows: Sequence[Row]) -> list[Any]:
    return [part for row in rows for part in (row.stream, row.seq, row.body)]


def _columns(rows: Sequence[Row]) -> list[Any]:
    adapt = connection.ops.adapt_datetimefield_value
    return [part for row in rows for part in _columns_of(row, adapt(row.occurred_at))]


def _columns_of(row: Row, occurred_at: object) -> tuple[Any, ...]:
    said = row.said
    return (
        *(row.stream, said.stream_seq, row.previous, occurred_at, said.actor_id, said.actor_label, said.verb),
        *(said.subject_kind, said.subject_id, said.subject_label, said.outcome, row.leaf),
    )


def _flat(leaves: Mapping[int, bytes]) -> list[Any]:
    return [part for told in leaves.items() for part in told]


def _some(rows: Sequence[Some]) -> Iterator[Sequence[Some]]:
    for begin in range(0, len(rows), AT_ONCE):
        yield rows[begin : begin + AT_ONCE]


@lru_cache(maxsize=64)
def _lock(count: int) -> str:
    return f"""INSERT INTO playbooks_auditstream (kind, key, last_seq, last_leaf)
VALUES {_rows("(%s, %s, %s, %s)", count)} ON CONFLICT (kind, key)
DO UPDATE SET last_seq = playbooks_auditstream.last_seq + excluded.last_seq
RETURNING id, kind, key, last_seq, last_leaf"""  # noqa: S608


COLUMNS = """stream_id, stream_seq, previous, occurred_at, actor_id, actor_label,
verb, subject_kind, subject_id, subject_label, outcome, leaf"""
MOVE = """UPDATE playbooks_auditstream SET last_seq = %s, last_leaf = %s
WHERE id = %s AND last_seq = %s AND last_leaf = %s"""


@lru_cache(maxsize=64)
def _entries(count: int) -> str:
    return f"""INSERT INTO playbooks_auditentry ({COLUMNS}) VALUES {_values(count)}
RETURNING id, stream_id, stream_seq"""  # noqa: S608


def _values(count: int) -> str:
    return _rows(f"({_rows('%s', 12)})", count)


@lru_cache(maxsize=64)
def _bodies(count: int) -> str:
    return f"INSERT INTO playbooks_auditbody (entry_id, body) VALUES {_rows('(%s, %s)', count)}"  # noqa: S608


@lru_cache(maxsize=64)
def _leaves(count: int) -> str:
    """`column1` is what both databases call the first column of VALUES."""
    return f"""UPDATE playbooks_auditstream SET last_leaf = told.column2
FROM (VALUES {_rows("(%s, %s)", count)}) AS told WHERE playbooks_auditstream.id = told.column1"""  # noqa: S608


@lru_cache(maxsize=64)
def _together(entries: int, streams: int) -> str:
    return f"""WITH entry AS ({_entries(entries)}), body AS ({_bodies_of(entries)}), head AS ({_leaves(streams)})
SELECT id, stream_id, stream_seq FROM entry"""  # noqa: S608


@lru_cache(maxsize=64)
def _extended(count: int) -> str:
    """Where no head moves, there is nothing that the entries could be joined with."""
    return f"""WITH head AS ({MOVE} RETURNING id), entry AS (
INSERT INTO playbooks_auditentry ({COLUMNS}) SELECT given.* FROM head
JOIN (VALUES {_values(count)}) AS given ON given.column1 = head.id ORDER BY given.column2
RETURNING id, stream_id, stream_seq), body AS ({_bodies_of(count)})
SELECT id, stream_id, stream_seq FROM entry"""  # noqa: S608


def _bodies_of(count: int) -> str:
    """Those of the rows that `entry` has inserted."""
    return f"""INSERT INTO playbooks_auditbody (entry_id, body) SELECT entry.id, given.column3
FROM entry JOIN (VALUES {_rows("(%s, %s, %s)", count)}) AS given
ON entry.stream_id = given.column1 AND entry.stream_seq = given.column2"""  # noqa: S608


def _rows(row: str, count: int) -> str:
    return ", ".join([row] * count)
