"""What a dry run has to be told about the world outside of the playbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from playbooks.domain.actions import Action
from playbooks.domain.definition import Definition
from playbooks.domain.outcomes import Failed, Succeeded
from playbooks.domain.playbook import Step
from playbooks.domain.policies.judging import Matched
from playbooks.domain.rollback import UndoCall
from playbooks.domain.subject import Covered

Scope = Mapping[str, object]


class Call(Protocol):
    """An action ready to run, its parameters resolved."""

    @property
    def action(self) -> Action: ...
    @property
    def parameters(self) -> Mapping[str, object]: ...
    @property
    def is_simulated(self) -> bool: ...
    @property
    def target(self) -> str: ...
    @property
    def place(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """`origin` is example, performed, or refused: the connector would not send it."""

    outcome: Succeeded | Failed
    origin: str


@dataclass(frozen=True, slots=True)
class Ruled:
    """What policies say of a call: what they ask, why they forbid it (empty where they do not), and whether a permit
    lets it run without an approval. `afterwards` are those that ask once it has run.
    """

    asking: tuple[Matched, ...] = ()
    forbidden: str = ""
    is_permitted: bool = False
    afterwards: tuple[Matched, ...] = ()


class World(Protocol):
    """What cannot be resolved is raised as an ExpressionError with its sentence."""

    def parameters(self, values: Mapping[str, object], scope: Scope) -> dict[str, object]: ...

    def resolve(self, step: Step, scope: Scope) -> Call: ...

    def covered(self, definition: Definition, step: Step, scope: Scope, key: str) -> Covered:
        """The call of a step that acts, or runs another playbook, as an approval would show it."""

    def seats(self, definition: Definition, gate: Step) -> tuple[str, ...]:
        """The seats of a gate by name (domain/seat_names.py)."""

    def effect(self, definition: Definition, step: Step) -> str: ...

    def beyond_limit(self, call: Call, changed: Set[str]) -> str:
        """The role that has to approve the call since its connection has changed as many targets as it may; empty
        where it has not. `changed` are the targets that this dry run would have changed there.
        """

    def ruled(self, call: Call, context: Scope, owners: Scope, changed: Set[str], at: datetime) -> Ruled:
        """What the policies in force say. `context` holds `alert` and `case`, `owners` whom targets belong to as far as
        the asset list was asked, `changed` the targets that this dry run would have changed there.
        """

    def asked(
        self, covered: Sequence[Covered], context: Scope, owners: Scope, at: datetime
    ) -> tuple[Matched, ...]:
        """What they ask for these calls, each policy once."""

    def preview(self, call: Call) -> Mapping[str, object]: ...

    def answer(self, call: Call, step: Step) -> Answer: ...

    def undo(
        self,
        key: str,
        step: Step,
        scope: Scope,
        parameters: Mapping[str, object],
        outputs: Mapping[str, object],
    ) -> UndoCall | str: ...

    def child(self, definition: Definition, slug: str) -> Definition:
        """The playbook that a step would run: pinned, or as it is in force."""

    def may_see(self, definition: Definition) -> bool: ...

    def covering(self, definition: Definition, gate: str) -> tuple[str, ...]:
        """The ids of the steps for which a gate answers."""

    def is_out_of_time(self) -> bool: ...


def moment(now: datetime) -> str:
    """`now` as expressions see it: RFC 3339, UTC, whole seconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
