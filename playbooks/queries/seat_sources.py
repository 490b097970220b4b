"""From which rule each seat of a request comes: the gate's own seats first, then what policies ask beyond them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playbooks.domain.policies.asking import LIMIT
from playbooks.domain.seat_names import seat_name
from playbooks.domain.seats import OWNER_OF
from playbooks.models import ApprovalRequest

OF_LIMIT = "the limit of its connection"


def sources_of(row: ApprovalRequest, subject: Mapping[str, Any]) -> tuple[str, ...]:
    """One for each seat of `subject`, which is the row's. Reads nothing but the row and its run's version."""
    seats: Sequence[str] = subject["seats"]
    own = _own(row, seats)
    gate = f"“{row.step.key}” of {row.run.version}"
    asked = subject.get("policies", {})
    return tuple(gate if index < own else _policies(role, asked) for index, role in enumerate(seats))


def _policies(role: str, asked: Mapping[str, Mapping[str, Any]]) -> str:
    names = [name for name, each in asked.items() if role in {wanted["role"] for wanted in each["seats"]}]
    told = [OF_LIMIT if name == LIMIT else f"the policy {name}" for name in names]
    return " and ".join(told) or OF_LIMIT


def _own(row: ApprovalRequest, seats: Sequence[str]) -> int:
    """How many of the seats are the gate's own. Of owners it has one for each system that is changed."""
    written = _step(row.run.version.document["steps"], row.step.name).get("seats", ())
    names = [seat_name(each) for each in written]
    owners = sum(seat.startswith(OWNER_OF) for seat in seats)
    by_owner = any(name.startswith(OWNER_OF) for name in names)
    return sum(not name.startswith(OWNER_OF) for name in names) + (owners if by_owner else 0)


def _step(steps: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The step of this id, on whatever level."""
    for each in steps:
        if each["id"] == name:
            return each
        found = _step(each.get("steps", ()), name)
        if found:
            return found
    return {}
