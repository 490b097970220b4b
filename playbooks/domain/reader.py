"""YAML as playbooks are read: the core rules of YAML 1.2, and nothing that hides what a text means.

`on`, `no` and `22:30` are strings. Anchors, aliases, tags, duplicate keys and further documents are refused.
The parser's events are composed here, not by PyYAML: its composer knows YAML 1.1 only, and the C one crashes
on deep nesting.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

import yaml

from playbooks.domain.problems import Problem, Unreadable, place_in

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
# Canonical JSON (RFC 8785) carries whole numbers exactly up to here.
GREATEST = 2**53 - 1

Path = tuple[str | int, ...]
Place = tuple[int, int]

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Document:
    """`data` is made of dict, list, str, int, float, bool and None. Places are (line, column) from 1."""

    data: object
    _values: Mapping[Path, Place]
    _keys: Mapping[Path, Place]

    def place(self, path: Path) -> Place:
        """Where the value at `path` begins, or that of the nearest ancestor that exists."""
        return _nearest(self._values, path)

    def place_of_key(self, path: Path) -> Place:
        """Where the key of the value at `path` is written, or the value where it has no key."""
        return self._keys.get(path) or self.place(path)


def read_yaml(text: str) -> Document:
    """Raises Unreadable with every refused construct, up to an error after which nothing can be read."""
    _require_text(text)
    composer = _Composer(_events(text))
    try:
        data = composer.document()
    except yaml.reader.ReaderError as error:
        raise Unreadable([_unprintable(text, error)]) from None
    except yaml.MarkedYAMLError as error:
        raise Unreadable([*composer.problems, _broken(error)]) from None
    if composer.problems:
        raise Unreadable(composer.problems)
    return Document(data, composer.values, composer.keys)


def _nearest(places: Mapping[Path, Place], path: Path) -> Place:
    while path not in places and path:
        path = path[:-1]
    return places.get(path, (1, 1))


def _require_text(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Unreadable([Problem(*place_in(text, error.start), "this is no Unicode character")]) from None
    if size > MAX_BYTES:
        raise Unreadable([Problem(1, 1, f"the document has {size} bytes; at most {MAX_BYTES} are read")])


def _events(text: str) -> Iterator[yaml.Event]:
    # The C parser yields each event as it is read, so the depth is known before the text is taken further.
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
    return events


def _broken(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(line, column, f"this is not YAML: {error.problem or error.context or 'unreadable'}")


def _unprintable(text: str, error: yaml.reader.ReaderError) -> Problem:
    before = text.encode()[: error.position].decode(errors="ignore")
    return Problem(*place_in(text, len(before)), f"this character is not allowed in YAML: {error.reason}")


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


class _Composer:
    """Builds the value from events. Recursion is safe: `_nested` bounds it."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self.problems: list[Problem] = []
        self.values: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self._events = events

    def document(self) -> object:
        data: object = None
        seen = False
        for event in self._events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            if seen:
                self._stop(event, "this begins a second document; a file holds one playbook")
            data, seen = self._value(next(self._events), ()), True
        return data

    def _value(self, event: yaml.Event, path: Path) -> object:
        self.values[path] = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._refuse(event, f"the alias *{event.anchor} is refused; write the value out")
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            self._stop(event, "a value is missing here")
        if event.anchor is not None:
            self._refuse(event, f"the anchor &{event.anchor} is refused; there are no aliases")
        if event.tag is not None:
            self._refuse(event, f"the tag {event.tag} is refused; values have their plain types")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        compose = self._mapping if isinstance(event, yaml.MappingStartEvent) else self._sequence
        return self._nested(event, path, compose)

    def _nested(self, event: yaml.Event, path: Path, compose: Callable[[Path], object]) -> object:
        if len(path) >= MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels")
        return compose(path)

    def _sequence(self, path: Path) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, object]:
        items: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            if key in items:
                self._refuse(event, f"the key '{key}' is given twice")
            else:
                self.keys[*path, key] = _place(event)
            items[key] = self._value(next(self._events), (*path, key))
        return items

    def _key(self, event: yaml.Event, path: Path) -> str:
        key = self._value(event, (*path, ""))
        if not isinstance(key, str):
            self._refuse(event, "a key has to be text; put it in quotes")
            return str(key)
        return key

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        text: str = event.value
        if "\0" in text:
            self._refuse(event, "the character NUL is refused")
        # Quoted and block scalars are always text; only plain ones are looked at.
        return text if event.style else self._plain(event, text)

    def _plain(self, event: yaml.Event, text: str) -> object:
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _NOT_FINITE.fullmatch(text):
            return self._refuse(event, f"{text} is no number that can be recorded")
        if _INTEGER.fullmatch(text):
            return self._integer(event, text)
        if _FLOAT.fullmatch(text):
            return self._float(event, text)
        return text

    def _integer(self, event: yaml.Event, text: str) -> object:
        digits = text.lstrip("+-0") if text[:2] not in {"0o", "0x"} else text
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        if len(digits) > 20 or abs(value := int(text, base)) > GREATEST:
            return self._refuse(event, "this number is too large to be exact; put it in quotes")
        return value

    def _float(self, event: yaml.Event, text: str) -> object:
        value = float(text)
        return value if math.isfinite(value) else self._refuse(event, "this number is too large")

    def _refuse(self, event: yaml.Event, message: str) -> object:
        """Notes the problem and goes on, with nothing in the value's place."""
        self.problems.append(Problem(*_place(event), message))
        return None

    def _stop(self, event: yaml.Event, message: str) -> NoReturn:
        self._refuse(event, message)
        raise Unreadable(self.problems)
