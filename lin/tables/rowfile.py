"""All row digests of a table, sorted, each with its row's number: a file in this machine's cache.

It confirms on 32 bytes what the 8 bytes of row keys suggest, and says where a row stands. Three arrays after a header:
the first 8 bytes of each digest as a little-endian number that orders as the digests do, the other 24, and the row's
number from 0. Sorting happens in runs that fit into memory, which are merged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lin.errors import DamagedIndexError

MAGIC = b"lin-rows/1\0\0\0\0\0\0"
RUN = 2_000_000
"""Rows that are sorted in one go: 80 MB, and as much again while they are."""
_HEADER = 64
_TAIL = 24
_BLOCK = 1 << 18

Array = Any
"""An array; what is in it is told where it matters."""


class RowFile:
    """A file of sorted row digests, mapped: it takes no memory but what is looked at.

    Attributes:
        rows: How many.
        heads: The first 8 bytes of each digest, ascending.
        tails: The other 24 bytes, (rows, 24).
        numbers: The number of each row, from 0; ascending where digests are equal.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            header = file.read(_HEADER)
        rows = int.from_bytes(header[16:24], "little")
        if header[:16] != MAGIC or path.stat().st_size != _HEADER + rows * (8 + _TAIL + 8):
            raise DamagedIndexError(f"{path} is not a file of row digests", hint="Delete it; it is made again.")
        self.rows = rows
        self.heads, self.tails, self.numbers = _arrays(path, rows, "r")

    def places(self, heads: Array, tails: Array) -> Array:
        """Return where each of these digests stands first, or -1."""
        low: Array = np.searchsorted(self.heads, heads, "left")
        found = np.full(len(heads), -1, np.int64)
        if not self.rows:
            return found
        there = np.flatnonzero((low < self.rows) & (self.heads[np.minimum(low, self.rows - 1)] == heads))
        if not len(there):
            return found
        at = low[there]
        equal = (self.tails[at] == tails[there]).all(axis=1)
        found[there[equal]] = at[equal]
        # Digests that share 8 bytes and differ in the rest: by accident never, on purpose a few.
        for index in there[~equal]:
            place = self._search(heads[index], tails[index].tobytes())
            if place is not None:
                found[index] = place
        return found

    def _search(self, head: Any, tail: bytes) -> int | None:
        low = int(np.searchsorted(self.heads, head, "left"))
        high = int(np.searchsorted(self.heads, head, "right"))
        end = high
        while low < high:
            middle = (low + high) // 2
            if self.tails[middle].tobytes() < tail:
                low = middle + 1
            else:
                high = middle
        return low if low < end and self.tails[low].tobytes() == tail else None

    def find(self, other: RowFile, places: Array) -> Array:
        """Return where the digests at some places of another file stand here first, or -1."""
        some = (self.places(other.heads[each], other.tails[each]) for each in _blocks(places))
        return np.concatenate([np.empty(0, np.int64), *some])

    def firsts(self, chosen: Array | None = None) -> Array:
        """Return the places where a digest stands for the first time, of all or of `chosen` (ascending places)."""
        places = np.arange(self.rows) if chosen is None else chosen
        return np.concatenate([np.empty(0, np.int64), *map(self._firsts, _blocks(places))])

    def _firsts(self, places: Array) -> Array:
        before = np.maximum(places - 1, 0)
        fresh = (self.heads[places] != self.heads[before]) | (self.tails[places] != self.tails[before]).any(axis=1)
        fresh |= places == 0
        return places[fresh]

    def ends(self, places: Array) -> Array:
        """Return where the copies of the digest at each of these places end."""
        return np.concatenate([np.empty(0, np.int64), *map(self._ends, _blocks(places))])

    def _ends(self, places: Array) -> Array:
        high = np.searchsorted(self.heads, self.heads[places], "right")
        odd = np.flatnonzero((self.tails[high - 1] != self.tails[places]).any(axis=1)) if len(places) else ()
        for index in odd:
            place, tail = int(places[index]), self.tails[places[index]].tobytes()
            low, top = place, int(high[index])
            while low < top:
                middle = (low + top) // 2
                if self.tails[middle].tobytes() <= tail:
                    low = middle + 1
                else:
                    top = middle
            high[index] = low
        return high


def _blocks(places: Array) -> Iterator[Array]:
    # Digests are compared in copies, which are made of so many at once.
    return (places[start : start + _BLOCK] for start in range(0, len(places), _BLOCK))


def _arrays(path: Path, rows: int, mode: Any) -> tuple[Array, Array, Array]:
    if not rows:  # nothing cannot be mapped
        return np.empty(0, "<u8"), np.empty((0, _TAIL), np.uint8), np.empty(0, "<u8")
    return (
        np.memmap(path, "<u8", mode, _HEADER, (rows,)),
        np.memmap(path, np.uint8, mode, _HEADER + rows * 8, (rows, _TAIL)),
        np.memmap(path, "<u8", mode, _HEADER + rows * (8 + _TAIL), (rows,)),
    )


def write(path: Path, batches: Iterable[Array], *, run: int = RUN) -> RowFile:
    """Sort row digests, given in the order of the rows as arrays of (n, 32) bytes, into a file that replaces `path`.

    Args:
        path: Where; its folder is there.
        batches: The digests.
        run: Rows that are sorted in one go.
    """
    with TemporaryDirectory(prefix=".rows-", dir=path.parent) as folder:
        runs = [RowFile(each) for each in _runs(Path(folder), batches, run)]
        merged = Path(folder) / "merged"
        if len(runs) == 1:
            (Path(folder) / "0").replace(merged)
        else:
            _merge(merged, runs, run)
        merged.replace(path)
    return RowFile(path)


