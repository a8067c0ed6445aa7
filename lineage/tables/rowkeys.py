"""Sorted row keys: 8 bytes a row, by which tables are found to share rows.

Rows whose keys differ are different: what is not found here is in neither table, for sure. Rows whose keys are equal
are candidates: someone who tries can make two rows that share 64 bits. So whoever shows rows confirms them on their
full digests (`row_digests`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lin.errors import CorruptContentError, UnsupportedFormatError

from .digester import KEYS_HEADER, KEYS_MAGIC
from .engine import have_kernel

__all__ = [
    "RowKeys",
    "Shared",
    "counts",
    "distinct",
    "open_row_keys",
    "read_row_keys",
    "shared",
    "shared_rows",
]


@dataclass(frozen=True, slots=True)
class RowKeys:
    """The row keys of a table.

    Attributes:
        keys: Ascending `<u8`, one a row, duplicates kept; mapped from the file, or in memory.
        set: The `set` digest of the table.
    """

    keys: np.ndarray
    set: bytes


@dataclass(frozen=True, slots=True)
class Shared:
    """Keys that two tables share.

    Attributes:
        keys: Ascending, each once.
        left: How many rows of the first table have each.
        right: How many rows of the second table have each.
    """

    keys: np.ndarray
    left: np.ndarray
    right: np.ndarray


def open_row_keys(path: Path) -> RowKeys:
    """Map a file of row keys.

    Raises:
        CorruptContentError: It is not what its header says.
        UnsupportedFormatError: A newer lin wrote it.
    """
    with path.open("rb") as file:
        rows, table = _header(file.read(KEYS_HEADER), path.stat().st_size, str(path))
    keys = np.memmap(path, "<u8", "r", KEYS_HEADER, (rows,)) if rows else np.empty(0, "<u8")
    return RowKeys(keys, table)


def read_row_keys(content: bytes | memoryview) -> RowKeys:
    """Take row keys from the bytes of their file; raises what `open_row_keys` raises."""
    rows, table = _header(bytes(content[:KEYS_HEADER]), len(content), "a blob of row keys")
    return RowKeys(np.frombuffer(content, "<u8", rows, KEYS_HEADER), table)


def _header(head: bytes, size: int, where: str) -> tuple[int, bytes]:
    if head[:7] != KEYS_MAGIC[:7] or len(head) < KEYS_HEADER:
        raise CorruptContentError(f"{where} holds no row keys")
    if head[:8] != KEYS_MAGIC:
        raise UnsupportedFormatError(f"{where} holds row keys of a newer version", hint="Install a newer lin.")
    (rows,) = struct.unpack_from("<Q", head, 8)
    if size != KEYS_HEADER + 8 * rows:
        raise CorruptContentError(f"{where} holds {size} bytes, which are not the keys of {rows} rows")
    return rows, head[16:48]


def shared(left: np.ndarray, right: np.ndarray) -> Shared:
    """Find the keys that two ascending lists share, in time of the shorter times the logarithm of the longer."""
    if have_kernel():
        from .kernel import library  # noqa: PLC0415

        left, right = (np.ascontiguousarray(keys, np.uint64) for keys in (left, right))
        room = min(len(left), len(right))
        keys, one, two = (np.empty(room, np.uint64) for _ in range(3))
        found = library().lt_shared(
            left.ctypes.data,
            len(left),
            right.ctypes.data,
            len(right),
            keys.ctypes.data,
            one.ctypes.data,
            two.ctypes.data,
        )
        return Shared(keys[:found], one[:found].astype(np.int64), two[:found].astype(np.int64))
    short, long = (left, right) if len(left) <= len(right) else (right, left)
    once = np.unique(short)
    once = once[counts(long, once) > 0]
    return Shared(once, counts(left, once), counts(right, once))


def shared_rows(left: np.ndarray, right: np.ndarray) -> int:
    """Count the rows of the left whose keys the right has: a row as often as the left has it."""
    return int(shared(left, right).left.sum())


def distinct(keys: np.ndarray) -> int:
    """Count different keys of an ascending array, a piece at a time."""
    total, step = 0, 1 << 22
    for start in range(0, len(keys), step):
        piece = keys[max(start - 1, 0) : start + step]
        total += int((piece[1:] != piece[:-1]).sum())
    return total + (1 if len(keys) else 0)


def counts(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Count how many rows have each of the wanted keys; `keys` is ascending, and it is faster when `wanted` is."""
    found: np.ndarray = np.searchsorted(keys, wanted, "right") - np.searchsorted(keys, wanted, "left")
    return found
