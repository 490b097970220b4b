"""Very many open requests, copied by the database's own bulk insert from one that a run has opened."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

from django.db.models import Model
from uuid6 import uuid7

from playbooks.models import ApprovalRequest, Seat, Step

Row = TypeVar("Row", bound=Model)


def open_requests(like: ApprovalRequest, count: int, *, role: str, first: int = 0) -> None:
    """So many more open requests of the same run, each with a gate of its own and one open seat."""
    steps = [_copied(like.step, key=f"copy{number}") for number in range(first, first + count)]
    Step.objects.bulk_create(steps, batch_size=500)
    requests = [_copied(like, step=step) for step in steps]
    ApprovalRequest.objects.bulk_create(requests, batch_size=500)
    seats = [Seat(request=request, position=0, role=role) for request in requests]
    Seat.objects.bulk_create(seats, batch_size=500)


def _copied(row: Row, **columns: object) -> Row:
    made = copy(row)
    made.pk = uuid7()
    made._state = copy(row._state)
    made._state.adding = True
    for name, value in columns.items():
        setattr(made, name, value)
    return made
