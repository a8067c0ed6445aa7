"""Sort row digests in bounded memory: sorted runs on disk, merged at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from .engine import have_kernel

DIGEST = 32
PIECE = 1 << 17
"""Digests that are allocated at once."""
_MERGED = 1 << 16
"""Digests handed out at once."""
_LEAST_READ = 1 << 11


def sort_digests(pieces: list[np.ndarray]) -> np.ndarray:
    """Sort digests that lie in pieces of (rows, 32) bytes, ascending, into one."""
    out = np.empty((sum(map(len, pieces)), DIGEST), np.uint8)
    if not len(out):
        return out
    if have_kernel():
        from .kernel import library  # noqa: PLC0415

        at = np.array([piece.ctypes.data for piece in pieces], np.uint64)
        counts = np.array([len(piece) for piece in pieces], np.uint64)
        if not library().lt_sort(at.ctypes.data, counts.ctypes.data, len(pieces), out.ctypes.data):
            raise MemoryError
        return out
    words = np.concatenate(pieces).view(">u8").reshape(len(out), 4)
    np.take(np.concatenate(pieces), np.lexsort((words[:, 3], words[:, 2], words[:, 1], words[:, 0])), axis=0, out=out)
    return out


def keys_of(digests: np.ndarray) -> np.ndarray:
    """Take the row keys of row digests, (rows, 32) bytes: the first 8 bytes as numbers, in the order of the rows."""
    if have_kernel() and digests.flags.c_contiguous:
        from .kernel import library  # noqa: PLC0415

        keys = np.empty(len(digests), np.uint64)
        library().lt_keys(digests.ctypes.data, len(digests), keys.ctypes.data)
        return keys.astype("<u8", copy=False)
    return np.ascontiguousarray(digests[:, :8]).view(">u8").reshape(len(digests)).astype("<u8")


class DigestSorter:
    """Take digests in any order, hand them out sorted; `close` removes what lies on disk.

    Args:
        folder: Where to spill; a temporary folder by default.
        memory: Bytes for sorting; more digests than fit are spilled.
    """

    def __init__(self, folder: Path | None, memory: int) -> None:
        self._folder = folder
        self._room = max(memory // (2 * DIGEST), PIECE)
        self._pieces: list[np.ndarray] = []
        self._full = 0  # pieces that are, before the one being filled
        self._used = 0  # of that one
        self._own: tempfile.TemporaryDirectory[str] | None = None
        self._runs: list[Path] = []
        self._names = count()

    def space(self, wanted: int) -> np.ndarray:
        """Give a place for the next digests, at least one and at most `wanted`; `took` says how many were written."""
        if self._pieces and self._used == len(self._pieces[self._full]):
            self._full += 1
            self._used = 0
        if self._full * PIECE >= self._room:
            self._spill()
        if self._full == len(self._pieces):
            self._pieces.append(np.empty((PIECE, DIGEST), np.uint8))
        return self._pieces[self._full][self._used : self._used + wanted]

    def took(self, rows: int) -> None:
        """Say how many digests were written to the place given."""
        self._used += rows

    def _sorted(self) -> np.ndarray:
        filled = self._pieces[: self._full]
        return sort_digests([*filled, self._pieces[self._full][: self._used]] if self._used else filled)

    def _spill(self) -> None:
        if self._own is None:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
            self._own = tempfile.TemporaryDirectory(prefix="lin-rows-", dir=self._folder)
        path = Path(self._own.name) / str(next(self._names))
        self._sorted().tofile(path)
        self._runs.append(path)
        self._full = self._used = 0

    def finish(self) -> Iterator[np.ndarray]:
        """Hand out all digests in ascending order, piece by piece."""
        last = self._sorted()
        self._pieces = []
        self._full = self._used = 0
        if not self._runs:
            yield last
            return
        readers = [_Run(path, self._room, len(self._runs)) for path in self._runs]
        yield from _merge(last, readers)
        self._remove()

    def _remove(self) -> None:
        if self._own is not None:
            self._own.cleanup()
            self._own = None
        self._runs = []

    def close(self) -> None:
        """Remove what was spilled."""
        self._remove()
        self._pieces = []
        self._full = self._used = 0


class _Run:
    """A sorted run on disk, read piece by piece."""

    def __init__(self, path: Path, room: int, runs: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._left = path.stat().st_size // DIGEST
        self._piece = max(room // (4 * runs), _LEAST_READ)
        self.rows = np.empty((0, DIGEST), np.uint8)

    @property
    def more(self) -> bool:
        return self._left > 0

    def read(self) -> None:
        wanted = min(self._piece, self._left)
        self.rows = np.fromfile(self._file, np.uint8, wanted * DIGEST).reshape(-1, DIGEST)
        if len(self.rows) != wanted:
            raise OSError("a file of sorted rows was cut short while it was in use")
        self._left -= wanted
        if not self._left:
            self._file.close()


def _merge(last: np.ndarray, runs: list[_Run]) -> Iterator[np.ndarray]:
    for run in runs:
        run.read()
    if have_kernel():
        yield from _merge_in_kernel(last, runs)
        return
    from heapq import merge  # noqa: PLC0415

    def each(run: _Run) -> Iterator[bytes]:
        while len(run.rows):
            yield from map(bytes, run.rows)
            if not run.more:
                return
            run.read()

    piece: list[bytes] = []
    for digest in merge(map(bytes, last), *map(each, runs)):
        piece.append(digest)
        if len(piece) == _MERGED:
            yield np.frombuffer(b"".join(piece), np.uint8).reshape(-1, DIGEST)
            piece = []
    yield np.frombuffer(b"".join(piece), np.uint8).reshape(-1, DIGEST)


def _merge_in_kernel(last: np.ndarray, runs: list[_Run]) -> Iterator[np.ndarray]:
    from .kernel import library  # noqa: PLC0415

    merge = library().lt_merge
    at = np.array([run.rows.ctypes.data for run in runs] + [last.ctypes.data], np.uint64)
    left = np.array([len(run.rows) for run in runs] + [len(last)], np.uint64)
    more = np.array([run.more for run in runs] + [False], np.uint8)
    out = np.empty((_MERGED, DIGEST), np.uint8)
    which = np.zeros(1, np.int32)
    while True:
        written = merge(
            at.ctypes.data, left.ctypes.data, more.ctypes.data, len(at), out.ctypes.data, len(out), which.ctypes.data
        )
        if which[0] == -2:  # noqa: PLR2004
            raise MemoryError
        if written:
            yield out[:written]
        if which[0] >= 0:
            index = int(which[0])
            run = runs[index]
            run.read()
            at[index], left[index], more[index] = run.rows.ctypes.data, len(run.rows), run.more
        elif not written:
            return
