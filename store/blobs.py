"""Keep blobs in a place and give them back only when every byte is right.

A blob is one file, `objects/<2 hex>/<62 hex>` (format version 0). Reading digests before it answers, so a
wrong byte is a `CorruptBlobError` and never data.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import BinaryIO, Protocol, cast

from lin.errors import BlobNotFoundError, CorruptBlobError, NotFoundError

from .digest import Digest
from .faults import os_errors
from .place import Place, Upload
from .progress import Progress, Tally
from .pump import PIECE, Reader, fill, hasher, piece, pump
from .spool import Spool

FOLDER = "objects"
_NAME = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{62})")


def blob_name(digest: Digest) -> str:
    """Return the name of a blob's file in its place."""
    text = digest.hex
    return f"{FOLDER}/{text[:2]}/{text[2:]}"


class _Target(Protocol):
    """Where new blobs go: a place, or a batch of one."""

    def upload(self) -> AbstractContextManager[Upload]: ...
    def confirm(self, name: str) -> int | None: ...


class BlobStore:
    """Put and get blobs. Every method is safe from several threads, and from several processes at once."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __repr__(self) -> str:
        return f"BlobStore({self.place!r})"

    # ------------------------------------------------------------------------ writing

    def put_stream(
        self, reader: Reader, progress: Progress | None = None, *, rewrite: bool = False
    ) -> tuple[Digest, int]:
        """Keep everything that can be read, in constant memory; return its digest and size in bytes.

        When this returns, the blob is durable. One that is there already is not written again, unless its
        size shows that it is damaged.

        Args:
            reader: Where the bytes come from.
            progress: Told how far it is; no total is known.
            rewrite: Write the blob even if it is there: this repairs one with a wrong byte.

        Raises:
            StorageFullError: There is no room; nothing half-written stays.
        """
        tally = Tally(progress, bytes_total=None, files_total=1)
        digest, size = keep(self.place, reader, tally.add, rewrite=rewrite)
        tally.count(0, 1)
        tally.finish()
        return digest, size

    def put_bytes(self, data: bytes) -> Digest:
        """Keep bytes that are in memory, durably."""
        return keep_bytes(self.place, data)

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """Keep many blobs together, with few syncs: they are durable when the block ends without an error."""
        with self.place.batch() as batch:
            yield BlobWriter(batch)

    # ------------------------------------------------------------------------ asking

    def has(self, digest: Digest) -> bool:
        """Tell whether the blob is there; its bytes are not looked at."""
        return self.place.size(blob_name(digest)) is not None

    def size(self, digest: Digest) -> int:
        """Return a blob's size in bytes; raises `BlobNotFoundError`."""
        size = self.place.size(blob_name(digest))
        if size is None:
            raise self._absent(digest)
        return size

    def list(self) -> Iterator[tuple[Digest, int]]:
        """Yield every blob's digest and size, in no particular order."""
        for info in self.place.list(FOLDER):
            if found := _NAME.fullmatch(info.name):
                yield Digest(bytes.fromhex(found[1] + found[2])), info.size

    def verify(self, digest: Digest, progress: Progress | None = None) -> None:
        """Read a blob and compare it with its digest.

        Raises:
            BlobNotFoundError: It is not here.
            CorruptBlobError: A byte is wrong, missing or too many.
        """
        tally = Tally(progress, bytes_total=None, files_total=1)
        self.copy_to(digest, None, tally.add)
        tally.count(0, 1)
        tally.finish()

    # ------------------------------------------------------------------------ reading

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob whose every byte has been verified; the caller closes the file.

        A small blob is held in memory; a large one is read twice through one descriptor where that costs
        little, and otherwise copied to the temporary folder.

        Raises:
            BlobNotFoundError: It is not here.
            CorruptBlobError: A byte is wrong, missing or too many.
        """
        if not self.place.near:
            return self._spooled(digest)
        file = self._open(digest)
        try:
            name = blob_name(digest)
            with os_errors("read", name), piece() as buffer:
                view = memoryview(buffer)
                count = fill(file, view)
                if count < PIECE:
                    data = bytes(view[:count])
                    self._check(digest, Digest.of(data))
                    file.close()
                    return io.BytesIO(data)
                state = hasher()
                while count:
                    state.update(view[:count])
                    count = fill(file, view)
                self._check(digest, Digest(state.digest()))
                file.seek(0)
        except BaseException:
            file.close()
            raise
        return io.BufferedReader(cast("io.RawIOBase", file), PIECE)

    def read(self, digest: Digest) -> bytes:
        """Return a small blob's bytes; errors as `open`."""
        with self.open(digest) as file:
            return file.read()

    def stream(self, digest: Digest) -> Iterator[bytes]:
        """Yield a blob's bytes in pieces, the first of them when all have been verified; errors as `open`."""
        with self.open(digest) as file:
            while data := file.read(PIECE):
                yield data

    def copy_to(
        self,
        digest: Digest,
        write: Callable[[memoryview], object] | None,
        advance: Callable[[int], None] | None = None,
    ) -> int:
        """Pass a blob's bytes on in one pass, before they are verified; return how many there are.

        For a caller that throws away what it wrote when this raises, as a get into a temporary file does.

        Args:
            digest: Which blob.
            write: Takes each piece, all of it; None only verifies.
            advance: Told of each piece's size.

        Raises:
            BlobNotFoundError: It is not here.
            CorruptBlobError: What was written is wrong, and must not be used.
        """
        with self._open(digest) as file, os_errors("copy", digest):
            found, size = pump(file, write, advance)
        self._check(digest, found)
        return size

    # ------------------------------------------------------------------------

    def _open(self, digest: Digest) -> BinaryIO:
        try:
            return self.place.open(blob_name(digest))
        except NotFoundError as error:
            raise self._absent(digest) from error

    def _spooled(self, digest: Digest) -> BinaryIO:
        spool = Spool()
        try:
            self.copy_to(digest, spool.write)
        except BaseException:
            spool.file.close()
            raise
        file = spool.rewind()
        return file if isinstance(file, io.BytesIO) else io.BufferedReader(cast("io.RawIOBase", file), PIECE)

    def _absent(self, digest: Digest) -> BlobNotFoundError:
        return BlobNotFoundError(
            f"the blob {digest} is not in {self.place.url}", hint="Fetch it from a repository that has it."
        )

    def _check(self, digest: Digest, found: Digest) -> None:
        if found != digest:
            raise CorruptBlobError(
                f"the blob {digest} in {self.place.url} is damaged: its bytes have the digest {found}",
                hint=f"Restore {blob_name(digest)} from a copy, or delete it and put the same content again.",
            )