def _runs(folder: Path, batches: Iterable[Array], run: int) -> Iterator[Path]:
    waiting: list[Array] = []
    count, start, made = 0, 0, 0
    for batch in batches:
        for offset in range(0, len(batch), run):
            piece = batch[offset : offset + run]
            waiting.append(piece)
            count += len(piece)
            if count >= run:
                yield _run(folder / str(made), waiting, start)
                made, start, waiting, count = made + 1, start + count, [], 0
    if count or not made:
        yield _run(folder / str(made), waiting, start)


def _run(path: Path, pieces: Sequence[Array], start: int) -> Path:
    digests = np.concatenate(pieces) if pieces else np.empty((0, 32), np.uint8)
    heads = np.ascontiguousarray(digests[:, :8]).view(">u8").reshape(-1).astype("<u8")
    order = _order(heads, digests[:, 8:])
    rows = len(order)
    with path.open("wb") as file:
        file.write(_header(rows))
        file.write(heads[order].data)
        file.write(np.ascontiguousarray(digests[order, 8:]).data)
        file.write((order + start).astype("<u8").data)
    return path


def _order(heads: Array, tails: Array) -> Array:
    """Return the order of digests; equal ones stay as they are."""
    order = np.argsort(heads, kind="stable")
    sorted_heads = heads[order]
    tied = np.flatnonzero(sorted_heads[1:] == sorted_heads[:-1])
    if len(tied):
        unlike = (tails[order[tied]] != tails[order[tied + 1]]).any(axis=1)
        # Only where heads are equal and tails are not does the rest of the digest decide.
        for head in np.unique(sorted_heads[tied[unlike]]):
            low, high = np.searchsorted(sorted_heads, head, "left"), np.searchsorted(sorted_heads, head, "right")
            some = order[low:high]
            words = np.ascontiguousarray(tails[some]).view(">u8")
            order[low:high] = some[np.lexsort((words[:, 2], words[:, 1], words[:, 0]))]
    return order


def _header(rows: int) -> bytes:
    return (MAGIC + rows.to_bytes(8, "little")).ljust(_HEADER, b"\0")


def _merge(path: Path, runs: Sequence[RowFile], run: int) -> None:
    """Merge sorted runs, a range of heads at a time, each of which fits into memory unless it is one digest."""
    total = sum(each.rows for each in runs)
    with path.open("wb") as file:
        os.ftruncate(file.fileno(), _HEADER + total * (8 + _TAIL + 8))
        file.write(_header(total))
    heads, tails, numbers = _arrays(path, total, "r+")
    at = 0
    for slices in _ranges(runs, run):
        size = sum(high - low for low, high in slices)
        some = [(each, low, high) for each, (low, high) in zip(runs, slices, strict=True) if high > low]
        one = len({int(each.heads[low]) for each, low, _ in some} | {int(e.heads[h - 1]) for e, _, h in some}) == 1
        if one and size > run and _is_one(some):
            for each, low, high in some:  # copies of one row, in the order of the rows already
                for start in range(low, high, run):
                    stop = min(high, start + run)
                    heads[at : at + stop - start] = each.heads[start:stop]
                    tails[at : at + stop - start] = each.tails[start:stop]
                    numbers[at : at + stop - start] = each.numbers[start:stop]
                    at += stop - start
            continue
        found = [
            np.concatenate([getattr(e, name)[lo:hi] for e, lo, hi in some]) for name in ("heads", "tails", "numbers")
        ]
        order = _order(found[0], found[1])
        heads[at : at + size], tails[at : at + size], numbers[at : at + size] = (each[order] for each in found)
        at += size
    for array in (heads, tails, numbers):
        array.flush()


def _is_one(some: Sequence[tuple[RowFile, int, int]]) -> bool:
    """Tell whether all digests in these slices, whose heads are equal, are equal: each slice is sorted."""
    ends = {each.tails[place].tobytes() for each, low, high in some for place in (low, high - 1)}
    return len(ends) == 1


def _ranges(runs: Sequence[RowFile], run: int) -> Iterator[list[tuple[int, int]]]:
    """Yield for each range of heads, ascending, the slice of each run that lies in it."""
    step = max(1, run // (4 * len(runs)))
    cuts = np.unique(np.concatenate([each.heads[step::step] for each in runs]))
    lows = [0] * len(runs)
    group = max(1, len(runs) // 2)
    # What occurs very often gets a range of its own: up to it, and with it.
    counted: list[tuple[Any, str]] = []
    for index, cut in enumerate(cuts):
        if index % group == 0 or _often(runs, cut, step):
            counted += [(cut, "left"), (cut, "right")]
    for cut, side in counted:
        highs = [int(np.searchsorted(each.heads, cut, side)) for each in runs]  # type: ignore[call-overload]
        if highs != lows:
            yield list(zip(lows, highs, strict=True))
        lows = highs
    if any(low < each.rows for low, each in zip(lows, runs, strict=True)):
        yield [(low, each.rows) for low, each in zip(lows, runs, strict=True)]


def _often(runs: Sequence[RowFile], head: Any, step: int) -> bool:
    return any(
        np.searchsorted(each.heads, head, "right") - np.searchsorted(each.heads, head, "left") >= step for each in runs
    )
