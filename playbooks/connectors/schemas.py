"""The pieces of JSON Schema (draft 2020-12) that several connectors use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Schema = Mapping[str, object]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 500}
NAMES: Schema = {"type": "array", "items": NAME, "maxItems": 10_000}
ADDRESS: Schema = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}

# Ends a pattern: Python's `$` alone would let a last newline pass.
END = r"$(?!\n)"


def record(properties: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """An object with exactly these properties, all required but the `optional` ones."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
