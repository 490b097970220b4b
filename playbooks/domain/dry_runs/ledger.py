"""What a dry run writes down while it goes on, and the bounds of going on."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from playbooks.domain.actions import Effect
from playbooks.domain.dry_runs.record import (
    MOST_SHOWN,
    MOST_TURNS,
    WouldBeAction,
    WouldBeApproval,
    WouldBeQuestion,
    WouldBeWait,
)
from playbooks.domain.dry_runs.world import Call, World

MOST_STEPS = 100_000
GRAVE = frozenset({Effect.CHANGE, Effect.DESTROY})
LOOK_EVERY = 50  # steps, at the clock
TOO_MANY = f"The dry run stopped after {MOST_STEPS} steps. What follows was not walked."
TOO_LONG = "The dry run took too long and stopped. What follows was not walked."


class Enough(Exception):
    """The dry run has reached a bound; the message is the sentence that says which."""


@dataclass
class Bounds:
    """What all the walks of a dry run share: how many steps have ended, and the targets that would be changed, by
    connection.
    """

    ended: int = 0
    changed: dict[str, set[str]] = field(default_factory=dict)


@dataclass
class Ledger:
    actions: list[WouldBeAction] = field(default_factory=list)
    approvals: list[WouldBeApproval] = field(default_factory=list)
    questions: list[WouldBeQuestion] = field(default_factory=list)
    waits: list[WouldBeWait] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)

    def hidden(self) -> Ledger:
        """For what is walked and not told."""
        return Ledger(bounds=self.bounds)

    @staticmethod
    def shows(turn: int) -> bool:
        return turn < MOST_TURNS

    def has_room(self, name: str, *, is_shown: bool) -> bool:
        """Whether another entry is written into the list with this name; one that is not is counted."""
        if is_shown and len(getattr(self, name)) < MOST_SHOWN:
            return True
        self.left_out[name] = self.left_out.get(name, 0) + 1
        return False

    def change(self, call: Call | None) -> None:
        """The call has succeeded."""
        if call is not None and call.action.effect in GRAVE:
            self.bounds.changed.setdefault(call.place, set()).add(call.target[:200])

    def targets(self, place: str) -> Set[str]:
        """What would have been changed over this connection."""
        return self.bounds.changed.get(place, frozenset())

    def count(self, world: World) -> None:
        """Another step has ended. Raises Enough."""
        self.bounds.ended += 1
        if self.bounds.ended > MOST_STEPS:
            raise Enough(TOO_MANY)
        if self.bounds.ended % LOOK_EVERY == 0:
            self.look(world)

    def look(self, world: World) -> None:
        """Raises Enough."""
        if world.is_out_of_time():
            raise Enough(TOO_LONG)
