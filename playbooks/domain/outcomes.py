"""How an attempt ended, as a connector says it (connectors.md, the contract)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Succeeded:
    outputs: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Failed:
    """`sentence` is for the person who reads it; `permanent` says that a retry cannot help."""

    sentence: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """The answer was lost: whether it happened is not known (a time-out after the request was sent)."""

    sentence: str


Outcome = Succeeded | Failed | Lost
