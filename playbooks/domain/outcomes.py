"""How an attempt ended, as a connector says it (connectors.md, the contract)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Succeeded:
    outputs: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Pending:
    """A job of the far side goes on. `handle`, a JSON object without secrets, is what asking for it needs;
    `poll_after` are seconds; `sentence` says how far it is, or why that could not be told.
    """

    handle: Mapping[str, object]
    poll_after: float
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """`sentence` is for the person who reads it; `permanent` says that a retry cannot help; `retry_after` are the
    seconds for which the far side asked to be left alone.
    """

    sentence: str
    permanent: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The answer was lost: whether it happened is not known (a time-out after the request was sent)."""

    sentence: str


Outcome = Succeeded | Pending | Failed | Lost
