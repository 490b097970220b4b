"""The Merkle tree of the audit log (RFC 6962, RFC 9162 section 2.1): roots, inclusion and consistency proofs.

All hashes are SHA-256, 32 bytes. Leaves are counted from zero. Standard library only: this module is part
of the offline verifier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

# The root of the leaves lo (included) to hi (excluded).
Subtree = Callable[[int, int], bytes]


def leaf_hash(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """All that is needed to extend a tree: the roots of its perfect subtrees, the largest first."""

    size: int = 0
    roots: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> list[bytes]:
        """Adds a leaf and returns the roots of the perfect subtrees of 2, 4, 8… leaves that it completes."""
        completed = []
        self.roots.append(leaf)
        size = self.size
        while size & 1:
            right, left = self.roots.pop(), self.roots.pop()
            self.roots.append(node_hash(left, right))
            completed.append(self.roots[-1])
            size >>= 1
        self.size += 1
        return completed

    def root(self) -> bytes:
        if not self.roots:
            return EMPTY_ROOT
        *larger, root = self.roots
        for left in reversed(larger):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        """The size as 8 bytes, big-endian, then the roots."""
        return self.size.to_bytes(8, "big") + b"".join(self.roots)

    @classmethod
    def from_bytes(cls, value: bytes) -> Frontier:
        """Raises ValueError when the number of roots does not fit the size."""
        size, roots = int.from_bytes(value[:8], "big"), value[8:]
        if len(value) < 8 or len(roots) != size.bit_count() * HASH_SIZE:
            raise ValueError("These bytes are not the frontier of a tree.")
        return cls(size, [roots[at : at + HASH_SIZE] for at in range(0, len(roots), HASH_SIZE)])


def range_root(lo: int, hi: int, perfect: Subtree) -> bytes:
    """The root of the leaves lo to hi, where `perfect` knows those of aligned powers of two."""
    count = hi - lo
    if count == 0:
        return EMPTY_ROOT
    if count & (count - 1) == 0:
        return perfect(lo, hi)
    middle = lo + _split(count)
    return node_hash(range_root(lo, middle, perfect), range_root(middle, hi, perfect))


def inclusion_proof(index: int, size: int, subtree: Subtree) -> tuple[bytes, ...]:
    """PATH of RFC 9162 section 2.1.3.1. Raises ValueError for an index outside the tree."""
    if not 0 <= index < size:
        raise ValueError(f"There is no leaf {index} in a tree of {size}.")
    return tuple(_path(index, 0, size, subtree))


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    node, last, computed = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            computed = node_hash(step, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, step)
        node, last = node >> 1, last >> 1
    return last == 0 and computed == root


def consistency_proof(old: int, new: int, subtree: Subtree) -> tuple[bytes, ...]:
    """PROOF of RFC 9162 section 2.1.4.1. Raises ValueError unless 0 < old <= new."""
    if not 0 < old <= new:
        raise ValueError(f"A tree of {old} leaves is no beginning of one of {new}.")
    return tuple(_growth(old, 0, new, subtree, is_known=True))


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    return bool(path) and _grows(old - 1, new - 1, path) == (old_root, new_root)


def _grows(node: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The old and the new root that a consistency proof leads to; None when its length is wrong."""
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, step)
        node, last = node >> 1, last >> 1
    return (old, new) if last == 0 else None


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _path(index: int, lo: int, hi: int, subtree: Subtree) -> list[bytes]:
    if hi - lo == 1:
        return []
    middle = lo + _split(hi - lo)
    if index < middle:
        return [*_path(index, lo, middle, subtree), subtree(middle, hi)]
    return [*_path(index, middle, hi, subtree), subtree(lo, middle)]


def _growth(old: int, lo: int, hi: int, subtree: Subtree, *, is_known: bool) -> list[bytes]:
    if old == hi:
        return [] if is_known else [subtree(lo, hi)]
    middle = lo + _split(hi - lo)
    if old <= middle:
        return [*_growth(old, lo, middle, subtree, is_known=is_known), subtree(middle, hi)]
    return [*_growth(old, middle, hi, subtree, is_known=False), subtree(lo, middle)]
