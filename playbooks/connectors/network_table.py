"""Tables that a team keeps: rows of columns, the first of which is a network.

A CSV file names its columns in its first line; a JSON file is a list of objects; lines in the settings of a
connection give the columns in their declared order. A wrong row is an error with its place, never skipped.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from playbooks.connectors.addresses import Address, Network
from playbooks.connectors.declaration import Context, Field
from playbooks.connectors.errors import RefusedError

SIZE_LIMIT = 16 * 1024 * 1024  # bytes of one file

NETWORK = "network"


def fields(columns: Sequence[str]) -> tuple[Field, Field]:
    """The two settings of a connector that reads such tables."""
    names = ",".join((NETWORK, *columns))
    return (
        Field("files", "Files", "list", False, f"Paths on the worker, .csv or .json, with {names}.", ()),
        Field("networks", "Networks", "list", False, f"One a line, as {names}.", ()),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """`place` names the file and the line or item, for errors and as a source."""

    network: Network
    columns: Mapping[str, str]
    place: str


def find(context: Context, columns: Sequence[str], address: Address) -> list[Row]:
    """The rows whose network holds `address`, the narrowest first.

    Raises RefusedError where a table is wrong or none is named.
    """
    files, lines = context.lines("files"), context.lines("networks")
    if not files and not lines:
        raise RefusedError(
            "The connection names no file and no network to look in. Add one to the connection."
        )
    rows = [*_lines(lines, columns), *(row for file in files for row in _file(Path(file), columns))]
    return sorted((row for row in rows if address in row.network), key=lambda row: -row.network.prefixlen)


def _lines(lines: Iterable[str], columns: Sequence[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        values = next(csv.reader([line]), [])
        yield _row(
            dict(zip((NETWORK, *columns), values, strict=False)), columns, f"line {number} of the networks"
        )


def _file(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    text = _text(path)
    is_json = path.suffix.lower() == ".json"
    for place, record in _json(text, path) if is_json else _csv(text, path):
        yield _row(record, columns, place)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
        if len(content) > SIZE_LIMIT:
            raise RefusedError(f"{path.name} is larger than {SIZE_LIMIT} bytes.")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise RefusedError(
            f"{path.name} cannot be read ({type(error).__name__}). Check the path and the rights."
        ) from error
    except UnicodeDecodeError as error:
        raise RefusedError(f"{path.name} is not UTF-8 text.") from error


def _csv(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    reader = csv.DictReader(text.splitlines(), strict=True)
    try:
        for record in reader:
            yield f"{path.name} line {reader.line_num}", record
    except csv.Error as error:
        raise RefusedError(f"{path.name} is not CSV at line {reader.line_num}.") from error


def _json(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{path.name} is not JSON.") from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise RefusedError(f"{path.name} is not a JSON list of objects.")
    for number, record in enumerate(records, start=1):
        yield f"{path.name} item {number}", record


def _row(record: Mapping[str, object], columns: Sequence[str], place: str) -> Row:
    values = {name: str(record.get(name) if record.get(name) is not None else "").strip() for name in columns}
    try:
        return Row(ip_network(str(record.get(NETWORK, "")).strip(), strict=False), values, place)
    except ValueError as error:
        raise RefusedError(f"{place} has no network such as 198.51.100.0/24. Correct it.") from error
