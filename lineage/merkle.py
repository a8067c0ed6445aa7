"""Merkle trees as in RFC 6962: roots, and proofs of inclusion and consistency.

A subtree is named by (level, index): the root over the leaves from `index * 2**level` to
`(index + 1) * 2**level`. Proofs are made from complete subtrees alone, whoever keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256

from lin.errors import CorruptLogError, InvalidInputError

Subtrees = Callable[[int, int], bytes]
"""Return the root of the complete subtree (level, index)."""

EMPTY_ROOT = sha256(b"").digest()


def leaf_digest(leaf: bytes) -> bytes:
    """Return the digest of a leaf (RFC 6962, section 2.1)."""
    return sha256(b"\x00" + leaf).digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    """Return the digest of an inner node (RFC 6962, section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """Know a tree by the roots of its full subtrees: enough to append and to compute the root.

    Attributes:
        size: How many leaves there are.
        nodes: The roots of the full subtrees, largest first: one for each 1 bit of `size`.
    """

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or self.size.bit_count() != len(self.nodes):
            raise InvalidInputError(f"a tree of {self.size} leaves has not {len(self.nodes)} full subtrees")

    def extend(self, digests: Iterable[bytes]) -> Frontier:
        """Return the frontier after leaves with these digests."""
        nodes, size = list(self.nodes), self.size
        for digest in digests:
            node, rest = digest, size
            while rest & 1:
                node = node_digest(nodes.pop(), node)
                rest >>= 1
            nodes.append(node)
            size += 1
        return Frontier(size, tuple(nodes))

    @property
    def root(self) -> bytes:
        """The root of the tree; the SHA-256 of nothing for an empty one."""
        if not self.nodes:
            return EMPTY_ROOT
        return reduce(lambda right, left: node_digest(left, right), reversed(self.nodes))


def full_root(digests: Sequence[bytes]) -> bytes:
    """Return the root over the digests of subtrees of one size; their number need not be a power of two."""
    return Frontier().extend(digests).root


def frontier_of(size: int, subtree: Subtrees) -> Frontier:
    """Return the frontier of a tree of `size` leaves."""
    nodes, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            nodes.append(subtree(level, start >> level))
            start += 1 << level
    return Frontier(size, tuple(nodes))


def inclusion_proof(index: int, size: int, subtree: Subtrees) -> tuple[bytes, ...]:
    """Return the audit path of the leaf at `index` in a tree of `size` leaves (RFC 6962, section 2.1.1).

    Raises:
        InvalidInputError: There is no such leaf.
    """
    if not 0 <= index < size:
        raise InvalidInputError(f"no leaf {index} in a tree of {size}")
    return tuple(_path(index, 0, size, subtree))


def consistency_proof(old: int, size: int, subtree: Subtrees) -> tuple[bytes, ...]:
    """Return the proof that a tree of `old` leaves is how this one began (RFC 6962, section 2.1.2).

    Raises:
        InvalidInputError: The tree was never of that size.
    """
    if not 0 <= old <= size:
        raise InvalidInputError(f"a tree of {size} leaves has no beginning of {old}")
    return tuple(_subproof(old, 0, size, subtree, whole=True)) if 0 < old < size else ()


def check_inclusion(digest: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check an audit path (RFC 9162, section 2.1.3.2).

    Raises:
        CorruptLogError: It does not prove that the leaf with this digest is at `index`.
    """
    if not 0 <= index < size:
        raise CorruptLogError(f"no leaf {index} in a tree of {size}")
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    if len(proof) != inner + border:
        raise CorruptLogError(f"the inclusion proof of leaf {index} has {len(proof)} digests, not {inner + border}")
    node = digest
    for level, sibling in enumerate(proof[:inner]):
        node = node_digest(sibling, node) if index >> level & 1 else node_digest(node, sibling)
    for sibling in proof[inner:]:
        node = node_digest(sibling, node)
    if node != root:
        raise CorruptLogError(f"leaf {index} is not in the tree of {size} leaves")


def check_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Check a consistency proof (RFC 9162, section 2.1.4.2).

    Raises:
        CorruptLogError: It does not prove that the tree of `old` leaves is how the one of `size` began.
    """
    if old < 0 or old > size:
        raise CorruptLogError(f"a tree of {size} leaves has no beginning of {old}")
    if old in (0, size):
        trusted = EMPTY_ROOT if old == 0 else root
        if proof or old_root != trusted:
            raise CorruptLogError(f"the tree of {old} leaves is not how the one of {size} began")
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        raise CorruptLogError(f"the consistency proof from {old} to {size} is empty")
    fn, sn = old - 1, size - 1
    shift = (~fn & (fn + 1)).bit_length() - 1
    fn, sn = fn >> shift, sn >> shift
    left = right = path[0]
    for node in path[1:]:
        if sn == 0:
            raise CorruptLogError(f"the consistency proof from {old} to {size} is too long")
        if fn & 1 or fn == sn:
            left, right = node_digest(node, left), node_digest(node, right)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            right = node_digest(right, node)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or left != old_root or right != root:
        raise CorruptLogError(f"the tree of {old} leaves is not how the one of {size} began")


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def _range_root(start: int, stop: int, subtree: Subtrees) -> bytes:
    """Return the root over the leaves of a range that begins where a subtree of its size may begin."""
    size = stop - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return subtree(level, start >> level)
    middle = start + _split(size)
    return node_digest(_range_root(start, middle, subtree), _range_root(middle, stop, subtree))


def _path(index: int, start: int, stop: int, subtree: Subtrees) -> list[bytes]:
    if stop - start == 1:
        return []
    middle = start + _split(stop - start)
    if index < middle:
        return [*_path(index, start, middle, subtree), _range_root(middle, stop, subtree)]
    return [*_path(index, middle, stop, subtree), _range_root(start, middle, subtree)]


def _subproof(old: int, start: int, stop: int, subtree: Subtrees, *, whole: bool) -> list[bytes]:
    if old == stop:
        return [] if whole else [_range_root(start, stop, subtree)]
    middle = start + _split(stop - start)
    if old <= middle:
        return [*_subproof(old, start, middle, subtree, whole=whole), _range_root(middle, stop, subtree)]
    return [*_subproof(old, middle, stop, subtree, whole=False), _range_root(start, middle, subtree)]
