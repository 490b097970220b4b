"""The statements of the hot path, by hand: what every step of every run does, without building queries anew.

`fetch` reads rows by a condition in SQL, `write` changes and inserts rows of several tables: in one statement on
PostgreSQL, which saves the ways there and back, and one after the other on SQLite, where there is none to save.
The texts are made once for each shape; what comes from outside is always a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import CharField, Field, Model
from django.db.models.base import ModelState
from django.db.models.options import Options

from playbooks.operations.values import Convert, from_database, to_database

Found = TypeVar("Found", bound=Model)


@dataclass(frozen=True, slots=True)
class Update:
    """Sets `columns` (by the names of the fields) in the rows of `keys` whose status is `old`."""

    model: type[Model]
    keys: Sequence[Any]
    old: str
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows of one table, whose primary keys are known."""

    rows: Sequence[Model]


Write = Update | Insert
AT_ONCE = 500  # rows of one statement; the databases bound its parameters


def write(*writes: Write) -> list[int]:
    """Does the writes, in the caller's transaction. Returns how many rows each has changed.

    Rows are inserted only when the updates before have changed all of theirs. No row may be in two of the writes.
    """
    counts = _together(writes) if connection.vendor == "postgresql" else _one_by_one(writes)
    for each, count in zip(writes, counts, strict=False):
        if isinstance(each, Insert) and count:
            _are_stored(each.rows)
    return counts


def _are_stored(rows: Sequence[Model]) -> None:
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS  # noqa: SLF001 - as Model.save does


def _one_by_one(writes: Sequence[Write]) -> list[int]:
    counts: list[int] = []
    with connection.cursor() as cursor:
        for each in writes:
            if isinstance(each, Insert) and counts != [_expected(before) for before in writes[: len(counts)]]:
                return [*counts, 0]
            cursor.execute(_text(each), _values(each))
            counts.append(cursor.rowcount)
    return counts


def store(rows: Sequence[Model]) -> None:
    """Inserts rows of one table, in the caller's transaction, as many at once as a statement takes."""
    for begin in range(0, len(rows), AT_ONCE):
        write(Insert(rows[begin : begin + AT_ONCE]))


def fetch(
    model: type[Found],
    condition: str,
    parameters: Sequence[Any],
    *,
    only: tuple[str, ...] = (),
    also: tuple[tuple[str, str], ...] = (),
    lock: bool = False,
) -> list[Found]:
    """The rows for which `condition` holds, which is what follows WHERE, with %s for each parameter.

    `only` names the fields to read, where those are not all; `also` are further attributes, with their SQL. With
    `lock`, nobody else changes the rows before the caller's transaction ends.
    """
    shape = _shape(model, connection.vendor, only, also)
    locked = shape.lock if lock else ""
    with connection.cursor() as cursor:
        cursor.execute(f"{shape.select} WHERE {condition}{locked}", parameters)
        rows = cursor.fetchall()
    return [_row(model, row, shape, also) for row in rows]


def _row(
    model: type[Found], values: Sequence[Any], shape: _Shape, also: tuple[tuple[str, str], ...]
) -> Found:
    """What `Model.from_db` makes, without the ways by which one may be made otherwise."""
    row = model.__new__(model)
    held = dict(zip((*shape.names, *(name for name, _ in also)), values, strict=True))
    for name, convert in shape.converters:
        held[name] = convert(held[name])
    row._state = ModelState()  # noqa: SLF001 - as from_db does
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS  # noqa: SLF001
    row.__dict__ |= held
    return row


def key(model: type[Model], value: Any) -> Any:
    """A primary key as the database takes it: a UUID is text to SQLite."""
    return _writers(model, connection.vendor)[_meta(model).pk.attname](value)


def places(values: Sequence[Any]) -> str:
    """The places of so many parameters, for IN (…)."""
    return ", ".join(["%s"] * len(values))


@dataclass(frozen=True, slots=True)
class _Shape:
    select: str
    lock: str
    names: list[str]
    converters: Sequence[tuple[str, Convert]]


@lru_cache(maxsize=64)
def _shape(
    model: type[Model], vendor: str, only: tuple[str, ...], also: tuple[tuple[str, str], ...]
) -> _Shape:
    quote, meta = _quoted, _meta(model)
    fields = [field for field in meta.concrete_fields if not only or field.attname in only]
    table = quote(meta.db_table)
    columns = ", ".join([*(f"{table}.{quote(field.column)}" for field in fields), *(sql for _, sql in also)])
    converters = [(field.attname, from_database(field)) for field in fields]
    return _Shape(
        f"SELECT {columns} FROM {table}",  # noqa: S608
        f" FOR UPDATE OF {table}"
        if vendor == "postgresql"
        else "",  # a transaction of SQLite locks everything
        [field.attname for field in fields],
        [(name, convert) for name, convert in converters if convert],
    )


