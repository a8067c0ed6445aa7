"""Keep numbers as their difference from other numbers: exclusive or, and the bytes of equal rank together.

The weights of a model that was trained on change everywhere, by little: each differs from its old value only in its
lower bits, and no run of bytes is equal for Zstandard to find. What changes here and there is better off with a frame
against a prefix (`zstd.against`). The specification is `docs/formats/store.md`.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

from . import zstd

WIDTHS = (2, 4, 8)
"""Bytes of a number: bfloat16 and float16, float32, float64."""
MAX_WIDTH = 16
_HEAD = struct.Struct("<BI")
_PLANE = struct.Struct("<I")
_LEVEL = 1
"""Higher ones gain nothing on what is noise or zeros."""
_LARGE = 65_536
_SAMPLE = 4096
"""Bytes of each of the two samples that tell whether combining pays."""


def combine(data: bytes | memoryview, bases: bytes | memoryview, skip: int, width: int) -> bytes:
    """Return what differs between `data` and the bytes of `bases` from `skip` on, number by number.

    Args:
        data: What is to be kept.
        bases: What it is compared with; with zeros where they end early.
        skip: Where in `bases` the counterpart of the first byte is.
        width: Bytes of a number, 1 to 16.
    """
    mixed = _mix(data, bases, skip)
    parts = [_HEAD.pack(width, skip)]
    for rank in range(width):
        frame = zstd.compress(mixed[rank::width], _LEVEL)
        parts += (_PLANE.pack(len(frame)), frame)
    return b"".join(parts)


def separate(stored: bytes | memoryview, bases: bytes | memoryview, size: int) -> bytes | None:
    """Return the `size` bytes that `combine` was given, or None if `stored` is not what it returned for as many."""
    view = memoryview(stored)
    if len(view) < _HEAD.size:
        return None
    width, skip = _HEAD.unpack_from(view)
    if not 1 <= width <= MAX_WIDTH:
        return None
    mixed = bytearray(size)
    position = _HEAD.size
    for rank in range(width):
        if position + _PLANE.size > len(view):
            return None
        start = position + _PLANE.size
        position = start + _PLANE.unpack_from(view, position)[0]
        plane = zstd.decompress(view[start:position], len(range(rank, size, width)))
        if plane is None or position > len(view):
            return None
        mixed[rank::width] = plane
    return _mix(mixed, bases, skip) if position == len(view) else None


def width_of(data: bytes | memoryview, bases: bytes | memoryview, skip: int) -> int | None:
    """Guess from two samples how many bytes a number has; None where combining saves less than a tenth."""
    data = memoryview(data)
    best: int | None = None
    least = 0
    for width in WIDTHS:
        alone = mixed = 0
        for quarter in (1, 3):
            start = len(data) * quarter // 4 // width * width
            sample = bytes(data[start : start + _SAMPLE])
            alone += _cost(sample, width)
            mixed += _cost(_mix(sample, bases, skip + start), width)
        if mixed * 10 < alone * 9 and (best is None or mixed * 100 < least * 97):
            best, least = width, mixed
    return best


def _cost(data: bytes, width: int) -> int:
    return sum(len(zstd.compress(data[rank::width], _LEVEL)) for rank in range(width))


def skip_of(stored: bytes | memoryview) -> int:
    """Return where in its bases the counterpart of a combination's first byte is."""
    return int(_HEAD.unpack_from(stored)[1])


def _mix(data: bytes | bytearray | memoryview, bases: bytes | memoryview, skip: int) -> bytes:
    other = bases[skip : skip + len(data)]
    np = _numpy() if len(data) == len(other) >= _LARGE else None
    if np is not None:
        return bytes(np.frombuffer(data, np.uint8) ^ np.frombuffer(other, np.uint8))
    # Exclusive or of two large integers is the fastest there is without NumPy, and takes four times as long.
    mixed = int.from_bytes(data, "little") ^ int.from_bytes(other, "little")
    return mixed.to_bytes(len(data), "little")


@cache
def _numpy() -> Any:
    """Return NumPy where it is installed; importing it takes 100 ms, so it is only asked for with much to do."""
    try:
        import numpy as np  # noqa: PLC0415 - start-up
    except ImportError:
        return None
    return np
