"""Decide how a part of a new version is kept: as a difference, and from what, or by itself.

A delta from a delta from a delta is small, and slow to read. So a delta is made against what its base was made
from, whenever what that costs is in proportion to what the base itself cost: as in a binary counter, the 2ⁿth version
in a row is kept against the one 2ⁿ before it. Each of many versions is then read in a few steps, and takes a few times
the room of what changed since the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import delta, zstd
from .lists import Part
from .pack import DIGEST_SIZE, MAX_DEPTH, Coding, Entry
from .packing import Coded
from .similar import MOST, SPAN, Previous, Window

SMALLEST = 128
"""Bytes below which a delta saves less than naming its base costs."""
_COST = DIGEST_SIZE
_PLAINLY = 8
"""A delta of less than this part of the bytes is taken without trying what compressing by itself gives."""
_WORTH = 0.8
"""Otherwise it has to be that much smaller, for it takes longer to read."""
_NOISE = 0.5
"""What compressing by itself leaves more of may be numbers."""
_NUMBERS_DEPTH = 3
"""Each has two bases or three, as cuts do not agree, and each of those may have as many."""
_APPENDED_DEPTH = 2
_APPENDED_WORTH = 0.97
"""What is added at the end need not gain as much: only one more chunk has to be read, and mostly is read anyway."""
_GROWTH = 1.5
"""A base that cost at most this many times what the new delta costs is passed over for its own base."""
_TOLERANCE = 1.2


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers that changed everywhere, by little.

    Attributes:
        width: Bytes of each.
        alone: What part of them was left by compressing them by themselves.
    """

    width: int
    alone: float


