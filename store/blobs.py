"""Keep blobs in a place and give them back only when every byte is right.

Small blobs lie together in packs, large ones are cut into chunks, of which each is kept once. Reading digests
before it answers, so a wrong byte is a `CorruptBlobError` and never data. `docs/formats/store.md` says how.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from lin.errors import BlobNotFoundError, CorruptBlobError, CorruptContentError, NotFoundError

from .bundle import index_file, make_index
from .catalogue import Catalogue, Record
from .check import Problem, check
from .cutting import CUTTER
from .delta_choice import Differ
from .digest import Digest
from .fetch import Fetcher
from .intake import take
from .pack import Coding, Entry, Kind, Table, pack_file
from .packing import Coded, Packer, squeeze
from .packs import OBJECTS, Packs, loose_digest, loose_file
from .place import Place
from .pour import pour
from .progress import Progress, Tally
from .pump import PIECE, Reader, fill, hasher, piece, pump
from .ranges import BlobFile
from .spool import Spool
from .upkeep import Upkeep

_INDEX = 32 << 20
"""Bytes of an index file at which another one is begun."""
_UNINDEXED = 64
"""So many packs that had to be asked one by one are worth an index file."""


class BlobStore:
    """Put and get blobs. Every method is safe from several threads, and from several processes at once."""

    def __init__(
        self,
        place: Place,
        cache: Path | None = None,
        *,
        before_writing: Callable[[], object] | None = None,
    ) -> None:
        """Reach nothing yet.

        Args:
            place: Where the repository's files lie.
            cache: A folder of this machine for what can be made again. None: it is kept in memory.
            before_writing: Called before anything is written.
        """
        self.place = place
        self.catalogue = Catalogue(None if cache is None else cache / "packs.sqlite")
        self.packs = Packs(place, self.catalogue)
        self._fetch = Fetcher(self.packs)
        self.upkeep = Upkeep(self.packs, self._fetch)
        self._before_writing = before_writing

    def __repr__(self) -> str:
        return f"BlobStore({self.place!r})"

    @property
    def fetch(self) -> Fetcher:
        """What reads the records of this store."""
        return self._fetch

    def record(self, digest: Digest) -> Record | None:
        """Return the record of a blob, of its bytes or of its list; None for one that is a file of version 0.

        Raises:
            BlobNotFoundError: It is not here.
        """
        found = self._find(digest)
        if found is None:
            raise self._absent(digest)
        return found if isinstance(found, Record) else None

    def close(self) -> None:
        """Release files; they are opened again when needed."""
        self.packs.close()
        self.catalogue.close()

    # ------------------------------------------------------------------------ writing

    def put_stream(
        self, reader: Reader, progress: Progress | None = None, *, rewrite: bool = False
    ) -> tuple[Digest, int]:
        """Keep everything that can be read, in constant memory; return its digest and size in bytes.

        When this returns, the blob is durable. What of it is there already is not written again, unless the
        size of its file shows that it is damaged.

        Args:
            reader: Where the bytes come from.
            progress: Told how far it is; no total is known.
            rewrite: Write the blob even if it is there: this repairs one with a wrong byte.

        Raises:
            StorageFullError: There is no room; nothing half-written stays.
        """
        tally = Tally(progress, bytes_total=None, files_total=1)
        with self._writing(rewrite=rewrite) as writer:
            digest, size = writer.put_stream(reader, tally.add)
        tally.count(0, 1)
        tally.finish()
        return digest, size

    def put_bytes(self, data: bytes) -> Digest:
        """Keep bytes that are in memory, durably."""
        with self._writing() as writer:
            return writer.put_bytes(data)

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """Keep many blobs together, with few syncs: they are durable when the block ends without an error."""
        with self._writing() as writer:
            yield writer

    @contextmanager
    def _writing(self, *, rewrite: bool = False, doomed: Iterable[str] = ()) -> Iterator[BlobWriter]:
        if self._before_writing is not None:
            self._before_writing()
            self._before_writing = None
        self.packs.refresh()
        with self.place.batch() as batch:
            packer = Packer(batch, self.packs, self._fetch, rewrite=rewrite)
            packer.avoid(doomed)
            try:
                yield BlobWriter(packer, self._fetch)
                packer.finish()
            finally:
                packer.drop()
        self._learn(packer)
        if self.packs.unindexed >= _UNINDEXED:
            self.index(_UNINDEXED)

    def _learn(self, packer: Packer) -> None:
        """Take what was written into the catalogue, and save what was counted on and is about to be deleted."""
        while True:
            if packer.tables:
                self.catalogue.learn(packer.tables)
            lost = packer.lost()
            if not lost:
                return
            with self.place.batch() as batch:
                packer = Packer(batch, self.packs, self._fetch)
                try:
                    self._save(lost, packer)
                    packer.finish()
                finally:
                    packer.drop()

    def _save(self, digests: Iterable[bytes], packer: Packer) -> None:
        for digest in digests:
            for record in self.catalogue.find(digest):
                kind = Kind(record.entry.kind)
                if kind == Kind.LIST:
                    if packer.has_blob(digest) is None:
                        packer.add(digest, record.entry.size, kind, Coded(self._fetch.plain(record), Coding.RAW))
                elif packer.base(digest) is None or (kind == Kind.BLOB and packer.has_blob(digest) is None):
                    packer.add(digest, record.entry.size, kind, squeeze(self._fetch.chunk(digest)))

    # ------------------------------------------------------------------------ asking

    def has(self, digest: Digest) -> bool:
        """Tell whether the blob is there; its bytes are not looked at."""
        found = self._find(digest)
        if isinstance(found, Record) and self.place.size(pack_file(found.pack)) is None:
            self.packs.refresh()  # someone else has deleted it since
            found = self._find(digest)
        return found is not None

    def have(self, digests: Iterable[Digest]) -> set[Digest]:
        """Return those blobs that are there; the place is asked once, not once for each."""
        wanted = {digest.value for digest in digests}
        self.packs.refresh()
        found = set(self.catalogue.among(wanted))
        if self.packs.loose:
            found |= {digest for digest in wanted - found if self.place.size(loose_file(digest)) is not None}
        return {Digest(digest) for digest in found}

    def locate(self, digests: Iterable[Digest]) -> Mapping[Digest, Record]:
        """Return where blobs lie, for `copy_to`: many at once cost a fraction of one by one.

        One that is missing is not there, or is to be looked for by itself.
        """
        self.packs.ready()
        return {
            Digest(each): self._fetch.best(records)
            for each, records in self.catalogue.among(digest.value for digest in digests).items()
        }

    def size(self, digest: Digest) -> int:
        """Return a blob's size in bytes; raises `BlobNotFoundError`."""
        found = self._find(digest)
        if found is None:
            raise self._absent(digest)
        return found.entry.size if isinstance(found, Record) else found

    def list(self) -> Iterator[tuple[Digest, int]]:
        """Yield every blob's digest and size, in no particular order."""
        self.packs.refresh()
        for digest, size in self.catalogue.blobs():
            yield Digest(digest), size
        if self.packs.loose:
            for info in self.place.list(OBJECTS):
                loose = loose_digest(info.name)
                if loose is not None and not self.catalogue.among([loose]):
                    yield Digest(loose), info.size

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

    def account(self, digest: Digest) -> int:
        """Return a blob's size if all that it consists of is there; nothing but its list is read.

        Raises:
            BlobNotFoundError: It is not here, or part of it is not.
            CorruptBlobError: Its list is damaged.
        """
        record = self.record(digest)
        if record is None:
            return self.size(digest)
        needed = {chunk for chunk, _ in self._fetch.parts(digest, record)}
        lacking = needed - self.catalogue.among(needed, (Kind.CHUNK, Kind.BLOB)).keys()
        if lacking:
            raise self._incomplete(digest, NotFoundError(f"the chunk {Digest(min(lacking))} is in no pack"))
        return record.entry.size

    def rewrite(
        self,
        packs: Iterable[str],
        keep: Callable[[Entry], bool],
        plain: Callable[[Entry], bool] = lambda _: False,
    ) -> int:
        """Write what is to stay of some packs into new ones, durably; the old ones stay as they are.

        Args:
            packs: The names of the packs.
            keep: Tells which records stay.
            plain: Tells which of them are to stand without the bases that they have.

        Returns:
            How many bytes of records were written.
        """
        gone = list(packs)
        sizes = self.packs.listed()
        with self._writing(doomed=gone) as writer:
            return sum(
                self.upkeep.copy(self.packs.table(name, sizes[name]), keep, writer.packer, plain)
                for name in gone
                if name in sizes
            )

    def index(self, least: int = 1) -> int:
        """Write an index file of the packs that are in none, so that a new reader need not ask each of them.

        Args:
            least: How many packs there have to be for it.

        Returns:
            How many packs it tells of; 0 if none was written.
        """
        self.packs.refresh()
        indexed = {table.name for table in self.packs.indexed()}
        sizes = {name: size for name, size in self.catalogue.packs().items() if name not in indexed}
        if len(sizes) < max(1, least):
            return 0
        tables: list[Table] = []
        waiting = 0
        for pack, size in sizes.items():
            tables.append(self.packs.table(pack, size))
            waiting += len(tables[-1].tail)
            if waiting >= _INDEX:
                self._write_index(tables)
                tables, waiting = [], 0
        if tables:
            self._write_index(tables)
        self.packs.unindexed = 0
        return len(sizes)

    def _write_index(self, tables: Sequence[Table]) -> None:
        name, data = make_index(tables)
        with self.place.upload() as upload:
            upload.write(data)
            upload.commit(index_file(name))

    def check(self) -> Iterator[Problem]:
        """Read every file of the store and yield what is wrong with any of them, whether or not a blob needs it."""
        return check(self.packs, self._fetch)

    # ------------------------------------------------------------------------ reading

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob whose every byte has been verified; the caller closes the file.

        A small blob is held in memory; a large one is read twice where that costs little, and otherwise copied
        to the temporary folder.

        Raises:
            BlobNotFoundError: It is not here.
            CorruptBlobError: A byte is wrong, missing or too many.
        """
        if self.place.near and self.size(digest) > PIECE:
            self.copy_to(digest, None)
            return self.open_at(digest)
        spool = Spool()
        try:
            self.copy_to(digest, spool.write)
        except BaseException:
            spool.file.close()
            raise
        file = spool.rewind()
        return file if isinstance(file, io.BytesIO) else io.BufferedReader(cast("io.RawIOBase", file), PIECE)

    def open_at(self, digest: Digest) -> BinaryIO:
        """Open a blob to read parts of it; the caller closes the file.

        Every byte that is given out has been verified by the digest of its chunk, and nothing else is read. That the
        chunks are those of the blob is what its list says, which is verified too; only reading the
        whole blob, as `open` does, compares with the blob's own digest.

        Raises:
            BlobNotFoundError: It is not here.
            CorruptBlobError: Its list is damaged. Reading raises it for a damaged chunk.
        """
        found = self._find(digest)
        if found is None:
            raise self._absent(digest)
        if not isinstance(found, Record):
            return self._loose(digest)
        return io.BufferedReader(BlobFile(digest, self._fetch, found, self.place.url, self.place.workers), PIECE // 8)

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
        *,
        found: Record | None = None,
    ) -> int:
        """Pass a blob's bytes on in one pass, before they are verified; return how many there are.

        For a caller that throws away what it wrote when this raises, as a get into a temporary file does.

        Args:
            digest: Which blob.
            write: Takes each piece, all of it; None only verifies.
            advance: Told of each piece's size.
            found: What `locate` said of it.

        Raises:
            BlobNotFoundError: It is not here.
            CorruptBlobError: What was written is wrong, and must not be used.
        """
        where = self._find(digest) if found is None else found
        if where is None:
            raise self._absent(digest)
        if not isinstance(where, Record):
            return self._copy_loose(digest, write, advance)
        if where.entry.kind == Kind.BLOB:
            return self._copy_small(digest, where, write, advance)
        state = hasher()
        size = 0

        def pass_on(data: memoryview) -> None:
            nonlocal size
            state.update(data)
            if write is not None:
                write(data)
            size += len(data)
            if advance is not None:
                advance(len(data))

        try:
            parts = self._fetch.parts(digest, where)
            pour(self._fetch, self._fetch.spans(parts), pass_on, self.place.workers)
        except (CorruptContentError, NotFoundError) as error:
            raise self._told(digest, error) from error
        if state.digest() != digest.value:
            raise self._damaged(digest, self._culprit(parts, Digest(state.digest())))
        return size

    # ------------------------------------------------------------------------

    def _copy_small(
        self,
        digest: Digest,
        record: Record,
        write: Callable[[memoryview], object] | None,
        advance: Callable[[int], None] | None,
    ) -> int:
        try:
            data = self._fetch.chunk(digest.value, record)  # verified: its digest is the blob's
        except (CorruptContentError, NotFoundError) as error:
            raise self._told(digest, error) from error
        if write is not None:
            write(memoryview(data))
        if advance is not None:
            advance(len(data))
        return len(data)

    def _told(self, digest: Digest, error: CorruptContentError | NotFoundError) -> CorruptContentError | NotFoundError:
        if isinstance(error, NotFoundError):
            return self._incomplete(digest, error)
        return error if isinstance(error, CorruptBlobError) else self._damaged(digest, error.message)

    def _find(self, digest: Digest) -> Record | int | None:
        """Return the record of a blob, or the size of one that is a file of version 0."""
        self.packs.ready()
        found = self._fetch.whole(digest)
        if found is None and self.packs.refresh():
            found = self._fetch.whole(digest)
        if found is None and self.packs.loose:
            return self.place.size(loose_file(digest.value))
        return found

    def _culprit(self, parts: Iterable[tuple[bytes, int]], found: Digest) -> str:
        for chunk, _ in parts:
            for record in self.catalogue.find(chunk)[:1]:
                try:
                    self._fetch.plain(record)
                except CorruptContentError as error:
                    return error.message
        return f"its bytes have the digest {found}"

    def _loose(self, digest: Digest) -> BinaryIO:
        spool = Spool()
        try:
            self._copy_loose(digest, spool.write, None)
        except BaseException:
            spool.file.close()
            raise
        return spool.rewind()

    def _copy_loose(
        self, digest: Digest, write: Callable[[memoryview], object] | None, advance: Callable[[int], None] | None
    ) -> int:
        with self.place.open(loose_file(digest.value)) as file:
            found, size = pump(file, write, advance)
        if found != digest:
            raise self._damaged(digest, f"{loose_file(digest.value)} has the digest {found}")
        return size

    def _absent(self, digest: Digest) -> BlobNotFoundError:
        hint = "Fetch it from a repository that has it."
        if self.packs.damaged:
            name = next(iter(self.packs.damaged))
            hint = f"The pack {name[:12]}… is damaged, and it may have been in it: lin verify tells more."
        return BlobNotFoundError(f"the blob {digest} is not in {self.place.url}", hint=hint)

    def _incomplete(self, digest: Digest, error: NotFoundError) -> BlobNotFoundError:
        return BlobNotFoundError(
            f"part of the blob {digest} is missing: {error.message}", hint="Fetch it from a repository that has it."
        )

    def _damaged(self, digest: Digest, reason: str) -> CorruptBlobError:
        return CorruptBlobError(
            f"the blob {digest} in {self.place.url} is damaged: {reason}",
            hint="Restore that file from a copy of the repository.",
        )


class BlobWriter:
    """Keep many blobs in one batch; safe to use from several threads."""

    def __init__(self, packer: Packer, fetch: Fetcher) -> None:
        self.packer = packer
        self._fetch = fetch

    def put_stream(
        self, reader: Reader, advance: Callable[[int], None] | None = None, *, like: Digest | None = None
    ) -> tuple[Digest, int]:
        """Keep everything that can be read; durable at the end of the batch.

        Args:
            reader: Where the bytes come from.
            advance: Told of each piece's size.
            like: A blob that this one may resemble, such as its previous version: what they have in common is
                then kept once. It need not be there.
        """
        with piece() as buffer:
            view = memoryview(buffer)
            count = fill(reader, view)
            if advance is not None and count:
                advance(count)
            if count > CUTTER.min:
                return take(reader, view[:count], self.packer, advance, self._differ(like))
            return self._put_small(view[:count], like), count

    def put_bytes(self, data: bytes, *, like: Digest | None = None) -> Digest:
        """Keep bytes that are in memory, as `put_stream` does; durable at the end of the batch."""
        if len(data) > CUTTER.min:
            return take(io.BytesIO(data), b"", self.packer, None, self._differ(like))[0]
        return self._put_small(memoryview(data), like)

    def put_small(self, datas: Sequence[tuple[bytes, Digest | None]]) -> list[Digest]:
        """Keep many small blobs that are in memory, with few look-ups; durable at the end of the batch.

        Args:
            datas: The bytes of each, and what it may resemble, as in `put_stream`.
        """
        digests = [Digest.of(data) for data, _ in datas]
        have = self.packer.have_blobs(digest.value for digest in digests)
        for digest, (data, like) in zip(digests, datas, strict=True):
            if digest.value not in have:
                if len(data) > CUTTER.min:
                    self.put_bytes(data, like=like)
                else:
                    self._add_small(digest, memoryview(data), like)
        return digests

    def has(self, digest: Digest, size: int) -> bool:
        """Tell whether the blob is there with this size, and if so keep it durable at the end of the batch."""
        return self.packer.has_blob(digest.value) == size

    def have(self, sizes: Mapping[Digest, int]) -> set[Digest]:
        """Return those blobs that are there with these sizes, and keep them durable at the end of the batch."""
        found = self.packer.have_blobs(digest.value for digest in sizes)
        return {digest for digest, size in sizes.items() if found.get(digest.value) == size}

    def _put_small(self, data: memoryview, like: Digest | None) -> Digest:
        digest = Digest.of(data)
        if self.packer.has_blob(digest.value) is None:
            self._add_small(digest, data, like)
        return digest

    def _add_small(self, digest: Digest, data: memoryview, like: Digest | None) -> None:
        differ = self._differ(like)
        coded = squeeze(data) if differ is None else differ.encode(0, data, squeeze)
        self.packer.add(digest.value, len(data), Kind.BLOB, coded)

    def _differ(self, like: Digest | None) -> Differ | None:
        if like is None or self.packer.rewrite:
            return None
        try:
            record = self._fetch.whole(like)
            parts = None if record is None else self._fetch.parts(like, record)
        except (CorruptContentError, NotFoundError):
            return None  # a damaged previous version is no reason to refuse a new one
        return Differ(parts, self._plain, self.packer.base, self._numbers) if parts else None

    def _plain(self, digest: bytes) -> bytes | None:
        try:
            return self._fetch.chunk(digest)
        except (CorruptContentError, NotFoundError):
            return None

    def _numbers(self, digest: bytes) -> bytes | None:
        try:
            return self._fetch.stored(digest, Coding.NUMBERS)
        except (CorruptContentError, NotFoundError):
            return None
