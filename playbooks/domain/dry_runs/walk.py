"""A dry run under way: its steps in memory, its clock, and what is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from heapq import heappop, heappush
from typing import Any

from playbooks.domain.definition import Definition
from playbooks.domain.dry_runs.choices import Choices
from playbooks.domain.dry_runs.ledger import Ledger
from playbooks.domain.dry_runs.world import Call, World, moment
from playbooks.domain.frames import TOP, key_in
from playbooks.domain.planner import Node, Progress, State
from playbooks.domain.playbook import Step
from playbooks.domain.policies.asking import Asked
from playbooks.domain.scope import scope
from playbooks.domain.statuses import STEP_ENDED, RunStatus, StepStatus, TurnStatus

NOT_STARTED = frozenset({StepStatus.PENDING, StepStatus.READY, StepStatus.WAITING})


@dataclass(eq=False)
class LiveTurn:
    index: int
    item: object
    status: TurnStatus = TurnStatus.PENDING
    sentence: str = ""
    outputs: Mapping[str, object] = field(default_factory=dict)
    frame: LiveFrame | None = None


@dataclass(eq=False)
class Request:
    """A request of `asking`, a gate or a step beyond a limit, that was granted or is open. `covered` is by key."""

    asking: LiveStep
    seats: tuple[str, ...]
    frozen_at: str
    number: int  # in the order in which they were opened
    covered: Mapping[str, Mapping[str, Any]]
    not_covered: Sequence[str]
    policies: Asked  # what they ask in it
    is_open: bool = True
    waiting: list[LiveStep] = field(default_factory=list)


@dataclass(eq=False)
class LiveStep:
    """`request` is the latest that it opened and that is in force. Of a block, `turns` are all that were begun or are
    to come, `due_at` is when its next may begin. `call` is what it has sent, `child` the run that it started.
    """

    document: Step
    frame: LiveFrame
    status: StepStatus = StepStatus.PENDING
    sentence: str = ""
    outputs: Mapping[str, object] = field(default_factory=dict)
    at: datetime | None = None
    request: Request | None = None
    turns: list[LiveTurn] = field(default_factory=list)
    begun: int = 0  # turns that were started, or never will be
    running: int = 0
    due_at: datetime | None = None
    is_stopping: bool = False
    call: Call | None = None
    child: Walk | None = None

    @cached_property
    def key(self) -> str:
        return key_in(self.frame.path, self.document.id)

    @property
    def has_ended(self) -> bool:
        return self.status in STEP_ENDED


@dataclass(eq=False)
class LiveFrame:
    """A turn of `block`, or the run's own frame, which is nobody's."""

    walk: Walk
    path: str
    nodes: Sequence[Node]
    block: LiveStep | None = None
    turn: LiveTurn | None = None
    steps: dict[str, LiveStep] = field(default_factory=dict)

    @property
    def states(self) -> dict[str, State]:
        return {name: State(step.status, step.outputs) for name, step in self.steps.items()}

    @property
    def is_stopping(self) -> bool:
        return self.block is not None and self.block.is_stopping

    @property
    def is_under_way(self) -> bool:
        if self.turn is not None:
            return self.turn.status is TurnStatus.RUNNING
        return self.walk.status is RunStatus.RUNNING

    @cached_property
    def is_shown(self) -> bool:
        """Whether its turn, and each that it is part of, is among those that are shown."""
        return self.turn is None or (
            Ledger.shows(self.turn.index) and self.block is not None and self.block.frame.is_shown
        )

    @cached_property
    def bindings(self) -> dict[str, object]:
        """`item` of the innermost `each`, `turn` of the innermost `repeat`."""
        if self.block is None or self.turn is None:
            return {}
        is_repeat = self.block.document.kind == "repeat"
        own: dict[str, object] = {"turn": self.turn.index + 1} if is_repeat else {"item": self.turn.item}
        return {**self.block.frame.bindings, **own}

    def known(self) -> dict[str, LiveStep]:
        """The steps of this frame and of those around it, by their ids."""
        outer = self.block.frame.known() if self.block else {}
        return {**outer, **self.steps}

    def scope(self, now: str, states: Mapping[str, Progress] | None = None) -> dict[str, object]:
        outer = self.block.frame.known() if self.block else {}
        around = {name: State(step.status, step.outputs) for name, step in outer.items()}
        return (
            self.walk.scope_of({**around, **(self.states if states is None else states)}, now) | self.bindings
        )


Target = LiveFrame | LiveStep  # what is to go on: a frame to plan, or a block to begin its next turn
Act = Callable[[], Sequence[Target]]


@dataclass(eq=False)
class Walk:
    """The dry run of one playbook. `context` holds `alert` and `case`; `within` is the place of a run that another
    started, such as `contain › `.
    """

    definition: Definition
    world: World
    choices: Choices
    ledger: Ledger
    now: datetime
    context: Mapping[str, object]
    inputs: Mapping[str, object]
    facts: Mapping[str, object]  # `run` in expressions
    within: str = ""
    depth: int = 0
    status: RunStatus = RunStatus.RUNNING
    sentence: str = ""
    outputs: Mapping[str, object] = field(default_factory=dict)
    steps: dict[str, LiveStep] = field(default_factory=dict)
    ready: dict[str, LiveStep] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)  # the questions that somebody has answered
    requests: int = 0
    _agenda: list[tuple[datetime, int, Act]] = field(default_factory=list)
    _scheduled: int = 0

    def __post_init__(self) -> None:
        self.began_at = self.now
        self.top = self.open(TOP, "", None, None)

    @property
    def moment(self) -> str:
        return moment(self.now)

    def open(self, path: str, block_id: str, block: LiveStep | None, turn: LiveTurn | None) -> LiveFrame:
        """A frame with its steps."""
        frame = LiveFrame(self, path, self.definition.nodes[block_id], block, turn)
        for node in frame.nodes:
            step = LiveStep(self.definition.steps[node.key], frame)
            frame.steps[node.key] = self.steps[step.key] = step
        return frame

    def scope_of(self, states: Mapping[str, Progress], now: str) -> dict[str, object]:
        return scope(context=self.context, inputs=self.inputs, run=self.facts, states=states, now=now)

    def end(
        self,
        step: LiveStep,
        status: StepStatus,
        sentence: str = "",
        outputs: Mapping[str, object] | None = None,
    ) -> None:
        self.ledger.count(self.world)
        self.ready.pop(step.key, None)
        step.status, step.sentence, step.outputs, step.at = status, sentence, dict(outputs or {}), self.now

    def make_ready(self, step: LiveStep) -> None:
        step.status = StepStatus.READY
        self.ready[step.key] = step

    def wait(self, step: LiveStep, sentence: str = "") -> None:
        self.ready.pop(step.key, None)
        step.status, step.sentence = StepStatus.WAITING, sentence

    def next_ready(self, last: LiveFrame) -> LiveStep | None:
        """One of the frame in which the last step ended, else the one that has been ready longest."""
        if not self.ready:
            return None
        here = (step for step in last.steps.values() if step.status is StepStatus.READY)
        return next(here, None) or next(iter(self.ready.values()))

    def schedule(self, at: datetime, act: Act) -> None:
        heappush(self._agenda, (at, self._scheduled, act))
        self._scheduled += 1

    def next_due(self) -> Act | None:
        """What happens next by itself, the clock being set to its time."""
        if not self._agenda:
            return None
        at, _, act = heappop(self._agenda)
        self.now = max(self.now, at)
        return act

    def place(self, step: LiveStep) -> str:
        return f"{self.within}{step.key}"
