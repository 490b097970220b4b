"""What an action is: the description that the language checks, policies read and the executor obeys.

A connector's file declares its actions with these types (connectors/contract.py); nothing here touches the
outside world, so the checker and the planner can use the whole catalogue without a connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What an action does to the world, from harmless to grave; approvals look at this."""

    READ = "read"
    MESSAGE = "message"
    CHANGE = "change"
    DESTROY = "destroy"


class Repeat(StrEnum):
    """What may be done after an answer was lost."""

    SAFE = "safe"  # doing it twice is harmless
    KEYED = "keyed"  # the far side honours our idempotency key
    LOOKUP = "lookup"  # a look-up tells whether it happened
    NEVER = "never"  # only a person can tell


@dataclass(frozen=True, slots=True)
class Undo:
    """The inverse action. `parameters` are rendered with `inputs` and `outputs` of the step in scope."""

    action: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Irreversible:
    """There is no way back; `sentence` is what a person is shown before approving and in a rollback plan."""

    sentence: str


@dataclass(frozen=True, slots=True)
class NothingToUndo:
    """For actions that change nothing."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds. A playbook may ask for another deadline, never beyond `maximum`."""

    default: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a connector can do. An author of a connector decides each field but the last two, which few need.

    `inputs` and `outputs` are JSON Schemas of objects; `outputs` are what later steps may read. An input that is
    marked `writeOnly` may receive a secret output of an earlier step and is shown nowhere. Actions whose
    effect is `change` or `destroy` have a boolean output `changed`: False says that the target was already in
    the wanted state, so that a rollback leaves it there. `target` names the input that says what is acted on;
    empty, the connection itself is.
    `example` is one real-looking result, from which the simulator answers.
    `is_job` says that it may answer Pending. `is_pure` says that it touches nothing outside itself: dry runs and
    simulated runs really perform it, since its answer depends on its inputs alone.
    """

    key: str  # "nftables.block_address"
    label: str
    inputs: Mapping[str, object]
    outputs: Mapping[str, object]
    effect: Effect
    repeat: Repeat
    undo: Undo | Irreversible | NothingToUndo
    timeout: Timeout
    target: str
    example: Mapping[str, object]
    is_job: bool = False
    is_pure: bool = False

    @property
    def connector(self) -> str:
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        return self.key.partition(".")[2]

    @property
    def secret_inputs(self) -> frozenset[str]:
        """The names of the inputs that are marked `writeOnly`."""
        declared = self.inputs.get("properties")
        properties = declared if isinstance(declared, Mapping) else {}
        marked = {
            name for name, each in properties.items() if isinstance(each, Mapping) and each.get("writeOnly")
        }
        return frozenset(marked)


Catalogue = Mapping[str, Action]
