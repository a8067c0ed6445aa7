"""Read parts of a blob: only the chunks that are asked for, each verified before a byte of it is given out."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from threading import Lock
from typing import Any

from lin.errors import BlobNotFoundError, CorruptBlobError, CorruptContentError, NotFoundError

from .catalogue import Record
from .digest import Digest
from .fetch import Fetcher

_KEPT = 16 << 20
"""Bytes of chunks that are kept for the next read."""


class BlobFile(io.RawIOBase):
    """A blob as a file that can be read from anywhere; safe from several threads only as far as any file is."""

    def __init__(self, digest: Digest, fetcher: Fetcher, record: Record, where: str) -> None:
        super().__init__()
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
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"no position in a file: {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
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
        pieces = []
        index = bisect_right(self._ends, start)
        while start < end:
            digest, size = self._parts[index]
            begin = self._ends[index] - size
            data = self._chunk(digest)
            pieces.append(memoryview(data)[start - begin : end - begin])
            start = self._ends[index]
            index += 1
        return b"".join(pieces)

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
        with self._lock:
            if digest not in self._kept:
                self._kept[digest] = data
                self._bytes += len(data)
            while self._bytes > _KEPT and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return data
