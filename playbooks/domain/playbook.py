"""A playbook as a value: the shape of the language (playbooks.md), without what only a catalogue can tell.

What the parts mean together (ids, names in expressions, actions, cycles) is check.py's business; a Playbook
that came through `check` is sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from playbooks.domain.calendars import Calendar
from playbooks.domain.deadlines import Level
from playbooks.domain.field_types import Duration, Identifier, Reference, Slug
from playbooks.domain.kinds import BLOCKS, KINDS, foreign_keys, kind_problem
from playbooks.domain.seats import ON_CALL, OWNER_OF

MAX_STEPS = 500  # on all levels together
MAX_LEVELS = 8
MAX_ITEMS = 10_000
MAX_TURNS = 1_000

InputType = Literal[
    "ip", "string", "integer", "number", "boolean", "domain", "url", "email", "user", "host", "hash", "list"
]


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
    """How a document writes a seats.Seat: by role, by the rota of those on call, or as the owner of what is changed."""

    role: Slug | None = None
    on_call: Slug | None = None
    owner_of: Literal["target"] | None = None

    @model_validator(mode="after")
    def _is_one_seat(self) -> SeatEntry:
        if len([each for each in (self.role, self.on_call, self.owner_of) if each]) != 1:
            raise PydanticCustomError("seat", "a seat has exactly one of 'role', 'on_call' and 'owner_of'")
        return self

    @property
    def name(self) -> str:
        """As in seat_names.seat_name."""
        if self.on_call:
            return f"{ON_CALL}{self.on_call}"
        return f"{OWNER_OF}{self.owner_of}" if self.owner_of else str(self.role)


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


class Wait(_Part):
    """Until a time has gone by (`for`), until a moment (`until`, RFC 3339), or for an `event` with this `key`."""

    for_: Annotated[Duration | None, Field(alias="for")] = None
    until: str | None = None
    event: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    key: str | None = None
    within: Duration = "24h"
    late: Literal["fail", "go_on"] = "fail"

    @model_validator(mode="after")
    def _is_for_one_thing(self) -> Wait:
        given = [
            name
            for name, value in (("for", self.for_), ("until", self.until), ("event", self.event))
            if value
        ]
        if len(given) != 1:
            raise PydanticCustomError("wait", "a wait has exactly one of 'for', 'until' and 'event'")
        if (self.event is None) != (self.key is None):
            raise PydanticCustomError(
                "wait", "'event' and 'key' come together: the key says which event is meant"
            )
        if self.event is None and self.model_fields_set & {"within", "late"}:
            raise PydanticCustomError("wait", "'within' and 'late' belong to a wait for an event")
        return self


class Loop(_Part):
    """Again and again: `while` is asked before each turn, `until` after it. At most `most` turns, one `every` so
    often, or without a pause.
    """

    until: str | None = None
    while_: Annotated[str | None, Field(alias="while")] = None
    most: Annotated[int, Field(ge=1, le=MAX_TURNS)]
    every: Duration | None = None

    @model_validator(mode="after")
    def _ends(self) -> Loop:
        if (self.until is None) == (self.while_ is None):
            raise PydanticCustomError(
                "repeat", "a repeat has either 'until' or 'while', which says when it is over"
            )
        return self


class Script(_Part):
    """The team's own code, isolated: JSON inputs on standard input, a JSON object on standard output."""

    python: Annotated[str, Field(min_length=1, max_length=64 * 1024)] | None = None
    shell: Annotated[str, Field(min_length=1, max_length=64 * 1024)] | None = None

    @model_validator(mode="after")
    def _is_one_language(self) -> Script:
        if (self.python is None) == (self.shell is None):
            raise PydanticCustomError("script", "a script is written in either 'python' or 'shell'")
        return self