class BlobWriter:
    """Keep many blobs in one batch; safe to use from several threads."""

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._lock = Lock()
        self._kept: dict[Digest, int] = {}

    def put_stream(self, reader: Reader, advance: Callable[[int], None] | None = None) -> tuple[Digest, int]:
        """Keep everything that can be read; durable at the end of the batch.

        Args:
            reader: Where the bytes come from.
            advance: Told of each piece's size.
        """
        digest, size = keep(self._target, reader, advance, known=self._knows)
        self._remember(digest, size)
        return digest, size

    def put_bytes(self, data: bytes) -> Digest:
        """Keep bytes that are in memory; durable at the end of the batch."""
        digest = keep_bytes(self._target, data, known=self._knows)
        self._remember(digest, len(data))
        return digest

    def has(self, digest: Digest, size: int) -> bool:
        """Tell whether the blob is there with this size, and if so keep it durable at the end of the batch."""
        return self._knows(digest) or self._target.confirm(blob_name(digest)) == size

    def _knows(self, digest: Digest) -> bool:
        with self._lock:
            return digest in self._kept

    def _remember(self, digest: Digest, size: int) -> None:
        with self._lock:
            self._kept[digest] = size


def keep_bytes(target: _Target, data: bytes, *, known: Callable[[Digest], bool] | None = None) -> Digest:
    """Write a blob that is in memory, unless it is there."""
    digest = Digest.of(data)
    if known is not None and known(digest):
        return digest
    _keep_small(target, digest, memoryview(data))
    return digest


def keep(
    target: _Target,
    reader: Reader,
    advance: Callable[[int], None] | None,
    *,
    known: Callable[[Digest], bool] | None = None,
    rewrite: bool = False,
) -> tuple[Digest, int]:
    """Write a blob from a stream: a small one only if it is not there, a large one while it is being digested."""
    with piece() as buffer:
        view = memoryview(buffer)
        count = fill(reader, view)
        if count < PIECE:
            data = view[:count]
            digest = Digest.of(bytes(data))
            if advance is not None:
                advance(count)
            if known is None or not known(digest):
                _keep_small(target, digest, data, rewrite=rewrite)
            return digest, count
        with target.upload() as upload:
            state = hasher()
            size = 0
            while count:
                state.update(view[:count])
                upload.write(view[:count])
                size += count
                if advance is not None:
                    advance(count)
                count = fill(reader, view)
            digest = Digest(state.digest())
            there = target.confirm(blob_name(digest))
            if there != size or rewrite:
                upload.commit(blob_name(digest), replace=there is not None)
    return digest, size


def _keep_small(target: _Target, digest: Digest, data: memoryview, *, rewrite: bool = False) -> None:
    there = target.confirm(blob_name(digest))
    if there == len(data) and not rewrite:
        return
    with target.upload() as upload:
        upload.write(data)
        upload.commit(blob_name(digest), replace=there is not None)
