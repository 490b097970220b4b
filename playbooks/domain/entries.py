"""The body of an audit entry: what its leaf in the tree is the hash of.

The body is canonical JSON (RFC 8785) of everything that an entry says, without floats. The writer encodes
it once and those bytes are kept for good; readers parse them here, strictly. Standard library only: part of
the offline verifier.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

FORMAT = "countersign/entry/1"
MAX_BODY = 60_000  # bytes
MAX_INTEGER = 2**53 - 1  # what RFC 8785 carries exactly


class BodyError(ValueError):
    """Bytes that are no body of an entry; the text is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Body:
    """`previous` is the leaf (hex) of the entry before it in its stream, empty for the first."""

    stream_kind: str
    stream_key: str
    stream_seq: int
    previous: str
    occurred_at: str
    actor_id: str
    actor_label: str
    verb: str
    subject_kind: str
    subject_id: str
    subject_label: str
    outcome: str
    facts: Mapping[str, Any]

    @property
    def stream(self) -> str:
        return f"{self.stream_kind}/{self.stream_key}"

    @property
    def name(self) -> str:
        """How a person finds the entry: stream, number, verb."""
        return f"{self.stream}#{self.stream_seq} ({self.verb})"

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "stream": {"kind": self.stream_kind, "key": self.stream_key},
            "stream_seq": self.stream_seq,
            "previous": self.previous,
            "occurred_at": self.occurred_at,
            "actor": {"id": self.actor_id, "label": self.actor_label},
            "verb": self.verb,
            "subject": {"kind": self.subject_kind, "id": self.subject_id, "label": self.subject_label},
            "outcome": self.outcome,
            "facts": dict(self.facts),
        }


def parse_body(raw: bytes) -> Body:
    """The body in canonical bytes. Raises BodyError."""
    value = strict_json(raw)
    try:
        body = _body(value)
    except (KeyError, TypeError) as error:
        raise BodyError("An audit entry lacks one of its fields.") from error
    texts = (getattr(body, name) for name in Body.__slots__ if name not in {"stream_seq", "facts"})
    if not all(isinstance(text, str) for text in texts) or not isinstance(body.facts, dict):
        raise BodyError("A field of an audit entry has the wrong type.")
    if type(body.stream_seq) is not int or body.stream_seq < 1:
        raise BodyError("The number of an audit entry in its stream is no positive number.")
    if body.as_json() != value:
        raise BodyError("An audit entry has fields that no entry has.")
    return body


def _body(value: Any) -> Body:
    actor, subject = value["actor"], value["subject"]
    return Body(
        stream_kind=value["stream"]["kind"],
        stream_key=value["stream"]["key"],
        stream_seq=value["stream_seq"],
        previous=value["previous"],
        occurred_at=value["occurred_at"],
        actor_id=actor["id"],
        actor_label=actor["label"],
        verb=value["verb"],
        subject_kind=subject["kind"],
        subject_id=subject["id"],
        subject_label=subject["label"],
        outcome=value["outcome"],
        facts=value["facts"],
    )


def strict_json(raw: bytes) -> Any:
    """JSON without the ambiguities: UTF-8, no repeated names, no floats. Raises BodyError."""
    try:
        return json.loads(
            raw.decode(), object_pairs_hook=_no_repeats, parse_float=_no_floats, parse_constant=_no_floats
        )
    except BodyError:
        raise
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise BodyError("This is not JSON in UTF-8, or it is nested too deeply.") from error


def moment(at: datetime) -> str:
    """An aware datetime as RFC 3339 in UTC with microseconds; such texts sort in order of time."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BodyError("A JSON object names something twice.")
    return value


def _no_floats(text: str) -> NoReturn:
    raise BodyError(f"The number {text[:20]} is not a whole one.")
