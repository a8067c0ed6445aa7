"""Tiles: how a Merkle tree and its leaves lie in files, as pure functions.

This is https://c2sp.org/tlog-tiles. A tile of level l holds up to 256 digests, each the root over 256**l
leaves; an entry bundle holds up to 256 leaves. Which files there are follows from the tree's size alone,
so that a missing one is found by counting, not by looking at what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lin.errors import CorruptLogError, InvalidInputError

HEIGHT = 8
WIDTH = 256
"""Digests in a full tile, and leaves in a full bundle."""
DIGEST_SIZE = 32
MAX_ENTRY = 65_535
"""Bytes: what the length prefix of an entry can say."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Name a tile or an entry bundle.

    Attributes:
        level: From 0; None for an entry bundle.
        index: From 0, within the level.
        width: From 1 to 256.
    """

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def name(self) -> str:
        """The path below the log, such as `tile/0/x001/234.p/7`."""
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return self.folder.removesuffix(".p") + partial

    @property
    def folder(self) -> str:
        """The path of the folder that holds this tile's partial forms, such as `tile/0/x001/234.p`."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        level = "entries" if self.level is None else str(self.level)
        return "/".join(["tile", level, *(f"x{part}" for part in parts[:-1]), parts[-1]]) + ".p"


def levels(size: int) -> int:
    """Return how many levels of tiles a tree of `size` leaves has."""
    return -(-(size.bit_length()) // HEIGHT)


def width_at(level: int, size: int) -> int:
    """Return how many digests level `level` has in all for a tree of `size` leaves."""
    return size >> (HEIGHT * level)


def tile_at(level: int | None, index: int, size: int) -> Tile:
    """Return a tile as a tree of `size` leaves has it.

    Raises:
        InvalidInputError: The tree has no such tile.
    """
    width = min(WIDTH, width_at(level or 0, size) - index * WIDTH)
    if index < 0 or width <= 0:
        raise InvalidInputError(f"a tree of {size} leaves has no tile {index} at level {level}")
    return Tile(level, index, width)


def tiles_of(size: int, *, since: int = 0) -> Iterator[Tile]:
    """Yield every tile and bundle that a tree of `size` leaves has, lower levels first.

    Args:
        size: How many leaves.
        since: Only what a tree of this size did not have.
    """
    for level in (None, *range(levels(size))):
        total, before = width_at(level or 0, size), width_at(level or 0, since)
        if total > before:
            for index in range(before // WIDTH, -(-total // WIDTH)):
                yield tile_at(level, index, size)


def edge_of(size: int) -> Iterator[Tile]:
    """Yield the partial tiles and bundle of a tree of `size` leaves: at most one of each level."""
    for level in (None, *range(levels(size))):
        total = width_at(level or 0, size)
        if total % WIDTH:
            yield Tile(level, total // WIDTH, total % WIDTH)


def encode_bundle(leaves: Sequence[bytes]) -> bytes:
    """Write leaves one after the other, each after its length (16 bits, big-endian).

    Raises:
        InvalidInputError: A leaf is longer than 65,535 bytes.
    """
    parts: list[bytes] = []
    for leaf in leaves:
        if len(leaf) > MAX_ENTRY:
            raise InvalidInputError(f"a leaf has {len(leaf)} bytes, more than {MAX_ENTRY}")
        parts += (len(leaf).to_bytes(2, "big"), leaf)
    return b"".join(parts)


def decode_bundle(data: bytes, *, expected: int | None = None) -> tuple[bytes, ...]:
    """Read what `encode_bundle` wrote.

    Args:
        data: The file's bytes.
        expected: How many leaves there must be.

    Raises:
        CorruptLogError: The lengths do not add up, or there are more or fewer leaves.
    """
    leaves: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data) or start > len(data):
            raise CorruptLogError(f"an entry bundle of {len(data)} bytes breaks off in entry {len(leaves)}")
        leaves.append(data[start:at])
    if expected is not None and len(leaves) != expected:
        raise CorruptLogError(f"an entry bundle has {len(leaves)} entries, not {expected}")
    return tuple(leaves)


def encode_tile(digests: Sequence[bytes]) -> bytes:
    """Write digests one after the other."""
    return b"".join(digests)


def decode_tile(data: bytes, *, expected: int) -> tuple[bytes, ...]:
    """Read what `encode_tile` wrote.

    Raises:
        CorruptLogError: There are more or fewer digests than expected.
    """
    if len(data) != expected * DIGEST_SIZE:
        raise CorruptLogError(f"a tile has {len(data)} bytes, not {expected * DIGEST_SIZE}")
    return tuple(data[at : at + DIGEST_SIZE] for at in range(0, len(data), DIGEST_SIZE))
