"""Named points between the lines where a crash or a rival would hurt. Tests stand here; production passes by."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Seam(StrEnum):
    CLAIMED = "claimed"  # the intent is committed, nothing was sent
    PERFORMED = "performed"  # the effect happened, the outcome is not stored
    SETTLING = "settling"  # inside the settling transaction, before its commit
    SETTLED = "settled"  # the outcome is committed, the next claim with it


def _pass_by(_seam: Seam) -> None:
    """Nobody stands here."""


_visitor: Callable[[Seam], None] = _pass_by


def reached(seam: Seam) -> None:
    _visitor(seam)


def visit(visitor: Callable[[Seam], None] = _pass_by) -> None:
    """Has `visitor` called at every seam of this process; without an argument, nobody."""
    global _visitor  # noqa: PLW0603 - one process, one visitor
    _visitor = visitor
