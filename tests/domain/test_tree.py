"""The Merkle tree: the published vectors of Certificate Transparency, and what proofs must and must not show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.domain.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    range_root,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots of the reference implementation of RFC 6962.
LEAVES = [
    leaf_hash(bytes.fromhex(each))
    for each in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Tree:
    """A tree in memory that reads its subtrees the slow way, from the leaves."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves

    def subtree(self, lo: int, hi: int) -> bytes:
        frontier = Frontier()
        for leaf in self.leaves[lo:hi]:
            frontier.append(leaf)
        return frontier.root()

    def root(self, size: int) -> bytes:
        return self.subtree(0, size)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    return Tree(
        [leaf_hash(bytes([number, draw(st.integers(0, 255))])) for number in range(draw(st.integers(1, 40)))]
    )


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert Tree(LEAVES).root(size).hex() == ROOTS[size - 1]


def test_an_inclusion_proof_is_that_of_certificate_transparency() -> None:
    assert [step.hex() for step in inclusion_proof(0, 8, Tree(LEAVES).subtree)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


def test_a_consistency_proof_is_that_of_certificate_transparency() -> None:
    assert [step.hex() for step in consistency_proof(6, 8, Tree(LEAVES).subtree)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(trees(), st.data())
def test_every_leaf_is_proved_in_and_nothing_else_is(tree: Tree, data: st.DataObject) -> None:
    size = len(tree.leaves)
    index = data.draw(st.integers(0, size - 1))
    leaf, root, path = tree.leaves[index], tree.root(size), inclusion_proof(index, size, tree.subtree)
    assert verify_inclusion(leaf, index, size, path, root)
    other = data.draw(st.integers(0, size + 2).filter(lambda each: each != index))
    assert not verify_inclusion(leaf, other, size, path, root)
    assert not verify_inclusion(leaf_hash(b"other"), index, size, path, root)
    assert not verify_inclusion(leaf, index, size, [*path, root], root)
    assert not verify_inclusion(leaf, index, size, path, leaf_hash(b"other"))
    assert size == 1 or not verify_inclusion(leaf, index, size, path[:-1], root)


@given(trees(), st.data())
def test_a_longer_tree_is_proved_to_continue_a_shorter_one(tree: Tree, data: st.DataObject) -> None:
    new = len(tree.leaves)
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(old, new, tree.subtree)
    old_root, new_root = tree.root(old), tree.root(new)
    assert verify_consistency(old, new, old_root, new_root, proof)
    assert not verify_consistency(old, new, leaf_hash(b"other"), new_root, proof)
    assert not verify_consistency(old, new, old_root, leaf_hash(b"other"), proof)
    assert not verify_consistency(old, new, old_root, new_root, [*proof, new_root])
    assert old == new or not verify_consistency(old, new, old_root, new_root, proof[:-1])
    assert not verify_consistency(new + 1, new, new_root, new_root, [])
    assert not verify_consistency(0, new, EMPTY_ROOT, new_root, [])


@given(trees())
def test_a_frontier_survives_its_bytes_and_completes_perfect_subtrees(tree: Tree) -> None:
    frontier = Frontier()
    kept = []
    for leaf in tree.leaves:
        kept.append([leaf, *frontier.append(leaf)])
        frontier = Frontier.from_bytes(frontier.to_bytes())
    size = len(tree.leaves)
    assert (frontier.size, frontier.root()) == (size, tree.root(size))
    assert range_root(0, size, lambda lo, hi: kept[hi - 1][(hi - lo).bit_length() - 1]) == tree.root(size)


@pytest.mark.parametrize(
    "value", [b"", b"\0" * 7, (1).to_bytes(8, "big"), (3).to_bytes(8, "big") + b"\0" * 32]
)
def test_bytes_that_are_no_frontier_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="not the frontier"):
        Frontier.from_bytes(value)


def test_there_is_no_proof_of_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="no leaf 3"):
        inclusion_proof(3, 3, Tree(LEAVES).subtree)
    with pytest.raises(ValueError, match="no beginning"):
        consistency_proof(4, 3, Tree(LEAVES).subtree)
