"""Find what a part of a new version resembles in the previous one.

Two versions are walked side by side. Where a part of the new one is expected in the old one follows from the last
place where both agreed; a few short probes then show where it really is. If the old version is of no
use there, the borders of all its chunks are compared: where content is cut depends on the content, so a part that
moved, however far, usually begins or ends as before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from .lists import Part

PROBE = 24
"""Bytes of a probe: long enough to be rare in a table, short enough to lie between two edits."""
_PROBES = 12
_SEARCHED = 3
"""Of so many probes one is searched for, if none is where it should be."""
_NEAR = 128 << 10
"""Bytes to either side of that place that are searched."""
_END = 128 << 10
"""Bytes before the end that are shown to what was added behind it."""
_EDGE = 16
"""Bytes at either end of a chunk that tell it from others."""
_LEAST = 512
"""Bytes that a base must have in common with the part, by its position, to be worth reading."""
_KEPT = 8 << 20
"""Bytes of the previous version that are held in memory."""
_MOVED = 512 << 20
"""Bytes of the previous version whose borders are read at most, to find what moved."""
MOST = 8
"""Bases of one part."""
SPAN = 2 << 20
"""Bytes of all of its bases."""
_PLACES = 64
"""Places where both versions agreed that are remembered; several threads work on parts that follow one another."""
_HOPELESS = 8
"""Parts in a row that resemble nothing, before only some of the following are tried."""


@dataclass(frozen=True, slots=True)
class Window:
    """What part of the previous version resembles a part of the new one.

    Attributes:
        parts: Chunks of the previous version, in their order.
        plain: Their bytes, one after another.
        skip: Where in them the counterpart of the first byte is; within them, but for what is guessed.
        seen: Whether a probe was found; otherwise this is where it should be, by its position alone.
    """

    parts: Sequence[Part]
    plain: bytes
    skip: int
    seen: bool


class Previous:
    """The previous version of a blob that is being put; safe from several threads.

    Memory is bounded: of the previous version a few MiB are held, and 40 bytes for each chunk.
    """

    def __init__(self, parts: Sequence[Part], read: Callable[[bytes], bytes | None]) -> None:
        """Read nothing yet.

        Args:
            parts: The chunks of the previous version.
            read: Returns a chunk's bytes, or None if they cannot be had.
        """
        self._parts = parts
        self._starts = [0]
        for _, size in parts:
            self._starts.append(self._starts[-1] + size)
        self._index: dict[bytes, int] = {}
        for index, (digest, _) in enumerate(parts):
            self._index.setdefault(digest, index)
        self._read = read
        self._lock = Lock()
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._lost: set[int] = set()
        self._agreed = [(0, 0)]
        self._failures = 0
        self._moving = Lock()
        self._edges: dict[bytes, int] | None = None

    def known(self, offset: int, digest: bytes, size: int) -> None:
        """Take note of a part that is there unchanged: what follows it is expected behind it."""
        index = self._index.get(digest)
        if index is not None:
            with self._lock:
                self._failures = 0
            self._agree(offset + size, self._starts[index] + size)

    def window(self, offset: int, data: bytes | memoryview, *, search: bool = True) -> Window | None:
        """Return what resembles `data`, which begins at `offset` in the new version; None if nothing seems to.

        Args:
            offset: Where it begins.
            data: Its bytes.
            search: Whether to look elsewhere if it is not where it should be.
        """
        with self._lock:
            self._failures += 1
            failures = self._failures
            expected, left = self._expected(offset), self._agreed[-1][1]
        if failures > _HOPELESS and failures % _HOPELESS:
            return None
        data = bytes(data)
        found = self._probe(data, expected, search=search)
        if search:
            if found is None and failures > 1:
                # Perhaps it was inserted, and the previous version goes on where it was left.
                found = self._probe(data, left, search=True)
            if found is None and (place := self._moved(data)) is not None:
                found = self._probe(data, place, search=True)
        if found is not None:
            start, end = found
            self._agree(offset + len(data), end)
            return self._cut(self._chunks(start, end, _LEAST), start, seen=True)
        return self._cut(self._chunks(expected, expected + len(data), 1), expected, seen=False)

    def end(self, offset: int, size: int) -> Window | None:
        """Return the end of the previous version, if a part of `size` bytes at `offset` reaches beyond it."""
        total = self._starts[-1]
        with self._lock:
            behind = max(offset, self._expected(offset)) + size > total
        return self._cut(self._chunks(max(0, total - _END), total, 1), total, seen=True) if behind else None

    def paid(self, offset: int, size: int, window: Window) -> None:
        """Take note that a window was of use: the parts that follow are worth a look again."""
        with self._lock:
            self._failures = 0
        if not window.seen:
            start = self._starts[self._index[window.parts[0][0]]]
            self._agree(offset + size, start + window.skip + size)

    # ------------------------------------------------------------------------

    def _agree(self, new: int, old: int) -> None:
        with self._lock:
            at = bisect_right(self._agreed, (new, old))
            self._agreed.insert(at, (new, old))
            if len(self._agreed) > _PLACES:
                del self._agreed[0]

    def _expected(self, offset: int) -> int:
        at = max(1, bisect_right(self._agreed, (offset, 1 << 63)))
        new, old = self._agreed[at - 1]
        return max(0, old + offset - new)

    def _chunks(self, start: int, end: int, least: int) -> range:
        """Return the chunks with `least` bytes or more between two positions, as many as a record may have bases."""
        if start >= self._starts[-1]:
            return range(0)
        first = max(0, bisect_right(self._starts, start) - 1)
        last = min(bisect_right(self._starts, max(start, end - 1)), len(self._parts))
        least = min(least, end - start)
        if last - first > 1 and self._starts[first + 1] - start < least:
            first += 1
        if last - first > 1 and end - self._starts[last - 1] < least:
            last -= 1
        last = min(last, first + MOST)
        while last - first > 1 and self._starts[last] - self._starts[first] > SPAN:
            last -= 1
        return range(first, last)

    def _plain(self, chunks: range) -> bytes | None:
        """Return the bytes of some chunks, one after another; None if one of them cannot be had."""
        found = []
        for index in chunks:
            data = self._chunk(index)
            if data is None:
                return None
            found.append(data)
        return b"".join(found)

    def _chunk(self, index: int) -> bytes | None:
        with self._lock:
            held = self._held.get(index)
            if held is not None:
                self._held.move_to_end(index)
                return held
            if index in self._lost:
                return None
        digest, size = self._parts[index]
        data = self._read(digest)  # not under the lock: others go on meanwhile
        with self._lock:
            if data is None or len(data) != size:
                self._lost.add(index)
                return None
            if index not in self._held:
                self._held[index] = data
                self._bytes += size
                while self._bytes > _KEPT and len(self._held) > 1:
                    _, dropped = self._held.popitem(last=False)
                    self._bytes -= len(dropped)
        return data

    def _probe(self, data: bytes, expected: int, *, search: bool) -> tuple[int, int] | None:
        """Return where in the previous version `data` begins and ends, by the outermost probes that are found."""
        chunks = self._chunks(expected, expected + len(data), _LEAST)
        plain = self._plain(chunks)
        if not plain:
            return None
        base = self._starts[chunks[0]]
        step = max(1, (len(data) - PROBE) // (_PROBES - 1))
        positions = range(0, max(1, len(data) - PROBE + 1), step)
        first = _outermost(data, plain, positions, expected - base, search=search)
        if first is None:
            return None
        last = _outermost(data, plain, positions[::-1], first[1] - first[0], search=search) or first
        return max(0, base + first[1] - first[0]), base + last[1] - last[0] + len(data)

    def _moved(self, data: bytes) -> int | None:
        """Return where `data` should begin in the previous version, by the borders of all its chunks."""
        with self._moving:
            if self._edges is None:
                self._edges = self._borders()
        begin = self._edges.get(data[:_EDGE])
        if begin is not None:
            return begin
        end = self._edges.get(data[-_EDGE:])
        return None if end is None else max(0, end - len(data))

    def _borders(self) -> dict[bytes, int]:
        edges: dict[bytes, int] = {}
        for index, start in enumerate(self._starts[:-1]):
            if start > _MOVED:
                break
            data = self._chunk(index)
            if data:
                edges.setdefault(data[:_EDGE], start)
                edges.setdefault(data[-_EDGE:], start + len(data))
        return edges

    def _cut(self, chunks: range, start: int, *, seen: bool) -> Window | None:
        plain = self._plain(chunks)
        if not plain:
            return None
        parts = [self._parts[index] for index in chunks]
        return Window(parts, plain, max(0, start - self._starts[chunks[0]]), seen)


def _outermost(data: bytes, plain: bytes, positions: range, shift: int, *, search: bool) -> tuple[int, int] | None:
    """Return the first of some positions whose probe is in `plain`, and where."""
    for position in positions:
        place = position + shift
        if place >= 0 and plain[place : place + PROBE] == data[position : position + PROBE]:
            return position, place
    for position in positions[::_SEARCHED] if search else ():
        probe = data[position : position + PROBE]
        if probe.count(probe[:1]) < len(probe):  # one byte over and over is everywhere
            near = max(0, position + shift - _NEAR)
            place = plain.find(probe, near, near + 2 * _NEAR)
            if place >= 0:
                return position, place
    return None
