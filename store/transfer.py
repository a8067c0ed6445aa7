"""Take a blob over from another store, asking it only for those chunks that are not here.

Another version of a large dataset shares most of its chunks with the one before. What is here is read here, the
rest there, and the whole goes through the usual way in, which digests it and finds out what is new.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import groupby

from lin.errors import CorruptBlobError, CorruptContentError, NotFoundError

from .blobs import BlobStore, BlobWriter
from .catalogue import Record
from .digest import Digest
from .fetch import SPAN
from .lists import Part
from .pack import Kind


def transfer(
    source: BlobStore,
    target: BlobStore,
    writer: BlobWriter,
    digest: Digest,
    advance: Callable[[int], None] | None = None,
) -> int:
    """Bring a blob from one store to another; durable at the end of the writer's batch.

    Args:
        source: Where it is.
        target: Where it will be.
        writer: A batch of the target.
        digest: Which blob.
        advance: Told of how many bytes were gone through, fetched or not.

    Returns:
        How many bytes of it were asked of the source.

    Raises:
        BlobNotFoundError: The source does not have it.
        CorruptBlobError: What the source gave is not what was asked for.
    """
    pieces = _Pieces(source, target, digest)
    found, _ = writer.put_stream(pieces, advance)
    if found != digest:
        raise CorruptBlobError(
            f"the blob {digest} in {source.place.url} is damaged: its bytes have the digest {found}",
            hint="`lin verify` there tells more.",
        )
    return pieces.fetched


class _Pieces(io.RawIOBase):
    """Read a blob from two stores at once."""

    def __init__(self, source: BlobStore, target: BlobStore, digest: Digest) -> None:
        self.fetched = 0
        self._source = source
        self._target = target
        self._data = self._pieces(digest)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._rest:
            following = next(self._data, None)
            if following is None:
                return 0
            self._rest = memoryview(following)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _pieces(self, digest: Digest) -> Iterator[bytes | memoryview]:
        record = self._source.record(digest)
        if record is None or record.entry.kind == Kind.BLOB:
            for piece in self._source.stream(digest):
                self.fetched += len(piece)
                yield piece
            return
        parts = self._source.fetch.parts(digest, record)
        here = self._target.catalogue.among({chunk for chunk, _ in parts}, (Kind.CHUNK, Kind.BLOB))
        for is_here, run in groupby(parts, lambda part: part[0] in here):
            if is_here:
                yield from self._from_here(run, here)
            else:
                yield from self._from_there(run)

    def _from_here(self, parts: Iterator[Part], here: dict[bytes, list[Record]]) -> Iterator[bytes]:
        for chunk, size in parts:
            try:
                yield self._target.fetch.chunk(chunk, here[chunk][0])
            except (CorruptContentError, NotFoundError):  # then the other one helps
                self.fetched += size
                yield self._source.fetch.chunk(chunk)

    def _from_there(self, parts: Iterator[Part]) -> Iterator[memoryview]:
        buffer = bytearray(SPAN)
        for span in self._source.fetch.spans(parts):
            data = self._source.fetch.read_into(span, buffer)
            self.fetched += len(data)
            yield data
