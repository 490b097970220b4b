"""A worker drives a run until it waits, fans out or ends."""

from __future__ import annotations

from uuid import UUID, uuid4

from playbooks.audit import Heads
from playbooks.executor.claims import claim_next
from playbooks.executor.perform import perform
from playbooks.executor.seams import Seam, reached
from playbooks.executor.settle import settle


def drive(run: UUID, *, worker: str) -> None:
    """Performs ready steps of the run, one after the other, as long as there are any."""
    driver, heads = uuid4().hex, Heads()
    claim = claim_next(run, worker=worker, driver=driver, heads=heads)
    while claim is not None:
        reached(Seam.CLAIMED)
        outcome = perform(claim)
        reached(Seam.PERFORMED)
        claim = settle(claim, outcome, worker=worker, driver=driver, heads=heads)
        reached(Seam.SETTLED)
