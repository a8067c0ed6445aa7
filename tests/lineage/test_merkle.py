"""Merkle trees, against RFC 6962 written down as it reads."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.errors import CorruptLogError, InvalidInputError
from lin.lineage import merkle
from lin.lineage.merkle import Frontier, check_consistency, check_inclusion, leaf_digest

LEAVES = [leaf_digest(str(number).encode()) for number in range(70_000)]


@cache
def naive(start: int, stop: int) -> bytes:
    """Return MTH of a range, from the recursive definition."""
    if stop == start:
        return sha256(b"").digest()
    if stop - start == 1:
        return sha256(b"\0" + str(start).encode()).digest()
    split = 1
    while split * 2 < stop - start:
        split *= 2
    return sha256(b"\1" + naive(start, start + split) + naive(start + split, stop)).digest()


def subtree(level: int, index: int) -> bytes:
    return naive(index << level, (index + 1) << level)


def naive_path(index: int, start: int, stop: int) -> list[bytes]:
    """Return PATH, from the recursive definition."""
    if stop - start == 1:
        return []
    split = 1
    while split * 2 < stop - start:
        split *= 2
    middle = start + split
    if index < middle:
        return [*naive_path(index, start, middle), naive(middle, stop)]
    return [*naive_path(index, middle, stop), naive(start, middle)]


def test_every_small_tree_has_the_root_of_the_definition():
    """Appending one leaf at a time gives the root of RFC 6962 at every size from 0 to 600."""
    frontier = Frontier()
    for size in range(601):
        assert frontier.root == naive(0, size)
        assert frontier == merkle.frontier_of(size, subtree)
        frontier = frontier.extend([LEAVES[size]])


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 65_792, 65_793])
def test_large_trees_have_the_root_of_the_definition(size):
    """The same holds around the size at which a third level of tiles begins."""
    frontier = Frontier().extend(LEAVES[:size])
    assert frontier.root == naive(0, size)
    assert frontier == merkle.frontier_of(size, subtree)


@given(st.integers(0, 600), st.integers(0, 600))
def test_a_frontier_goes_on_from_anywhere(one, two):
    """Two steps give the frontier of one."""
    start, stop = sorted((one, two))
    assert Frontier().extend(LEAVES[:start]).extend(LEAVES[start:stop]) == Frontier().extend(LEAVES[:stop])


def test_a_frontier_has_as_many_roots_as_its_size_has_ones():
    """A frontier that can't be is refused."""
    for size, nodes in ((1, ()), (0, (b"x",)), (3, (b"x",)), (-1, (b"x",))):
        with pytest.raises(InvalidInputError):
            Frontier(size, nodes)


def test_the_root_of_nothing_is_the_sha256_of_nothing():
    """As RFC 6962 says."""
    assert Frontier().root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.data())
def test_inclusion_is_proved(data):
    """The path is that of the definition, and proves its leaf at its place and no other."""
    size = data.draw(st.integers(1, 600) | st.sampled_from([255, 256, 257, 65_535, 65_536, 65_537]))
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, subtree)
    assert list(proof) == naive_path(index, 0, size)
    root = naive(0, size)
    check_inclusion(LEAVES[index], index, size, proof, root)
    other = data.draw(st.integers(0, size + 1))
    if other != index:
        with pytest.raises(CorruptLogError):
            check_inclusion(LEAVES[index], other, size, proof, root)


@given(st.data())
def test_consistency_is_proved(data):
    """Of every earlier size; a proof is of its two trees only."""
    size = data.draw(st.integers(0, 600) | st.sampled_from([255, 256, 257, 65_535, 65_536, 65_537]))
    old = data.draw(st.integers(0, size))
    proof = merkle.consistency_proof(old, size, subtree)
    check_consistency(old, naive(0, old), size, naive(0, size), proof)
    with pytest.raises(CorruptLogError):
        check_consistency(old, bytes(32), size, naive(0, size), proof)
    with pytest.raises(CorruptLogError):
        check_consistency(old, naive(0, old), size, naive(0, size), [*proof, bytes(32)])


@given(st.data())
def test_a_damaged_proof_proves_nothing(data):
    """A proof with a digest changed, added or left out is refused."""
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size - 1))
    damage = data.draw(st.sampled_from(["change", "add", "drop", "drop first"]))

    def damaged(proof):
        if damage == "add":
            return [*proof, bytes(32)]
        if damage == "change":
            at = data.draw(st.integers(0, len(proof) - 1))
            return [*proof[:at], bytes(32), *proof[at + 1 :]]
        return proof[1:] if damage == "drop first" else proof[:-1]

    with pytest.raises(CorruptLogError):
        check_inclusion(
            LEAVES[index], index, size, damaged(merkle.inclusion_proof(index, size, subtree)), naive(0, size)
        )
    proof = damaged(merkle.consistency_proof(old, size, subtree))
    with pytest.raises(CorruptLogError):
        check_consistency(old, naive(0, old), size, naive(0, size), proof)


def test_every_pair_of_small_sizes_is_proved_and_no_wrong_one():
    """Exhaustively up to 20: each old root fits its own size, and no other."""
    for size in range(1, 21):
        for old in range(size + 1):
            proof = merkle.consistency_proof(old, size, subtree)
            for claimed in range(size + 2):
                if claimed == old:
                    check_consistency(old, naive(0, old), size, naive(0, size), proof)
                else:
                    with pytest.raises(CorruptLogError):
                        check_consistency(old, naive(0, claimed), size, naive(0, size), proof)


def test_proofs_of_what_is_not_there_are_refused():
    """Positions and sizes beyond the tree are errors."""
    for index in (-1, 5, 6):
        with pytest.raises(InvalidInputError):
            merkle.inclusion_proof(index, 5, subtree)
        with pytest.raises(CorruptLogError):
            check_inclusion(LEAVES[0], index, 5, (), naive(0, 5))
    for old in (-1, 6):
        with pytest.raises(InvalidInputError):
            merkle.consistency_proof(old, 5, subtree)
        with pytest.raises(CorruptLogError):
            check_consistency(old, naive(0, 5), 5, naive(0, 5), ())
