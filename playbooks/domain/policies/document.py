"""A policy as a value: the shape of its text, and every problem of a text at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from playbooks.domain.actions import Action, Catalogue, Effect, Undo
from playbooks.domain.calendars import Calendar
from playbooks.domain.check_shape import sentence_about
from playbooks.domain.expressions import paths, syntax_error
from playbooks.domain.field_types import Slug
from playbooks.domain.playbook import SeatEntry
from playbooks.domain.policies.facts import KNOWN, NAMES
from playbooks.domain.policies.seats_asked import Wanted
from playbooks.domain.problems import Finding, Problem, Unreadable, nearest
from playbooks.domain.reader import Document, Path, read_yaml
from playbooks.domain.seats import OWNER_OF

Window = Literal["hour", "day", "week"]
MOST_SEATS = 10
EFFECTS = ("require", "forbid", "limit", "step_up", "notify", "permit", "provisional")
LEAVES = frozenset({"permit", "provisional"})


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"'{text[:80]}' is no moment; write one with its zone, such as 2027-01-31T18:00:00Z")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Moment = Annotated[str, AfterValidator(_moment)]
Sentence = Annotated[str, Field(min_length=1, max_length=500)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=False)


class SeatAsked(SeatEntry):
    """How a document writes a seats_asked.Wanted: as a gate writes its seats, with the roles of a gate's seats that
    will do as well.
    """

    met_by: Annotated[tuple[Slug, ...], Field(strict=False, max_length=20)] = ()


Seats = Annotated[tuple[SeatAsked, ...], Field(strict=False, min_length=1, max_length=MOST_SEATS)]


class Require(_Part):
    """People who have to approve, in different seats."""

    seats: Seats


class Limit(_Part):
    """Past so many `targets`, changed through one connector `within` an hour, a day or a week, seats are asked."""

    targets: Annotated[int, Field(ge=1, le=100_000)]
    within: Window
    seats: Seats


class Notify(_Part):
    """People who are told that an action begins, and what is said to them. Nobody is asked, and nothing waits."""

    to: Annotated[tuple[SeatEntry, ...], Field(strict=False, min_length=1, max_length=MOST_SEATS)]
    say: Sentence | None = None


class Permit(_Part):
    """A pre-authorization: up to a moment, so many `times` and on so many `targets`, for these actions only."""

    until: Moment
    actions: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=50)]
    times: Annotated[int, Field(ge=1, le=10_000)]
    targets: Annotated[int, Field(ge=1, le=10_000)]


class Provisional(_Part):
    """These actions run before anybody is asked, and are taken back after so many `minutes` unless people in the
    `seats` countersign. No more than so many `targets` stand on nobody's word. Without `until` it ends in 92 days.
    """

    minutes: Annotated[int, Field(ge=1, le=1440)]
    targets: Annotated[int, Field(ge=1, le=1000)]
    actions: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=50)]
    seats: Seats
    until: Moment | None = None


class Policy(_Part):
    """`policy` is its name in URLs, unique in an installation; `when` is a condition over facts.NAMES."""

    policy: Slug
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    when: Annotated[str, Field(min_length=1)]
    calendar: Calendar = Calendar()
    require: Require | None = None
    forbid: Sentence | None = None
    limit: Limit | None = None
    step_up: bool = False
    notify: Notify | None = None
    permit: Permit | None = None
    provisional: Provisional | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Policy:
        given = [name for name in EFFECTS if getattr(self, name)]
        if not given:
            raise PydanticCustomError(
                "policy",
                "a policy asks for something: 'require', 'forbid', 'limit', 'step_up', 'notify', 'permit' or "
                "'provisional'",
            )
        if self.is_leave and len(given) > 1:
            raise PydanticCustomError(
                "policy",
                "a policy with 'permit' or 'provisional' does nothing else; write what it asks for as another policy",
            )
        return self

    @property
    def is_leave(self) -> bool:
        """Whether it lets things run before anybody is asked: two agree to it beforehand, and it ends at once."""
        return any(getattr(self, part) for part in LEAVES)

    @property
    def only_tells(self) -> bool:
        return [name for name in EFFECTS if getattr(self, name)] == ["notify"]

    @property
    def names_phase(self) -> bool:
        """Whether it looks at what is taken back as well: an undo is else covered by the approval of its action."""
        return any(path[0] == "phase" for path in paths(self.when, names=NAMES))

    def reads(self, name: str) -> bool:
        """Whether the condition, or what it asks for, needs this fact."""
        is_counted = name == "count" and self.limit is not None
        return is_counted or any(path[0] == name for path in paths(self.when, names=NAMES))


@dataclass(frozen=True, slots=True)
class Checked:
    """`policy` is there exactly when there are no problems. Problems are sorted by place."""

    policy: Policy | None
    problems: tuple[Problem, ...]


def check(text: str, *, roles: Iterable[str], rotas: Iterable[str], catalogue: Catalogue) -> Checked:
    """Checks a text against the language, and the roles, rotas and actions that there are. Never raises."""
    try:
        document = read_yaml(text)
    except Unreadable as error:
        return Checked(None, error.problems)
    if not isinstance(document.data, dict):
        return Checked(None, (Problem(1, 1, "a policy is a mapping, beginning with 'policy:' and its name"),))
    policy, findings = _read(document.data)
    if policy is not None:
        findings = [*_names(policy, frozenset(roles), frozenset(rotas)), *_expressions(policy)]
        findings += _actions(policy, catalogue)
    problems = _placed(document, findings)
    return Checked(None if problems else policy, problems)


def document_of(policy: Policy) -> dict[str, Any]:
    """The plain data that a version's digest is made of; `Policy.model_validate` is the way back."""
    return policy.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def wanted_of(seats: Iterable[SeatAsked], connection: str) -> tuple[Wanted, ...]:
    """The seats by their names, for an action through this connection: its owner is the owner of the target. Without
    a connection nobody is, and the seat stays: fewer people than were written are never asked.
    """
    return tuple(Wanted(name_for(each, connection), each.met_by) for each in seats)


