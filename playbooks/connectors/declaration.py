"""What a connector's file declares, and what its functions are given (design: connectors.md, the contract).

A connector imports this module and nothing else of the contract: contract.py calls, connectors answer.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from playbooks.connectors.egress import Egress
from playbooks.domain.actions import Action
from playbooks.domain.outcomes import Outcome

FieldKind = Literal["text", "url", "integer", "boolean", "list", "secret"]

HIDDEN = "[redacted]"
# NUL, which PostgreSQL refuses, and half of a surrogate pair, which UTF-8 cannot carry.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
SHORTEST_PART = 6


@dataclass(frozen=True, slots=True)
class Field:
    """One piece of a connection's configuration. A `list` is a list of strings, one a line on the screens."""

    name: str
    label: str
    kind: FieldKind
    required: bool
    help: str
    default: str | int | bool | tuple[str, ...] | None


EGRESS = Field(
    name="egress",
    label="Networks this connection may reach",
    kind="list",
    required=False,
    help="Internal networks in CIDR form, such as 10.20.0.0/16. Public addresses need no entry.",
    default=(),
)


class Secrets:
    """A handle on a connection's secrets that shows none of them by accident."""

    __slots__ = ("_passing", "_values")

    def __init__(self, values: Mapping[str, str], passing: Iterable[str] = ()) -> None:
        """`passing` are texts that are hidden as well, and cannot be revealed: secrets among a call's inputs."""
        self._values = dict(values)
        self._passing = tuple(passing)

    def __contains__(self, name: str) -> bool:
        return bool(self._values.get(name))

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Secrets are never pickled or copied.")

    def reveal(self, name: str) -> str:
        """The secret called `name`, the empty string where the connection has none."""
        return self._values.get(name, "")

    def and_hiding(self, texts: Iterable[str]) -> Secrets:
        """These secrets, which hide `texts` too."""
        return Secrets(self._values, (*self._passing, *texts))

    def hide(self, text: str) -> str:
        """`text` as any table can hold it and without any secret: neither whole nor a line of it, nor what an
        address among them carries (user, password, parts of its path and query), percent-encoded, in Base64 or as
        JSON writes it.
        """
        text = UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
        for form in sorted(self._forms(), key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        return text

    def _forms(self) -> set[str]:
        lines = {
            part
            for value in (*self._values.values(), *self._passing)
            for part in (value, *value.splitlines())
            if part.strip()
        }
        plain = lines.union(*(_parts_of_address(line) for line in lines))
        encoded = {quote(part, safe="") for part in plain}
        escaped = {json.dumps(part, ensure_ascii=each)[1:-1] for part in plain for each in (True, False)}
        return plain | encoded | escaped | {base64.b64encode(part.encode()).decode() for part in plain}


def _parts_of_address(text: str) -> set[str]:
    """What may be secret in an address such as slack://TOKEN/… or smtp://user:password@host; nothing for other text.

    Parts under six characters are words such as a channel's name, and hiding them would hide ordinary text.
    """
    try:
        parts = urlsplit(text)
        user, password = parts.username or "", parts.password or ""
    except ValueError:
        return set()
    if not parts.scheme or "://" not in text:
        return set()
    values = [value for _, value in parse_qsl(parts.query)]
    found = {user, password, *parts.path.split("/"), *values}
    return {each for part in found for each in (part, unquote(part)) if len(each) >= SHORTEST_PART}


@dataclass(frozen=True, slots=True)
class Context:
    """What one call may use.

    `http` is the only way out. `idempotency_key` stays the same until an attempt has a known end. `deadline`
    is a reading of `time.monotonic()` in seconds, which no change of the clock moves. With `dry_run` nothing
    is performed (contract.py refuses).
    """

    http: Egress
    settings: Mapping[str, object]
    secrets: Secrets
    idempotency_key: str
    deadline: float
    dry_run: bool

    def seconds_left(self) -> float:
        """Until the deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    def text(self, name: str) -> str:
        """A setting of kind text or url; the empty string where it is not set."""
        value = self.settings.get(name)
        return value if isinstance(value, str) else ""

    def lines(self, name: str) -> tuple[str, ...]:
        """A setting of kind list."""
        value = self.settings.get(name)
        return tuple(str(each) for each in value) if isinstance(value, list | tuple) else ()


@dataclass(frozen=True, slots=True)
class Job:
    """How to follow and to stop what answered Pending. Each takes the context, the handle, then the inputs.

    Succeeded and Failed, of either, say that the job has ended. Pending says that it has not, and Lost that the far
    side cannot tell any more. So what goes wrong in asking is raised, never returned as Failed. `cancel` asks to
    stop and answers what `poll` would: "accepted" is not "stopped", so it is Pending until a look tells that the job
    has ended (Failed, or Succeeded where it was too late). It is called again and again, which must do no harm.
    """

    poll: Callable[..., Outcome]
    cancel: Callable[..., Outcome]


@dataclass(frozen=True, slots=True)
class Binding:
    """An action and the functions that do it. Each takes the context, then the inputs as keywords.

    `preview` renders what would be sent and touches nothing. `lookup` is there when the action's repeat is
    LOOKUP: None says that it did not happen. `verify` belongs to an action that undoes: it takes the context,
    its own inputs and the outputs of the step to undo, and says in a sentence what drifted since. `job` is there
    when the action is one (Action.is_job).
    """

    action: Action
    perform: Callable[..., Outcome]
    preview: Callable[..., Mapping[str, object]]
    lookup: Callable[..., Outcome | None] | None
    verify: Callable[[Context, Mapping[str, object], Mapping[str, object]], str | None] | None
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class Connector:
    key: str
    label: str
    fields: tuple[Field, ...]
    bindings: tuple[Binding, ...]
