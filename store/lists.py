"""Write and read lists: of which chunks a blob consists.

A long list is itself cut, where the chunks' digests say so, and its parts kept as chunks: two versions of a large
blob that differ in one place share all of the list but that part. The specification is `docs/formats/store.md`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

LONG = 256
"""Chunks that make a list one of two levels, and the most that one segment has."""
_ENDS = 4
"""A segment ends behind a digest whose last byte is below this: one in 64."""
_LEVEL = struct.Struct("<I")
_PART = struct.Struct("<32sI")

Part = tuple[bytes, int]
"""A digest of 32 bytes, and how many bytes of the blob it stands for."""


def pack_parts(parts: Sequence[Part]) -> bytes:
    """Return the bytes of a segment."""
    return b"".join([_PART.pack(digest, size) for digest, size in parts])


def pack_list(parts: Sequence[Part], level: int) -> bytes:
    """Return the plain bytes of a list."""
    return _LEVEL.pack(level) + pack_parts(parts)


def segments(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    """Cut a long list."""
    start = 0
    for index, (digest, _) in enumerate(parts, 1):
        if digest[-1] < _ENDS or index - start == LONG:
            yield parts[start:index]
            start = index
    if start < len(parts):
        yield parts[start:]


def parse_parts(data: bytes, size: int) -> list[Part] | None:
    """Read a segment that stands for `size` bytes; None if it is not one."""
    if not data or len(data) % _PART.size:
        return None
    parts = list(_PART.iter_unpack(data))
    return parts if sum(length for _, length in parts) == size else None


def parse_list(data: bytes, size: int) -> tuple[int, list[Part]] | None:
    """Read a list of a blob of `size` bytes: its level, and its parts; None if it is none."""
    if len(data) < _LEVEL.size:
        return None
    level = _LEVEL.unpack_from(data)[0]
    parts = parse_parts(data[_LEVEL.size :], size)
    return (level, parts) if parts is not None and level in {0, 1} else None
