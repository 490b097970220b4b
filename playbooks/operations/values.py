"""Values of columns on their way to the database and back.

Django asks a field anew for each value how its database takes it, which costs more than the statement that carries the
value. Here the common kinds of value have a short way, by the kind of the column; whatever else comes is asked of the
field as ever. tests/operations/test_values.py holds the two ways against each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Field, ForeignKey
from uuid6 import UUID as UUID7

Convert = Callable[[Any], Any]


def to_database(field: Field[Any, Any]) -> Convert:
    """What makes of a value of the column (a key, where it refers to another row) what the driver takes."""
    short = _TO[connection.vendor].get(_kind(field), {})

    def convert(value: Any) -> Any:
        if value is None:
            return None
        known = short.get(type(value))
        return known(value) if known else field.get_db_prep_save(value, connection)

    return convert


def from_database(field: Field[Any, Any]) -> Convert | None:
    """What makes of what the driver gives a value of the column; None where that is the value already."""
    kind = _kind(field)
    if kind in _FROM[connection.vendor]:
        return _FROM[connection.vendor][kind]
    expression = field.get_col(field.model._meta.db_table)  # noqa: SLF001 - documented (Model _meta API)
    steps = [*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection)]
    return partial(_through, steps, expression) if steps else None


def _kind(field: Field[Any, Any]) -> str:
    """A column that refers to another row is of the kind of that row's key."""
    target = field.target_field if isinstance(field, ForeignKey) else field
    return target.get_internal_type()


def _through(steps: list[Any], expression: object, value: Any) -> Any:
    for step in steps:
        value = step(value, expression, connection)
    return value


def _itself(value: Any) -> Any:
    return value


def _utc_text(value: datetime) -> str:
    """SQLite keeps moments as text, in UTC and without saying so."""
    return str(value.astimezone(UTC).replace(tzinfo=None))


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _from_hex(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def _from_json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _hex(key: UUID) -> str:
    return key.hex


_TEXT: Mapping[type, Convert] = {str: _itself}
_NUMBER: Mapping[type, Convert] = {int: _itself}
_TO_BOTH: Mapping[str, Mapping[type, Convert]] = {
    **dict.fromkeys(("CharField", "SlugField", "TextField"), _TEXT),
    **dict.fromkeys(("PositiveSmallIntegerField", "PositiveIntegerField"), _NUMBER),
    "BooleanField": {bool: _itself},
    "BinaryField": {bytes: _itself},
}
_TO: Mapping[str, Mapping[str, Mapping[type, Convert]]] = {
    "postgresql": {
        **_TO_BOTH,
        "UUIDField": {UUID: _itself, UUID7: _itself},
        "DateTimeField": {datetime: _itself},
    },
    "sqlite": {
        **_TO_BOTH,
        "UUIDField": {UUID: _hex, UUID7: _hex},
        "DateTimeField": {datetime: _utc_text},
        "JSONField": {dict: json.dumps, list: json.dumps},
    },
}
_FROM_BOTH: Mapping[str, Convert | None] = {
    **dict.fromkeys((*_TO_BOTH, "UUIDField", "DateTimeField")),
    "JSONField": _from_json,
}
_FROM: Mapping[str, Mapping[str, Convert | None]] = {
    "postgresql": _FROM_BOTH,
    "sqlite": {
        **_FROM_BOTH,
        "DateTimeField": _in_utc,
        "UUIDField": _from_hex,
    },
}
