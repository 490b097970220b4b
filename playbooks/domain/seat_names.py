"""The seats of a gate by name, as its subject, its rows and its entries have them.

A role stands for itself. A seat that is meant for certain people says how they are found: `on_call:ROTA` is whoever
is on call, `owner_of:CONNECTION` the owner of a system on which the covered actions act.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from playbooks.domain.actions import Catalogue, Effect
from playbooks.domain.coverage import covered_by
from playbooks.domain.playbook import Playbook, Step, placed
from playbooks.domain.seats import ON_CALL, OWNER_OF

GRAVE = frozenset({Effect.CHANGE, Effect.DESTROY})
TARGET = f"{OWNER_OF}target"  # in a document: the owners are known by what the gate covers


def seat_name(entry: Mapping[str, Any]) -> str:
    """The name of one seat as a document writes it."""
    if "on_call" in entry:
        return f"{ON_CALL}{entry['on_call']}"
    return f"{OWNER_OF}{entry['owner_of']}" if "owner_of" in entry else str(entry["role"])


def seats_of_gate(playbook: Playbook, gate: Step, catalogue: Catalogue) -> tuple[str, ...]:
    """The seats of a gate: one for each owner of a system that is changed behind it, where owners are asked.

    Where nothing is changed, nobody is the owner, and the seat stays: fewer people than were written are never asked.
    """
    names: list[str] = []
    for entry in gate.seats:
        name = entry.name
        names += _owners(playbook, gate, catalogue) if name == TARGET else [name]
    return tuple(names)


def _owners(playbook: Playbook, gate: Step, catalogue: Catalogue) -> list[str]:
    found = dict.fromkeys(changed_through(playbook, gate, catalogue))
    return [f"{OWNER_OF}{connection}" for connection in found] or [TARGET]


def changed_through(playbook: Playbook, gate: Step, catalogue: Catalogue) -> Iterator[str]:
    """The connections through which the steps behind the gate change something, in the order written."""
    covered = covered_by(playbook, gate.id, catalogue)
    for step in (place.step for place in placed(playbook)):
        action = catalogue.get(step.do) if step.id in covered else None
        if action is not None and action.effect in GRAVE:
            yield step.using or action.connector
