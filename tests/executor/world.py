"""A connector of the tests: a real port onto a small world that counts every effect.

It has one action for each repeat kind. `fake.keyed` honours the idempotency key as a far side would, `fake.lookup` can
say whether a key was seen, `fake.read` answers without an effect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from playbooks.connectors.declaration import Binding, Connector, Context, Job
from playbooks.domain.actions import Action, Effect, Irreversible, NothingToUndo, Repeat, Timeout, Undo
from playbooks.domain.outcomes import Failed, Lost, Outcome, Pending, Succeeded

TARGET = {"type": "object", "properties": {"target": {"type": "string"}}, "additionalProperties": False}
OUTPUTS = {
    "type": "object",
    "properties": {
        "target": {"type": "string"},
        "changed": {"type": "boolean"},
        "count": {"type": "integer"},
    },
}


@dataclass
class World:
    """`effects` counts what was done to each target; `keys` are those that the far side has seen."""

    effects: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)  # answered first, in order, without an effect
    order: list[str] = field(default_factory=list)
    jobs: dict[str, Outcome] = field(default_factory=dict)  # how the job of each target stands

    def act(self, context: Context, *, target: str = "") -> Outcome:
        if self.outcomes:
            return self.outcomes.pop(0)
        self.effects[target] += 1
        self.order.append(target)
        self.keys.add(context.idempotency_key)
        return Succeeded({"target": target, "changed": True, "count": self.effects[target]})

    def act_once_a_key(self, context: Context, *, target: str = "") -> Outcome:
        if context.idempotency_key in self.keys:
            return Succeeded({"target": target, "changed": True, "count": self.effects[target]})
        return self.act(context, target=target)

    def look(self, context: Context, *, target: str = "") -> Outcome | None:
        if context.idempotency_key not in self.keys:
            return None
        return Succeeded({"target": target, "changed": True, "count": self.effects[target]})

    def undo(self, context: Context, *, target: str = "") -> Outcome:
        if self.outcomes:
            return self.outcomes.pop(0)
        self.effects[target] -= 1
        self.order.append(f"undo {target}")
        return Succeeded({"target": target, "changed": True, "count": self.effects[target]})

    def start_job(self, context: Context, *, target: str = "") -> Outcome:
        """A job that goes on until `jobs` says how it ended."""
        if self.outcomes:
            return self.outcomes.pop(0)
        self.jobs.setdefault(target, Pending({"job": target}, 5.0, "It has begun."))
        return self.jobs[target]

    def poll_job(self, context: Context, handle: Mapping[str, object], *, target: str = "") -> Outcome:
        self.order.append(f"poll {target}")
        return self.jobs[target]

    def cancel_job(self, context: Context, handle: Mapping[str, object], *, target: str = "") -> Outcome:
        """The first time it is asked it only says that it will."""
        self.order.append(f"stop {target}")
        if self.order.count(f"stop {target}") > 1:
            self.jobs[target] = Failed("It was stopped.", permanent=True)
        return self.jobs[target]

    def read(self, context: Context, *, target: str = "") -> Outcome:
        if self.outcomes:
            return self.outcomes.pop(0)
        self.order.append(f"read {target}")
        return Succeeded({"target": target, "changed": False, "count": self.effects[target]})


LOST = Lost("The connection broke after the request was sent.")
BROKEN = Failed("The far side answered 500.", permanent=False)
REFUSED = Failed("The far side answered 403.", permanent=True)


def connector(world: World) -> Connector:
    undo = Undo("fake.undo", {"target": "${ inputs.target }"})
    return Connector(
        key="fake",
        label="Fake",
        fields=(),
        bindings=(
            _binding("read", Effect.READ, Repeat.SAFE, NothingToUndo(), world.read),
            _binding("safe", Effect.CHANGE, Repeat.SAFE, undo, world.act_once_a_key),
            _binding("keyed", Effect.CHANGE, Repeat.KEYED, undo, world.act_once_a_key),
            _binding("lookup", Effect.CHANGE, Repeat.LOOKUP, undo, world.act, world.look),
            _binding("never", Effect.CHANGE, Repeat.NEVER, undo, world.act),
            _binding("destroy", Effect.DESTROY, Repeat.NEVER, Irreversible("Gone is gone."), world.act),
            _job(world, undo),
            _binding("undo", Effect.CHANGE, Repeat.SAFE, NothingToUndo(), world.undo),
        ),
    )


def _job(world: World, undo: Undo) -> Binding:
    binding = _binding("job", Effect.CHANGE, Repeat.NEVER, undo, world.start_job)
    action = replace(binding.action, is_job=True, timeout=Timeout(1, 3600))
    return replace(binding, action=action, job=Job(world.poll_job, world.cancel_job))


def _binding(
    name: str,
    effect: Effect,
    repeat: Repeat,
    undo: Undo | Irreversible | NothingToUndo,
    perform: Callable[..., Outcome],
    lookup: Callable[..., Outcome | None] | None = None,
) -> Binding:
    action = Action(
        key=f"fake.{name}",
        label=name,
        inputs=TARGET,
        outputs=OUTPUTS,
        effect=effect,
        repeat=repeat,
        undo=undo,
        timeout=Timeout(1, 5),
        target="target",
        example={"target": "t", "changed": True, "count": 1},
    )
    return Binding(action=action, perform=perform, preview=_preview, lookup=lookup, verify=None)


def _preview(_context: Context, **inputs: object) -> Mapping[str, object]:
    return inputs
