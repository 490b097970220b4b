"""A change that is confirmed before it is done: what the page asks, what it carries, and what it says afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from playbooks.operations.caller import Caller
from playbooks.operations.rights import Blocked

Form = Mapping[str, str]
STAYS = "Whoever decides with it is looked at anew at each decision, and once more before anything runs."
COUNTS = "It counts at once. It does not count for what the giver, or who gave them their right, has a hand in today."
WAITS = (
    "Requests that then lack somebody stay open and wait; the next page names them. Nothing is granted by it."
)
HISTORY = "Who had it, since when and through whom stays in the history and in the log."


@dataclass(frozen=True, slots=True)
class Change:
    """`fields` are what the form carries, `question` and `done` are filled with them; `back` is where it leads.

    What gives something takes a proof, which the confirmed form carries.
    """

    question: str
    points: tuple[str, ...]
    done: str
    fields: tuple[str, ...]
    perform: Callable[[Caller, Form], Sequence[Blocked] | None]
    back: Callable[[Form], str]
    is_taking: bool = False
    is_giving: bool = False