class Differ:
    """Keep the parts of one new version against those of the previous one; safe from several threads."""

    def __init__(
        self,
        parts: list[Part],
        read: Callable[[bytes], bytes | None],
        find: Callable[[bytes], Entry | None],
        stored: Callable[[bytes], bytes | None],
    ) -> None:
        """Read nothing yet.

        Args:
            parts: The chunks of the previous version, or the one small blob that it is.
            read: Returns the verified bytes of a chunk or small blob, or None if they cannot be had.
            find: Returns its entry, if it can be counted on to stay; None otherwise.
            stored: Returns what is stored of it as numbers, or None if it is not.
        """
        self._previous = Previous(parts, read)
        self._read = read
        self._find = find
        self._stored = stored
        self._numbers: _Numbers | None = None  # what the part before was, if it was numbers that changed everywhere

    def known(self, offset: int, digest: bytes, size: int) -> None:
        """Take note of a part of the new version that is there already."""
        self._previous.known(offset, digest, size)

    def encode(self, offset: int, data: bytes | memoryview, squeeze: Callable[[bytes | memoryview], Coded]) -> Coded:
        """Return how to keep a part of the new version.

        Args:
            offset: Where it begins there.
            data: Its bytes.
            squeeze: How it is kept by itself.
        """
        if len(data) < SMALLEST:
            return squeeze(data)
        numbers = self._numbers
        window = self._previous.window(offset, data, search=numbers is None)
        if window is None:
            return self._appended(offset, data, squeeze(data))
        entries = self._entries([digest for digest, _ in window.parts])
        if entries is None:
            return squeeze(data)
        if numbers is not None and not window.seen:
            coded = self._combined(data, window, entries, numbers.width)
            if coded is not None and len(coded.data) + _COST < _WORTH * numbers.alone * len(data):
                self._previous.paid(offset, len(data), window)
                return coded
            self._numbers = None
        best = self._against(data, window, entries) if window.seen else None
        if best is None or len(best.data) * _PLAINLY > len(data):
            alone = squeeze(data)
            best = self._smallest(data, window, entries, best, alone)
            if best is alone:
                return self._appended(offset, data, alone)
        self._previous.paid(offset, len(data), window)
        return best

    # ------------------------------------------------------------------------

    def _appended(self, offset: int, data: bytes | memoryview, alone: Coded) -> Coded:
        """Keep what was added at the end against the last chunks before it: rows look like rows."""
        if len(alone.data) > _NOISE * len(data):
            return alone
        window = self._previous.end(offset, len(data))
        entries = self._entries([digest for digest, _ in window.parts]) if window is not None else None
        if window is None or entries is None or _depth(entries) > _APPENDED_DEPTH:
            return alone
        frame = zstd.against(data, window.plain)
        return _delta(frame, entries) if len(frame) + _COST <= _APPENDED_WORTH * len(alone.data) else alone

    def _smallest(
        self, data: bytes | memoryview, window: Window, entries: list[Entry], best: Coded | None, alone: Coded
    ) -> Coded:
        ratio = len(alone.data) / len(data)
        if ratio > _NOISE and (width := delta.width_of(data, window.plain, window.skip)) is not None:
            mixed = self._combined(data, window, entries, width)
            if mixed is not None and (best is None or len(mixed.data) < len(best.data)):
                best = mixed
                if not window.seen:
                    self._numbers = _Numbers(width, ratio)
        return best if best is not None and len(best.data) + _COST <= _WORTH * len(alone.data) else alone

    def _against(self, data: bytes | memoryview, window: Window, entries: list[Entry]) -> Coded | None:
        frame = zstd.against(data, window.plain)
        while True:
            spent = sum(entry.stored for entry in entries if entry.bases)
            deep = _depth(entries) > MAX_DEPTH
            if not deep and (not spent or spent > _GROWTH * len(frame)):
                return _delta(frame, entries)
            below = self._below(entries)
            if below is None:
                return None if deep else _delta(frame, entries)
            parents, plain = below
            other = zstd.against(data, plain)
            if not deep and len(other) > _TOLERANCE * (spent + len(frame)):
                return _delta(frame, entries)
            entries, frame = parents, other

    def _combined(self, data: bytes | memoryview, window: Window, entries: list[Entry], width: int) -> Coded | None:
        plain, skip = window.plain, window.skip
        if all(entry.coding == Coding.NUMBERS for entry in entries):
            # Numbers that moved twice are not much farther from where they began: one step is enough for ever.
            below = self._below(entries)
            stored = self._stored(entries[0].digest)
            if below is None or stored is None:
                return None
            entries, plain, skip = _trimmed(*below, delta.skip_of(stored) + skip, len(data))
        if _depth(entries) > _NUMBERS_DEPTH:
            return None
        return Coded(delta.combine(data, plain, skip, width), Coding.NUMBERS, _digests(entries), _depth(entries))

    def _entries(self, digests: list[bytes]) -> list[Entry] | None:
        found = [self._find(digest) for digest in digests]
        entries = [entry for entry in found if entry is not None]
        return entries if entries and len(entries) == len(found) else None

    def _below(self, entries: list[Entry]) -> tuple[list[Entry], bytes] | None:
        """Return what these were made from, and the bytes of that."""
        digests: list[bytes] = []
        for entry in entries:
            of = [entry.bases[at : at + DIGEST_SIZE] for at in range(0, len(entry.bases), DIGEST_SIZE)]
            digests += [digest for digest in of or [entry.digest] if digest not in digests]
        parents = self._entries(digests)
        if parents is None or len(parents) > MOST or sum(entry.size for entry in parents) > SPAN:
            return None
        plain = [self._read(digest) for digest in digests]
        whole = [data for data in plain if data is not None]
        return (parents, b"".join(whole)) if len(whole) == len(plain) else None


def _trimmed(entries: list[Entry], plain: bytes, skip: int, size: int) -> tuple[list[Entry], bytes, int]:
    """Leave out bases that have nothing of what is `size` bytes long and begins at `skip`."""
    first, last = 0, len(entries)
    while last - first > 1 and entries[first].size <= skip:
        skip -= entries[first].size
        plain = plain[entries[first].size :]
        first += 1
    while last - first > 1 and len(plain) - entries[last - 1].size >= skip + size:
        plain = plain[: len(plain) - entries[last - 1].size]
        last -= 1
    return entries[first:last], plain, skip


def _delta(frame: bytes, entries: list[Entry]) -> Coded:
    return Coded(frame, Coding.DELTA, _digests(entries), _depth(entries))


def _digests(entries: list[Entry]) -> bytes:
    return b"".join(entry.digest for entry in entries)


def _depth(entries: list[Entry]) -> int:
    return 1 + max(entry.depth for entry in entries)
