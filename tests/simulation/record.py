"""What is left of a history when it is over, for whoever judges it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from playbooks.audit.signing import Signer
from playbooks.models import Step
from tests.cast import Cast


@dataclass(frozen=True, slots=True)
class Record:
    """`runs` are those that were answered for, by the number of the click that asked; `asked` is how many clicks
    there were. `effects` and `undone` count what the far side carried out by target, which is run/step. `given_up`
    are steps, and whether the doing (False) or the undoing of them was. `complaints` were met on the way.
    """

    cast: Cast
    signer: Signer
    runs: Mapping[int, UUID]
    asked: int
    effects: Counter[str]
    undone: Counter[str]
    given_up: frozenset[tuple[str, bool]]
    complaints: tuple[str, ...] = ()

    def was_given_up(self, step: Step) -> bool:
        return (str(step.pk), False) in self.given_up

    def was_undo_given_up(self, step: Step) -> bool:
        """By a person, in any rollback or expiry: what is tried after that may be done for the second time."""
        return (str(step.undoes_id), True) in self.given_up
