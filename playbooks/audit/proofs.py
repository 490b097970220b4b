"""Proofs from the stored tree: each leaf row keeps the subtrees that it completes, so a proof reads few
rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from playbooks.domain.tree import (
    HASH_SIZE,
    Subtree,
    consistency_proof,
    inclusion_proof,
    range_root,
)
from playbooks.models.audit import AuditLeaf

Result = TypeVar("Result")


def inclusion_proofs(indexes: Sequence[int], size: int) -> list[tuple[bytes, ...]]:
    """The proof of each leaf in the tree of `size` leaves, with one query. Ask for a few hundred at a
    time.
    """
    return _prove(lambda subtree: [inclusion_proof(index, size, subtree) for index in indexes])


def consistency(old: int, new: int) -> tuple[bytes, ...]:
    """The proof that the tree of `old` leaves is the beginning of that of `new`."""
    return _prove(lambda subtree: consistency_proof(old, new, subtree))


def root_at(size: int) -> bytes:
    """The root that the tree had when it had `size` leaves."""
    return _prove(lambda subtree: range_root(0, size, subtree))


def _prove(build: Callable[[Subtree], Result]) -> Result:
    """Builds once to learn which rows are needed, reads them together, and builds again from them."""
    needed: set[int] = set()

    def note(_lo: int, hi: int) -> bytes:
        needed.add(hi - 1)
        return b""

    build(lambda lo, hi: range_root(lo, hi, note))
    rows = AuditLeaf.objects.filter(index__in=sorted(needed)).values_list("index", "leaf", "completed")
    found = {index: bytes(leaf) + bytes(completed) for index, leaf, completed in rows}

    def read(lo: int, hi: int) -> bytes:
        height = (hi - lo).bit_length() - 1
        return found[hi - 1][height * HASH_SIZE : (height + 1) * HASH_SIZE]

    return build(lambda lo, hi: range_root(lo, hi, read))
