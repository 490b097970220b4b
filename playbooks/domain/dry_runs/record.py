"""What a dry run tells: the path, and everything that would have been done and asked on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MOST_TURNS = 20  # of each block that are shown
MOST_SHOWN = 1000  # of each list


@dataclass(frozen=True, slots=True)
class PathTurn:
    """One turn of a block: `item` of an `each`; `index` counts from 0. `status` is one of statuses.TurnStatus."""

    index: int
    item: Any
    status: str
    sentence: str
    outputs: Mapping[str, Any]
    steps: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True)
class PathRun:
    """The run of another playbook. `path` is empty for somebody who may not see that playbook."""

    playbook: str
    number: int
    title: str
    status: str
    sentence: str
    is_detached: bool
    is_shown: bool
    outputs: Mapping[str, Any]
    path: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True)
class PathStep:
    """A step on the path. `key` is its place among the steps that are under way, such as `hosts[3].isolate`.

    `status` is taken, skipped, failed, cancelled (it was stopped), waiting (nothing ends that) or not_reached. `at` is
    the simulated moment at which it ended. Of a block `turns` are the first MOST_TURNS, `turns_left_out` how many
    more there were.
    """

    key: str
    id: str
    title: str
    kind: str
    status: str
    sentence: str
    at: datetime | None
    outputs: Mapping[str, Any]
    turns: tuple[PathTurn, ...] = ()
    turns_left_out: int = 0
    run: PathRun | None = None


@dataclass(frozen=True, slots=True)
class WouldBeAction:
    """What a step would send. `step` is its key; of a run that another started, behind that one's: `contain › block`.

    `effect` is one of actions.Effect. `sends` is the connector's own rendering, `undo` the call that would take it
    back, or the sentence why there is none. `answer` says where the outcome comes from: example, chosen, performed, or
    refused, where the connector would not send it.
    """

    step: str
    at: datetime
    action: str
    label: str
    effect: str
    connection: str
    is_simulated: bool
    target: str
    parameters: Mapping[str, Any]
    sends: Mapping[str, Any]
    undo: Mapping[str, Any] | str
    expires_at: datetime | None
    answer: str


@dataclass(frozen=True, slots=True)
class WouldBeApproval:
    """A request that people would be asked to decide.

    `covered` are the first MOST_TURNS of `covered_count` calls, as the request would show them; `not_covered` are
    those of which not everything would be known. `policies` are those that ask for something in it, with their version.
    `changed` says why it would be asked again, empty the first time.
    `answered_before` are the questions whose answerers could not decide it.
    """

    step: str
    playbook: str
    number: int
    question: str
    seats: tuple[str, ...]
    at: datetime
    due_at: datetime
    late: str
    shown: Mapping[str, Any]
    covered: tuple[Mapping[str, Any], ...]
    covered_count: int
    not_covered: tuple[str, ...]
    policies: tuple[str, ...]
    changed: str
    chosen: str
    answered_before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WouldBeQuestion:
    """A form that one person of the role would fill in. `answers` are those that the dry run goes on with."""

    step: str
    question: str
    role: str
    fields: Mapping[str, Mapping[str, Any]]
    shown: Mapping[str, Any]
    at: datetime
    due_at: datetime
    late: str
    answers: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class WouldBeWait:
    """A step that waits until a moment, or until then for an event with this key."""

    step: str
    at: datetime
    until: datetime
    event: str
    key: str
    arrives: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many more there were than are shown."""

    actions: int = 0
    approvals: int = 0
    questions: int = 0
    waits: int = 0


@dataclass(frozen=True, slots=True)
class Walked:
    """`status` is succeeded, failed, waiting (it would wait for ever), or unfinished: it took too many steps or too
    long, and `sentence` says so. `undoing` is what its rollback would take back, in order, when it failed and rolls
    back by itself; `stays` are the steps that nothing takes back, with the reason. `notes` say what is not shown.
    """

    status: str
    sentence: str
    began_at: datetime
    ended_at: datetime
    path: tuple[PathStep, ...]
    actions: tuple[WouldBeAction, ...]
    approvals: tuple[WouldBeApproval, ...]
    questions: tuple[WouldBeQuestion, ...]
    waits: tuple[WouldBeWait, ...]
    left_out: LeftOut
    outputs: Mapping[str, Any]
    undoing: tuple[Mapping[str, Any], ...]
    stays: tuple[Mapping[str, str], ...]
    notes: tuple[str, ...]