def name_for(seat: SeatEntry, connection: str) -> str:
    """The name of a seat, or of who is told, for an action through this connection."""
    return f"{OWNER_OF}{connection}" if seat.owner_of and connection else seat.name


def seats_of(policy: Policy) -> tuple[tuple[Path, SeatAsked], ...]:
    """Every seat that the policy may ask for, with where it stands."""
    found = [(part, getattr(policy, part)) for part in ("require", "limit", "provisional")]
    return tuple(
        ((part, "seats", index), seat)
        for part, effect in found
        if effect is not None
        for index, seat in enumerate(effect.seats)
    )


def _read(data: Mapping[str, Any]) -> tuple[Policy | None, list[Finding]]:
    try:
        return Policy.model_validate(data), []
    except ValidationError as error:
        return None, [_finding(each) for each in error.errors(include_url=False)]


_PARTS: Mapping[str, type[BaseModel]] = {
    "calendar": Calendar,
    "require": Require,
    "limit": Limit,
    "notify": Notify,
    "permit": Permit,
    "provisional": Provisional,
}


def _finding(error: ErrorDetails) -> Finding:
    path: Path = error["loc"]
    if error["type"] == "extra_forbidden":
        message = f"unknown key '{path[-1]}'{nearest(str(path[-1]), _known_keys(path[:-1]))}"
        return Finding(path, message, at_key=True)
    if error["type"] == "missing":
        return Finding(path[:-1], f"the key '{path[-1]}' is missing")
    return Finding(path, sentence_about(error, path))


def _known_keys(parent: Path) -> frozenset[str]:
    if not parent:
        return frozenset(Policy.model_fields)
    listed = {"seats": SeatAsked, "to": SeatEntry}
    part = next((listed[key] for key in listed if key in parent), None) or _PARTS.get(str(parent[0]))
    return frozenset(field.alias or key for key, field in part.model_fields.items()) if part else frozenset()


def _names(policy: Policy, roles: frozenset[str], rotas: frozenset[str]) -> Iterator[Finding]:
    told = enumerate(policy.notify.to if policy.notify else ())
    for path, seat in (*seats_of(policy), *((("notify", "to", index), each) for index, each in told)):
        for at, role in _roles_in(path, seat):
            if role not in roles:
                yield Finding(at, f"there is no role '{role}'{nearest(role, roles)}")
        if seat.on_call and seat.on_call not in rotas:
            message = f"there is no rota '{seat.on_call}'{nearest(seat.on_call, rotas)}"
            yield Finding((*path, "on_call"), message)


def _roles_in(path: Path, seat: SeatEntry) -> Iterator[tuple[Path, str]]:
    if seat.role:
        yield (*path, "role"), seat.role
    for index, role in enumerate(seat.met_by if isinstance(seat, SeatAsked) else ()):
        yield (*path, "met_by", index), role


def _expressions(policy: Policy) -> Iterator[Finding]:
    if problem := syntax_error(policy.when, names=NAMES):
        yield Finding(("when",), problem.rstrip("."))
        return
    for name, *rest in sorted(paths(policy.when, names=NAMES)):
        known = KNOWN[name]
        if known and rest and rest[0] not in known:
            yield Finding(("when",), f"'{name}' has no '{rest[0]}'{nearest(rest[0], known)}")


def _actions(policy: Policy, catalogue: Catalogue) -> Iterator[Finding]:
    """What destroys is never let run beforehand, and what cannot be taken back never provisionally."""
    for part, leave in (("permit", policy.permit), ("provisional", policy.provisional)):
        for index, key in enumerate(leave.actions if leave else ()):
            action = catalogue.get(key)
            if action is None:
                message = f"there is no action '{key}'{nearest(key, catalogue)}"
            else:
                message = _why_not(part, action)
            if message:
                yield Finding((part, "actions", index), message)


def _why_not(part: str, action: Action) -> str:
    if action.effect is Effect.DESTROY:
        return f"{action.key} destroys, and nothing that destroys can be permitted beforehand"
    if part == "provisional" and (action.effect is not Effect.CHANGE or not isinstance(action.undo, Undo)):
        return f"{action.key} is no change that can be undone, so it never runs provisionally"
    return ""


def _placed(document: Document, findings: Iterable[Finding]) -> tuple[Problem, ...]:
    places = {True: document.place_of_key, False: document.place}
    return tuple(sorted({Problem(*places[each.at_key](each.path), each.message) for each in findings}))
