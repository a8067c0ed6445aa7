"""Take in a large blob: read, digest, cut, compress and write it, in several threads and constant memory.

One thread reads, cuts and writes; others digest the whole, and digest and compress the chunks.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from .cutting import CUTTER
from .delta_choice import Differ
from .digest import Digest
from .lists import Part
from .pack import Kind
from .packing import Coded, Packer, pays, plainly, squeeze
from .pour import threads
from .pump import Reader, fill, hasher

if TYPE_CHECKING:
    from concurrent.futures import Future

BLOCK = 4 << 20
"""Bytes that are read, and then cut, at once."""
_HEAD = CUTTER.max
"""Room before a block for what was left of the one before it."""
_AHEAD = 4
"""Blocks that are in work at once."""

_spare: list[bytearray] = []


@dataclass(slots=True)
class _Work:
    """One block on its way."""

    buffer: bytearray
    chunks: Future[list[tuple[bytes, int, Coded | None]]]
    digesting: Future[None]


def take(
    reader: Reader,
    begun: bytes | memoryview,
    packer: Packer,
    advance: Callable[[int], None] | None,
    differ: Differ | None = None,
) -> tuple[Digest, int]:
    """Keep a blob of which the first bytes have been read already.

    Args:
        reader: Where the rest comes from.
        begun: The first bytes; they count as told to `advance`.
        packer: Where the chunks go.
        advance: Told of the size of what was read.
        differ: Keeps chunks against those of the previous version, if there is one.
    """
    return _Intake(packer, differ).run(reader, begun, advance)


class _Intake:
    def __init__(self, packer: Packer, differ: Differ | None) -> None:
        self._packer = packer
        self._differ = differ
        self._work: deque[_Work] = deque()
        self._parts: list[Part] = []

    def run(
        self, reader: Reader, begun: bytes | memoryview, advance: Callable[[int], None] | None
    ) -> tuple[Digest, int]:
        state = hasher()
        pool = threads(max(2, os.cpu_count() or 1))
        size = 0
        rest: memoryview = memoryview(b"")
        try:
            while True:
                buffer = _spare.pop() if _spare else bytearray(_HEAD + BLOCK)
                view = memoryview(buffer)
                count = len(begun)
                if count:
                    view[_HEAD : _HEAD + count] = begun
                    begun = b""
                more = fill(reader, view[_HEAD + count :])
                if more and advance is not None:
                    advance(more)
                count += more
                size += count
                last = count < BLOCK
                block = view[_HEAD : _HEAD + count]
                if self._work:
                    self._work[-1].digesting.result()
                digesting = pool.submit(_update, state, block)
                start = _HEAD - len(rest)
                view[start:_HEAD] = rest
                data = view[start : _HEAD + count]
                chunks, rest = _cut(data, last=last)
                coding = pool.submit(self._code, chunks, data, size - len(data))
                self._work.append(_Work(buffer, coding, digesting))
                if last:
                    break
                while len(self._work) > _AHEAD:
                    self._write_first()
            only = len(chunks) == 1 and len(self._work) == 1 and not self._parts
            while self._work:
                self._write_first(Kind.BLOB if only else Kind.CHUNK)
        finally:
            self._give_up()
        digest = Digest(state.digest())
        if not only and self._packer.has_blob(digest.value) is None:
            self._packer.add_list(digest.value, size, self._parts)
        return digest, size

    def _give_up(self) -> None:
        """Let no thread go on with the buffers, after an error."""
        for work in self._work:
            work.chunks.cancel()
            work.digesting.cancel()
        for work in self._work:
            _settle(work.chunks)
            _settle(work.digesting)

    def _code(self, chunks: list[memoryview], data: memoryview, offset: int) -> list[tuple[bytes, int, Coded | None]]:
        digests = [blake3(chunk).digest() for chunk in chunks]
        known = self._packer.have_chunks(digests)
        alone = squeeze if len(known) < len(chunks) and pays(data) else plainly
        coded: list[tuple[bytes, int, Coded | None]] = []
        for digest, chunk in zip(digests, chunks, strict=True):
            if digest in known:
                coded.append((digest, len(chunk), None))
                if self._differ is not None:
                    self._differ.known(offset, digest, len(chunk))
            elif self._differ is not None:
                coded.append((digest, len(chunk), self._differ.encode(offset, chunk, alone)))
            else:
                coded.append((digest, len(chunk), alone(chunk)))
            offset += len(chunk)
        return coded

    def _write_first(self, kind: Kind = Kind.CHUNK) -> None:
        work = self._work[0]
        for digest, size, coded in work.chunks.result():
            if coded is None and kind == Kind.BLOB and self._packer.has_blob(digest) is None:
                self._packer.add_list(digest, size, [(digest, size)])
            elif coded is not None:
                self._packer.add(digest, size, kind, coded)
            self._parts.append((digest, size))
        work.digesting.result()
        self._work.popleft()
        _spare.append(work.buffer)
        del _spare[_AHEAD + 2 :]


def _cut(data: memoryview, *, last: bool) -> tuple[list[memoryview], memoryview]:
    chunks = []
    start = 0
    for end in CUTTER.borders(data, last=last):
        chunks.append(data[start:end])
        start = end
    return chunks, data[start:]


def _update(state: object, block: memoryview) -> None:
    state.update(block)  # type: ignore[attr-defined]


def _settle(future: Future[object] | Future[None] | Future[list[tuple[bytes, int, Coded | None]]]) -> None:
    if not future.cancelled():
        future.exception()
