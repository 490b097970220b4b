"""The far side of a world: targets that count what was done to them, behind a connector of each repeat kind.

A call is drawn: it succeeds, finds nothing to change, fails, or its answer is lost, before or after the effect. In
the middle of a call other actors go on, and what comes after the deadline of the call has no effect any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from playbooks.connectors.declaration import Binding, Connector, Context
from playbooks.domain.actions import Action, Effect, Irreversible, NothingToUndo, Repeat, Timeout, Undo
from playbooks.domain.outcomes import Failed, Lost, Outcome, Succeeded
from tests.simulation.stage import Stage

Perform = Callable[..., Outcome]
INPUTS = {
    "type": "object",
    "properties": {"target": {"type": "string"}, "note": {}},
    "required": ["target"],
    "additionalProperties": False,
}
OUTPUTS = {
    "type": "object",
    "properties": {
        "target": {"type": "string"},
        "changed": {"type": "boolean"},
        "count": {"type": "integer"},
    },
}


class Fate(StrEnum):
    """What becomes of a call."""

    SUCCEEDS = "succeeds"
    CHANGES_NOTHING = "changes nothing"
    FAILS = "fails"
    IS_REFUSED = "is refused"
    IS_LOST_BEFORE = "is lost before the effect"
    IS_LOST_AFTER = "is lost after the effect"
    BREAKS_OFF = "breaks off after the effect"


WEIGHTS = {
    Fate.SUCCEEDS: 70,
    Fate.CHANGES_NOTHING: 5,
    Fate.FAILS: 8,
    Fate.IS_REFUSED: 4,
    Fate.IS_LOST_BEFORE: 5,
    Fate.IS_LOST_AFTER: 6,
    Fate.BREAKS_OFF: 2,
}


@dataclass
class FarSide:
    """`effects` and `undone` count by target what was carried out; `seen` maps an idempotency key to the answer that
    it had.
    """

    stage: Stage
    effects: Counter[str] = field(default_factory=Counter)
    undone: Counter[str] = field(default_factory=Counter)
    seen: dict[str, Succeeded] = field(default_factory=dict)
    is_kind: bool = False  # every call succeeds
    honours_keys: bool = True

    def act(self, context: Context, *, target: str, note: object = None) -> Outcome:
        return self._call(context, target, self.effects)

    def act_once_a_key(self, context: Context, *, target: str, note: object = None) -> Outcome:
        """Honours the idempotency key: a key that was seen has the same answer, and no further effect."""
        return self._call(context, target, self.effects, honours_key=self.honours_keys)

    def undo(self, context: Context, *, target: str, note: object = None) -> Outcome:
        return self._call(context, target, self.undone)

    def read(self, context: Context, *, target: str, note: object = None) -> Outcome:
        return self._call(context, target, Counter())

    def look(self, context: Context, *, target: str, note: object = None) -> Outcome | None:
        self.stage.give_way(f"looks for {target}")
        if self._fate() is Fate.IS_LOST_BEFORE:
            return Lost("The look-up was not answered.")
        return self.seen.get(context.idempotency_key)

    def _call(
        self, context: Context, target: str, counter: Counter[str], *, honours_key: bool = False
    ) -> Outcome:
        fate, deadline = self._fate(), self.stage.clock.elapsed + context.seconds_left()
        self.stage.give_way(f"calls {target}, which {fate}")
        if fate is Fate.FAILS or fate is Fate.IS_REFUSED:
            return Failed(f"The far side {fate}.", permanent=fate is Fate.IS_REFUSED)
        if fate is Fate.IS_LOST_BEFORE or self.stage.clock.elapsed > deadline:
            return Lost("No answer came before the deadline.")
        answer = self._effect(context.idempotency_key, target, counter, fate, honours_key)
        self.stage.give_way(f"has done {target}")
        if fate is Fate.IS_LOST_AFTER or self.stage.clock.elapsed > deadline:
            return Lost("No answer came before the deadline.")
        if fate is Fate.BREAKS_OFF:
            raise ConnectionResetError
        return answer

    def _effect(
        self, key: str, target: str, counter: Counter[str], fate: Fate, honours_key: bool
    ) -> Succeeded:
        if honours_key and key in self.seen:
            return self.seen[key]
        changed = fate is not Fate.CHANGES_NOTHING
        counter[target] += 1
        answer = Succeeded({"target": target, "changed": changed, "count": counter[target]})
        self.seen[key] = answer
        return answer

    def _fate(self) -> Fate:
        if self.is_kind:
            return Fate.SUCCEEDS
        return self.stage.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]


class Side(Protocol):
    """What the connector needs of a far side."""

    @property
    def act(self) -> Perform: ...
    @property
    def act_once_a_key(self) -> Perform: ...
    @property
    def undo(self) -> Perform: ...
    @property
    def read(self) -> Perform: ...
    @property
    def look(self) -> Callable[..., Outcome | None]: ...


def connector(far: Side) -> Connector:
    undo = Undo("far.undo", {"target": "${ inputs.target }"})
    undo_once = Undo("far.undo_once", {"target": "${ inputs.target }"})
    gone = Irreversible("Gone is gone.")
    return Connector(
        key="far",
        label="Far side",
        fields=(),
        bindings=(
            _binding("read", Effect.READ, Repeat.SAFE, NothingToUndo(), far.read),
            _binding("message", Effect.MESSAGE, Repeat.KEYED, NothingToUndo(), far.act_once_a_key),
            _binding("safe", Effect.CHANGE, Repeat.SAFE, undo, far.act),
            _binding("keyed", Effect.CHANGE, Repeat.KEYED, undo, far.act_once_a_key),
            _binding("lookup", Effect.CHANGE, Repeat.LOOKUP, undo_once, far.act, far.look),
            _binding("never", Effect.CHANGE, Repeat.NEVER, undo_once, far.act),
            _binding("destroy", Effect.DESTROY, Repeat.NEVER, gone, far.act),
            _binding("undo", Effect.CHANGE, Repeat.SAFE, NothingToUndo(), far.undo),
            _binding("undo_once", Effect.CHANGE, Repeat.NEVER, NothingToUndo(), far.undo),
        ),
    )


def _binding(
    name: str,
    effect: Effect,
    repeat: Repeat,
    undo: Undo | Irreversible | NothingToUndo,
    perform: Callable[..., Outcome],
    lookup: Callable[..., Outcome | None] | None = None,
) -> Binding:
    action = Action(
        key=f"far.{name}",
        label=name,
        inputs=INPUTS,
        outputs=OUTPUTS,
        effect=effect,
        repeat=repeat,
        undo=undo,
        timeout=Timeout(2, 8),
        target="target",
        example={"target": "t", "changed": True, "count": 1},
    )
    return Binding(action=action, perform=perform, preview=_preview, lookup=lookup, verify=None)


def _preview(_context: Context, **inputs: object) -> Mapping[str, object]:
    return inputs
