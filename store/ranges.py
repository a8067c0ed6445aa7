"""Read parts of a blob: only the chunks that are asked for, each verified before a byte of it is given out."""

from __future__ import annotations

import io
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from threading import Lock
from typing import Any

from lin.errors import BlobNotFoundError, CorruptBlobError, CorruptContentError, NotFoundError

from .catalogue import Record
from .digest import Digest
from .fetch import SPAN, Fetcher, Span
from .lists import Part

_KEPT = 16 << 20
"""Bytes of chunks that are kept for the next read."""


class BlobFile(io.RawIOBase):
    """A blob as a file that can be read from anywhere; safe from several threads only as far as any file is."""

    def __init__(self, digest: Digest, fetcher: Fetcher, record: Record, where: str, workers: int = 1) -> None:
        super().__init__()
        self._workers = workers
        self._digest = digest
        self._fetch = fetcher
        self._where = where
        self._parts = fetcher.parts(digest, record)
        self._ends = list(accumulate(size for _, size in self._parts))
        self._size = record.entry.size
        self._position = 0
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The blob's digest."""
        return str(self._digest)

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, which may lie behind the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"no position in a file: {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read up to as many verified bytes as a buffer takes."""
        view = memoryview(buffer).cast("B")
        data = self.read_range(self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def read_range(self, start: int, length: int) -> bytes:
        """Return verified bytes, fewer only where the blob ends before.

        Raises:
            CorruptBlobError: A chunk of them is damaged.
            BlobNotFoundError: A chunk of them is missing.
        """
        end = min(start + length, self._size)
        if start >= end:
            return b""
        first, last = bisect_right(self._ends, start), bisect_left(self._ends, end)
        ahead = self._together(self._parts[first : last + 1])
        pieces = []
        for index in range(first, last + 1):
            digest, size = self._parts[index]
            begin = self._ends[index] - size
            data = ahead.get(digest) or self._chunk(digest)
            pieces.append(memoryview(data)[max(start - begin, 0) : end - begin])
        return b"".join(pieces)

    def _together(self, parts: Sequence[Part]) -> dict[bytes, bytes]:
        """Return chunks that are worth fetching at once: where each read is a request, many of them are under way."""
        with self._lock:
            missing = [part for part in dict.fromkeys(parts) if part[0] not in self._kept]
        if self._workers == 1 or len(missing) < 2:  # noqa: PLR2004 - a single one is read as it comes
            return {}
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - start-up

        found: dict[bytes, bytes] = {}
        try:
            spans = list(self._fetch.spans(missing))
            with ThreadPoolExecutor(min(self._workers, len(spans))) as pool:
                for read in pool.map(self._span, spans):
                    found.update(read)
        except (CorruptContentError, NotFoundError):
            pass  # read one by one, it is told which one it is
        for digest, data in found.items():
            self._keep(digest, data)
        return found

    def _span(self, span: Span) -> dict[bytes, bytes]:
        data = self._fetch.read_into(span, bytearray(SPAN if len(span.parts) > 1 else 0))
        if len(span.parts) == 1:
            return {span.parts[0][0]: bytes(data)}
        found, start = {}, 0
        for digest, size in span.parts:
            piece = bytes(data[start : start + size])
            start += size
            if Digest.of(piece).value == digest:  # else it is read by itself, and another pack may have it
                found[digest] = piece
        return found

    def _chunk(self, digest: bytes) -> bytes:
        with self._lock:
            data = self._kept.get(digest)
            if data is not None:
                self._kept.move_to_end(digest)
                return data
        try:
            data = self._fetch.chunk(digest)
        except CorruptContentError as error:
            raise CorruptBlobError(
                f"the blob {self._digest} in {self._where} is damaged: {error.message}", hint=error.hint
            ) from error
        except NotFoundError as error:
            raise BlobNotFoundError(
                f"part of the blob {self._digest} is missing: {error.message}",
                hint="Fetch it from a repository that has it.",
            ) from error
        self._keep(digest, data)
        return data

    def _keep(self, digest: bytes, data: bytes) -> None:
        with self._lock:
            if digest not in self._kept:
                self._kept[digest] = data
                self._bytes += len(data)
            while self._bytes > _KEPT and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