@lru_cache(maxsize=64)
def _writers(model: type[Model], vendor: str) -> Mapping[str, Convert]:  # noqa: ARG001 - a key of the cache
    """By the names of the columns' attributes, in their order in the table."""
    return {field.attname: to_database(field) for field in _meta(model).concrete_fields}


def _together(writes: Sequence[Write]) -> list[int]:
    texts = tuple(_text(each) for each in writes)
    values = [value for each in writes for value in _values(each)]
    with connection.cursor() as cursor:
        if len(writes) == 1:
            cursor.execute(texts[0], values)
            return [cursor.rowcount]
        cursor.execute(_joined(texts, tuple(_expected(each) for each in writes)), values)
        return list(cursor.fetchone())


@lru_cache(maxsize=256)
def _joined(texts: tuple[str, ...], expected: tuple[int, ...]) -> str:
    """An insert looks at what the updates before it have changed, which also puts them in order."""
    parts: list[str] = []
    before: list[str] = []
    for number, text in enumerate(texts):
        condition = f" WHERE {' AND '.join(before)}" if before and text.startswith("INSERT") else ""
        parts.append(f"w{number} AS ({text}{condition} RETURNING 1)")
        before.append(f"(SELECT count(*) FROM w{number}) = {expected[number]}")  # noqa: S608
    counts = ", ".join(f"(SELECT count(*) FROM w{number})" for number in range(len(texts)))  # noqa: S608
    return f"WITH {', '.join(parts)} SELECT {counts}"


def _expected(each: Write) -> int:
    return len(each.keys if isinstance(each, Update) else each.rows)


def _text(each: Write) -> str:
    match each:
        case Update(model=model, keys=keys, columns=columns):
            return _update(model, tuple(columns), len(keys))
        case Insert(rows=rows):
            return _insert(type(rows[0]), len(rows))


def _values(each: Write) -> list[Any]:
    match each:
        case Update(model=model, keys=keys, old=old, columns=columns):
            writers = _writers(model, connection.vendor)
            prepared = [_prepared(model, writers, name, value) for name, value in columns.items()]
            write_key = writers[_meta(model).pk.attname]
            return [*prepared, *map(write_key, keys), old]
        case Insert(rows=rows):
            writers = _writers(type(rows[0]), connection.vendor)
            return [write(row.__dict__[name]) for row in rows for name, write in writers.items()]


def _prepared(model: type[Model], writers: Mapping[str, Convert], name: str, value: Any) -> Any:
    """`name` is the field's; a reference to a row may be given as that row."""
    if name in writers:
        return writers[name](value)
    return writers[_field(model, name).attname](value.pk if isinstance(value, Model) else value)


@lru_cache(maxsize=256)
def _update(model: type[Model], names: tuple[str, ...], count: int) -> str:
    quote, meta = _quoted, _meta(model)
    settings = ", ".join(f"{quote(_field(model, name).column)} = %s" for name in names)
    keys = ", ".join(["%s"] * count)
    return f"UPDATE {quote(meta.db_table)} SET {settings} WHERE {quote(meta.pk.column)} IN ({keys}) AND status = %s"  # noqa: S608


@lru_cache(maxsize=64)
def _insert(model: type[Model], count: int) -> str:
    quote, meta = _quoted, _meta(model)
    columns = ", ".join(quote(field.column) for field in meta.concrete_fields)
    row = f"({', '.join(_typed(field) for field in meta.concrete_fields)})"
    rows = ", ".join([row] * count)
    return f"INSERT INTO {quote(meta.db_table)} ({columns}) SELECT * FROM (VALUES {rows}) AS given"  # noqa: S608


def _typed(field: Field[Any, Any]) -> str:
    """A value of the column's type; PostgreSQL takes what has none for text. (A cast to varchar(n) would cut.)"""
    if connection.vendor != "postgresql" or isinstance(field, CharField):
        return "%s"
    return f"%s::{field.db_type(connection)}"


@lru_cache(maxsize=256)
def _field(model: type[Model], name: str) -> Field[Any, Any]:
    field = _meta(model).get_field(name)
    if not isinstance(field, Field):
        raise TypeError(f"{model.__name__}.{name} is no column.")
    return field


def _meta(model: type[Model]) -> Options[Any]:
    return model._meta  # noqa: SLF001 - documented (Model _meta API)


def _quoted(name: str | None) -> str:
    return connection.ops.quote_name(name or "")