class Step(_Part):
    """One step. Exactly one of the kinds is given and makes its kind.

    `needs` None follows the step written before; () starts at once. `timeout`, `within` and the like are
    durations as text; `by_severity` stands before `within` (deadlines.py). `each` and `repeat` hold `steps` of
    their own, whose ids are unique in the whole playbook.
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
    expires: Duration | None = None
    secret_outputs: Annotated[tuple[Identifier, ...], Field(strict=False, max_length=20)] = ()

    approve: str = ""
    show: Needs = ()
    seats: Annotated[tuple[SeatEntry, ...], Field(strict=False, max_length=20)] = ()
    deny: Annotated[int, Field(ge=1, le=20)] = 1
    within: Duration = "4h"
    by_severity: Mapping[Level, Duration] = {}
    calendar: Calendar | None = None
    late: Literal["deny", "escalate", "hold", "fail"] = "deny"
    to: Annotated[tuple[SeatEntry, ...], Field(strict=False, max_length=20)] = ()

    ask: str = ""
    fields: Annotated[Mapping[Identifier, Input], Field(max_length=50)] = {}
    who: SeatEntry | None = None

    wait: Wait | None = None

    run: Slug | None = None
    detached: bool = False

    each: Any = None
    at_once: Annotated[int, Field(ge=1, le=100)] = 1
    may_fail: Annotated[int, Field(ge=0, le=MAX_ITEMS)] = 0
    repeat: Loop | None = None
    steps: Annotated[tuple[Step, ...], Field(strict=False)] = ()
    outputs: Mapping[Identifier, Any] = {}

    set: Mapping[Identifier, Any] | None = None
    script: Script | None = None

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
        return _GAPS[self.kind](self) if self.kind in _GAPS else ""

    @property
    def kind(self) -> str:
        """One of kinds.KINDS."""
        return next(kind for kind in KINDS if kind in self.model_fields_set)


def _gap_of_gate(step: Step) -> str:
    if not step.seats:
        return "a gate needs 'seats', such as [{role: tier-2}]"
    if step.to and step.late != "escalate":
        return "'to' says to whom a gate goes on that is late, so it belongs to 'late: escalate'"
    if any(each.owner_of for each in step.to):
        return "a late gate goes on to a role or to those on call; the owners are among its seats"
    return "a gate that is late can deny, escalate or hold, not fail" if step.late == "fail" else ""


def _gap_of_question(step: Step) -> str:
    if not step.fields:
        return "a question needs 'fields', such as {hosts: {type: list}}"
    if step.who is None:
        return "a question needs 'who', such as {role: tier-2}"
    if step.who.role is None:
        return "a question is answered by somebody with a role, such as {role: tier-2}"
    if "late" in step.model_fields_set and step.late not in {"fail", "hold"}:
        return "a question that is late can fail or hold"
    return ""


def _gap_of_block(step: Step) -> str:
    return "" if step.steps else f"'{step.kind}' needs 'steps', which it does again and again"


def _gap_of_each(step: Step) -> str:
    if not isinstance(step.each, str | list):
        return "'each' is a list, or an expression that gives one"
    if isinstance(step.each, list) and len(step.each) > MAX_ITEMS:
        return f"'each' has more than {MAX_ITEMS} items"
    return _gap_of_block(step)


_GAPS = {
    "approve": _gap_of_gate,
    "ask": _gap_of_question,
    "each": _gap_of_each,
    "repeat": _gap_of_block,
}


class Playbook(_Part):
    """`playbook` is its name in URLs, unique in an installation."""

    playbook: Slug
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    references: Annotated[tuple[Reference, ...], Field(strict=False, max_length=50)] = ()
    triggers: Annotated[tuple[Trigger, ...], Field(strict=False, max_length=50)] = ()
    inputs: Mapping[Identifier, Input] = {}
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=MAX_STEPS)]
    outputs: Mapping[Identifier, Any] = {}
    on_failure: Literal["stop", "rollback"] = "stop"


@dataclass(frozen=True, slots=True)
class Placed:
    """A step where it is written. `blocks` are the ids of the steps that hold it, the outermost first."""

    step: Step
    path: tuple[str | int, ...]
    blocks: tuple[str, ...]

    @property
    def block(self) -> str:
        """The id of the step that holds it, empty at the top."""
        return self.blocks[-1] if self.blocks else ""


def placed(playbook: Playbook) -> tuple[Placed, ...]:
    """Every step on every level, in the order written."""
    return tuple(_placed(playbook.steps, (), ()))


def _placed(
    steps: tuple[Step, ...], path: tuple[str | int, ...], blocks: tuple[str, ...]
) -> Iterator[Placed]:
    for index, step in enumerate(steps):
        at = (*path, "steps", index)
        yield Placed(step, at, blocks)
        if step.kind in BLOCKS:
            yield from _placed(step.steps, at, (*blocks, step.id))


def needs_of(playbook: Playbook) -> dict[str, tuple[str, ...]]:
    """Step id -> the ids that it needs, all in its own block, with the implicit order made explicit.

    Sorted, without repetition; of the steps on every level.
    """
    needs: dict[str, tuple[str, ...]] = {}
    previous: dict[str, tuple[str, ...]] = {}  # by block
    for place in placed(playbook):
        step = place.step
        written_before = previous.get(place.block, ())
        needs[step.id] = written_before if step.needs is None else tuple(sorted({*step.needs}))
        previous[place.block] = (step.id,)
    return needs


def document(playbook: Playbook) -> dict[str, Any]:
    """The plain data that a version's digest is made of; `Playbook.model_validate` is the way back.

    Two texts that mean the same give the same document: the order of steps is explicit, defaults are left out
    (so that a key which a later release adds changes no digest), durations are in their shortest form.
    """
    plain = playbook.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    needs = needs_of(playbook)
    for place in placed(playbook):
        body: Any = plain
        for part in place.path:
            body = body[part]
        body["needs"] = list(needs[place.step.id])
    return plain
