"""A playbook as a value: the shape of the language (playbooks.md), without what only a catalogue can tell.

What the parts mean together (ids, names in expressions, actions, cycles) is check.py's business; a Playbook
that came through `check` is sound.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from playbooks.domain.durations import duration_text, parse_duration

MAX_STEPS = 500
MAX_ID = 64

KINDS = ("do", "approve", "wait", "set")
LATER_KINDS = ("ask", "run", "each", "repeat", "script")
# Keys that mean something for one kind only. What a kind does not know is refused, never ignored: a gate can
# neither be forgiven nor retried.
KEYS_OF_KIND: Mapping[str, frozenset[str]] = {
    "do": frozenset({"with", "using", "timeout", "retry", "undo", "continue_on_failure"}),
    "approve": frozenset({"show", "seats", "within", "late"}),
    "wait": frozenset(),
    "set": frozenset({"continue_on_failure"}),
}
COMMON_KEYS = frozenset({"id", "title", "needs", "after", "when"})

# CEL's own words (cel-spec, langdef.md): none can be a step's id.
RESERVED = frozenset(
    {
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
    }
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while"}
)

InputType = Literal[
    "ip", "string", "integer", "number", "boolean", "domain", "url", "email", "user", "host", "hash", "list"
]


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


def _duration(text: str) -> str:
    return duration_text(parse_duration(text))


def _positive_duration(text: str) -> str:
    duration = _duration(text)
    if duration == "0s":
        raise ValueError("the duration has to be longer than nothing")
    return duration


Identifier = Annotated[str, AfterValidator(_identifier)]
Slug = Annotated[str, AfterValidator(_slug)]
# Kept as the shortest text, so that 90m and 1h30m are the same playbook.
Duration = Annotated[str, AfterValidator(_positive_duration)]
Title = Annotated[str, Field(max_length=200)]
# Sequences are lists in a document and tuples here; the items stay strict.
Needs = Annotated[tuple[str, ...], Field(strict=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=False)


class Trigger(_Part):
    """`alert` is a condition over `alert` and `now`."""

    alert: str


class Input(_Part):
    """A value that a run is started with. Without a default it has to be given."""

    type: InputType
    default: Any = None
    title: Title = ""


class SeatEntry(_Part):
    """How a document writes a seats.Seat."""

    role: Slug


class Retry(_Part):
    """Up to `times` further attempts: the first after `every`, each next one `backoff` times later."""

    times: Annotated[int, Field(ge=1, le=10)]
    every: Duration = "5s"
    backoff: Annotated[int | float, Field(ge=1, le=10)] = 1


class Undo(_Part):
    """Instead of the action's own way back: another action (`do`), or the reason why not (`none`)."""

    do: str | None = None
    none: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    with_: Annotated[Mapping[str, Any], Field(alias="with")] = {}
    using: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_a_reason(cls, value: object) -> object:
        if isinstance(value, str):
            raise PydanticCustomError(
                "undo", 'an undo is a mapping; no way back needs its reason: {none: "…"}'
            )
        return value

    @model_validator(mode="after")
    def _is_one_way(self) -> Undo:
        if (self.do is None) == (self.none is None):
            raise PydanticCustomError("undo", "an undo has either 'do', an action, or 'none', the reason")
        if self.none is not None and (self.with_ or self.using):
            raise PydanticCustomError("undo", "'with' and 'using' belong to an undo that has 'do'")
        return self


class Step(_Part):
    """One step. Exactly one of `do`, `approve`, `wait` and `set` is given and makes its kind.

    `needs` None follows the step written before; () starts at once. `timeout`, `within` and the like are
    durations as text.
    """

    id: Identifier
    title: Title = ""
    needs: Needs | None = None
    after: Literal["success", "failure", "always"] = "success"
    when: str | None = None
    continue_on_failure: bool = False

    do: str = ""
    with_: Annotated[Mapping[str, Any], Field(alias="with")] = {}
    using: str = ""
    timeout: Duration | None = None
    retry: Retry | None = None
    undo: Undo | None = None

    approve: str = ""
    show: Needs = ()
    seats: Annotated[tuple[SeatEntry, ...], Field(strict=False, max_length=20)] = ()
    within: Duration = "4h"
    late: Literal["deny", "escalate", "hold"] = "deny"

    wait: Annotated[Mapping[Literal["for"], Duration], Field(min_length=1)] | None = None
    set: Mapping[Identifier, Any] | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Step:
        problem = kind_problem(self.model_fields_set) or self._gap()
        if problem:
            raise PydanticCustomError("step", "{problem}", {"problem": problem})
        return self

    def _gap(self) -> str:
        """What is missing or out of place in a step that has one kind, empty for nothing."""
        given = {"with" if name == "with_" else name for name in self.model_fields_set}
        if foreign := foreign_keys(given):
            return f"a step of kind '{self.kind}' has no key '{foreign[0]}'"
        if getattr(self, self.kind) in ("", None):
            return f"'{self.kind}' is empty"
        if self.kind == "approve" and not self.seats:
            return "a gate needs 'seats', such as [{role: tier-2}]"
        return ""

    @property
    def kind(self) -> str:
        """do, approve, wait or set."""
        return next(kind for kind in KINDS if kind in self.model_fields_set)


class Playbook(_Part):
    """`playbook` is its name in URLs, unique in an installation."""

    playbook: Slug
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    triggers: Annotated[tuple[Trigger, ...], Field(strict=False, max_length=50)] = ()
    inputs: Mapping[Identifier, Input] = {}
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=MAX_STEPS)]
    outputs: Mapping[Identifier, Any] = {}
    on_failure: Literal["stop", "rollback"] = "stop"


def kind_problem(keys: Collection[str]) -> str:
    """What is wrong with the kind of a step that has these keys, empty when it has exactly one."""
    later = [kind for kind in LATER_KINDS if kind in keys]
    if later:
        return f"step kind '{later[0]}' is not available in this release; there are {_listed(KINDS)}"
    kinds = [kind for kind in KINDS if kind in keys]
    if not kinds:
        return f"a step needs one of {_listed(KINDS)}, which says what it does"
    if len(kinds) > 1:
        return f"a step has exactly one kind, and this has {_listed(kinds)}; make each a step of its own"
    return ""


def foreign_keys(keys: Collection[str]) -> list[str]:
    """Which keys of a step of one kind belong to steps of other kinds, sorted."""
    kind = next(kind for kind in KINDS if kind in keys)
    others: frozenset[str] = frozenset().union(*KEYS_OF_KIND.values())
    return sorted((set(keys) & others) - KEYS_OF_KIND[kind])


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(repr(name) for name in names[:-1])} and {names[-1]!r}"


def needs_of(playbook: Playbook) -> dict[str, tuple[str, ...]]:
    """Step id -> the ids that it needs, with the implicit order made explicit. Sorted, without repetition."""
    needs: dict[str, tuple[str, ...]] = {}
    previous: tuple[str, ...] = ()
    for step in playbook.steps:
        needs[step.id] = previous if step.needs is None else tuple(sorted(set(step.needs)))
        previous = (step.id,)
    return needs


def document(playbook: Playbook) -> dict[str, Any]:
    """The plain data that a version's digest is made of; `Playbook.model_validate` is the way back.

    Two texts that mean the same give the same document: the order of steps is explicit, defaults are left out
    (so that a key which a later release adds changes no digest), durations are in their shortest form.
    """
    plain = playbook.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    needs = needs_of(playbook)
    for step, body in zip(playbook.steps, plain["steps"], strict=True):
        body["needs"] = list(needs[step.id])
    return plain
