"""The texts of the language that have a form: ids, names, durations, references.

Each says it twice: the validator with a sentence for the author, the JSON Schema for editors (schema.py).
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from playbooks.domain.durations import duration_text, parse_duration
from playbooks.domain.kinds import RESERVED

MAX_ID = 64


def _identifier(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text) or len(text) > MAX_ID:
        raise ValueError(
            f"'{text[:80]}' is no id: write up to {MAX_ID} of a-z, 0-9 and _, with a letter first"
        )
    if text in RESERVED:
        raise ValueError(f"'{text}' is a word of the expression language and cannot be an id")
    return text


def _slug(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", text) or len(text) > MAX_ID:
        raise ValueError(
            f"'{text[:80]}' is no name: write up to {MAX_ID} of a-z, 0-9 and inner hyphens, a letter first"
        )
    return text


def _reference(text: str) -> str:
    if not re.fullmatch(r"(?:T|M)\d{4}(?:\.\d{3})?|D3-[A-Z0-9]+", text):
        raise ValueError(
            f"'{text[:80]}' is no reference; write T1566, T1566.002, M1031 or D3-NTF, for example"
        )
    return text


def _duration(text: str) -> str:
    return duration_text(parse_duration(text))


def _positive_duration(text: str) -> str:
    duration = _duration(text)
    if duration == "0s":
        raise ValueError("the duration has to be longer than nothing")
    return duration


Identifier = Annotated[
    str,
    AfterValidator(_identifier),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[a-z][a-z0-9_]*$",
            "maxLength": MAX_ID,
            "not": {"enum": sorted(RESERVED)},
        }
    ),
]
Slug = Annotated[
    str,
    AfterValidator(_slug),
    WithJsonSchema({"type": "string", "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", "maxLength": MAX_ID}),
]
# Kept as the shortest text, so that 90m and 1h30m are the same playbook.
Duration = Annotated[
    str,
    AfterValidator(_positive_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(?=.*[1-9])(?=[0-9])(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"}),
]
# ATT&CK techniques and mitigations (attack.mitre.org), D3FEND countermeasures (d3fend.mitre.org).
Reference = Annotated[
    str,
    AfterValidator(_reference),
    WithJsonSchema({"type": "string", "pattern": r"^([TM]\d{4}(\.\d{3})?|D3-[A-Z0-9]+)$"}),
]
