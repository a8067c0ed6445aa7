"""Read records: take them from their packs, decode them, and compare them with their digests.

Where a digest is in several packs, the next one is tried when one is damaged.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock

from lin.errors import CorruptBlobError, CorruptContentError, NotFoundError, UnsupportedFormatError

from . import delta, lists, zstd
from .catalogue import Record
from .digest import Digest
from .lists import Part
from .pack import DIGEST_SIZE, MAX_DEPTH, MAX_PLAIN, Coding, Entry, Kind, pack_file
from .packs import Packs

_PARTS = (Kind.CHUNK, Kind.BLOB)
_WHOLE = (Kind.BLOB, Kind.LIST)
_BATCH = 500
_BASES = 8 << 20
"""Bytes of bases that are held: chunks that follow one another lean on the same ones, or on others that do."""
SPAN = 1 << 20
"""Bytes that are read at once where chunks lie one after another as they are."""


class DamagedRecordError(CorruptContentError):
    """Say that a record is not what its pack's table says; another pack may hold a good one."""


@dataclass(frozen=True, slots=True)
class Span:
    """Plain bytes that can be read in one step.

    Attributes:
        parts: What they consist of.
        records: One for each part; more than one only if they lie one after another and are stored as they are.
    """

    parts: Sequence[Part]
    records: Sequence[Record]


class Fetcher:
    """Give plain bytes for digests; safe from several threads."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._lock = Lock()
        self._bases: OrderedDict[bytes, bytes] = OrderedDict()
        self._held = 0

    # ------------------------------------------------------------------------ blobs

    def whole(self, digest: Digest) -> Record | None:
        """Return the record of a blob: its bytes, or its list; None where there is none.

        One that can be read as it is comes before a list, and a new one before an old one.
        """
        found = [record for record in self._packs.catalogue.find(digest.value) if record.entry.kind in _WHOLE]
        return self.best(found) if found else None

    def best(self, found: Sequence[Record]) -> Record:
        """Return which of a blob's records is to be read first."""
        if len(found) == 1:
            return found[0]
        return min(found, key=lambda each: (each.pack in self._packs.damaged, each.entry.kind == Kind.LIST))

    def parts(self, digest: Digest, record: Record) -> list[Part]:
        """Return of which chunks a blob consists.

        Raises:
            CorruptBlobError: Its list is damaged.
        """
        entry = record.entry
        if entry.kind == Kind.BLOB:
            return [(digest.value, entry.size)]
        problem = ""
        for each in self._packs.catalogue.find(digest.value):
            if each.entry.kind == Kind.LIST:
                try:
                    return self._list(each)
                except (CorruptContentError, NotFoundError) as error:
                    problem = problem or error.message
        raise CorruptBlobError(
            f"the blob {digest} in {self._packs.place.url} is damaged: {problem or 'it has no list'}",
            hint="Put the same content again, or restore that file from a copy.",
        )

    def _list(self, record: Record) -> list[Part]:
        entry = record.entry
        parsed = lists.parse_list(self.plain(record), entry.size)
        if parsed is None:
            raise _bad(record, "it is no list of a blob of its size")
        level, parts = parsed
        if level == 0:
            return parts
        below: list[Part] = []
        for digest, size in parts:
            segment = lists.parse_parts(self.chunk(digest), size)
            if segment is None:
                raise _bad(record, "a segment of the list has another size")
            below.extend(segment)
        return below

    def every_part(self, record: Record) -> Iterator[bytes]:
        """Yield the digests of all that a list needs, segments and chunks."""
        entry = record.entry
        parsed = lists.parse_list(self.plain(record), entry.size)
        if parsed is None:
            raise _bad(record, "it is no list of a blob of its size")
        level, parts = parsed
        for digest, size in parts:
            yield digest
            if level:
                below = lists.parse_parts(self.chunk(digest), size)
                if below is None:
                    raise _bad(record, "a segment of the list has another size")
                yield from (chunk for chunk, _ in below)

    def spans(self, parts: Iterable[Part]) -> Iterator[Span]:
        """Yield what to read, in order, looked up a few hundred at a time.

        Raises:
            NotFoundError: A chunk is nowhere.
        """
        iterator = iter(parts)
        while batch := list(islice(iterator, _BATCH)):
            found = self._among({digest for digest, _ in batch})
            start = 0
            chosen = [self._choose(found, part) for part in batch]
            # What lies in several packs is read by itself, and so verified by itself: one of them may be damaged.
            single = [len(found[digest]) > 1 for digest, _ in batch]
            for index in range(1, len(batch) + 1):
                if (
                    index == len(batch)
                    or single[index]
                    or single[index - 1]
                    or not _follows(chosen[start:index], chosen[index])
                ):
                    yield Span(batch[start:index], chosen[start:index])
                    start = index

    def read_into(self, span: Span, buffer: bytearray) -> memoryview:
        """Return the plain bytes of a span, unverified if they are of more than one part.

        Args:
            span: What to read.
            buffer: `SPAN` bytes to read them into; what is returned may lie in it.

        Raises:
            CorruptContentError: A record is damaged, and there is no other.
        """
        if len(span.records) > 1:
            first = span.records[0]
            length = sum(record.entry.stored for record in span.records)
            view = memoryview(buffer)[:length]
            try:
                if self._packs.span_into(first.pack, first.entry.offset, view) == length:
                    return view
            except NotFoundError:  # each by itself is looked for anew
                pass
            return memoryview(b"".join(self.chunk(digest) for digest, _ in span.parts))
        return memoryview(self.chunk(span.parts[0][0], span.records[0]))

    # ------------------------------------------------------------------------ records

    def chunk(self, digest: bytes, first: Record | None = None) -> bytes:
        """Return the verified bytes of a chunk or small blob, from whichever pack has it undamaged.

        Args:
            digest: Which.
            first: The record to try before others are looked for.

        Raises:
            NotFoundError: It is in no pack.
            CorruptContentError: It is damaged in each.
        """
        problem: CorruptContentError | None = None
        if first is not None:
            try:
                return self.plain(first)
            except CorruptContentError as error:
                problem = error
            except NotFoundError:
                self._packs.refresh()
        for _ in range(2):
            plain, found = self._any(digest, 0, but=first)
            problem = problem or found
            if plain is not None:
                return plain
            if problem is not None:
                raise problem
            if not self._packs.refresh():
                break
        raise NotFoundError(f"the chunk {Digest(digest)} is in no pack of {self._packs.place.url}")

    def stored(self, digest: bytes, coding: Coding) -> bytes | None:
        """Return what is stored of a chunk in a given coding, unverified; None where there is no such record."""
        for record in self._packs.catalogue.find(digest):
            if record.entry.coding == coding and record.entry.kind in _PARTS:
                return self._packs.stored(record)
        return None

    def plain(self, record: Record, depth: int = 0) -> bytes:
        """Return the verified bytes of one record.

        Raises:
            DamagedRecordError: They are not what the table says.
            NotFoundError: The pack is not there.
        """
        entry = record.entry
        stored = self._packs.stored(record)
        if len(stored) != entry.stored:
            raise _bad(record, "the pack is cut short")
        if entry.coding == Coding.RAW and entry.kind != Kind.LIST:
            plain: bytes | None = stored
        else:
            if Digest.of(stored).value[:8] != entry.check:
                raise _bad(record, "its stored bytes changed")
            if entry.kind == Kind.LIST:
                return stored
            plain = self._decode(record, stored, depth)
        if plain is None or Digest.of(plain).value != entry.digest:
            raise _bad(record, "its bytes do not have the digest")
        return plain

    def _decode(self, record: Record, stored: bytes, depth: int) -> bytes | None:
        entry = record.entry
        if entry.coding not in (Coding.ZSTD, Coding.DELTA, Coding.NUMBERS):
            raise UnsupportedFormatError(
                f"{Digest(entry.digest)} in {pack_file(record.pack)} is coded in a way that this lin does not know:"
                f" {entry.coding}",
                hint="Install a newer lin: pip install --upgrade lin-store",
            )
        if entry.size > MAX_PLAIN:
            raise _bad(record, f"it would have {entry.size} bytes")
        if entry.coding == Coding.ZSTD:
            return zstd.decompress(stored, entry.size)
        if depth >= MAX_DEPTH:
            raise _bad(record, "its deltas lead too deep")
        prefix = b"".join(self._base(base, depth + 1) for base in bases_of(entry))
        if entry.coding == Coding.NUMBERS:
            return delta.separate(stored, prefix, entry.size)
        return zstd.decompress(stored, entry.size, prefix)

    def _base(self, digest: bytes, depth: int) -> bytes:
        with self._lock:
            held = self._bases.get(digest)
            if held is not None:
                self._bases.move_to_end(digest)
                return held
        plain, problem = self._any(digest, depth)
        if plain is None:
            raise problem or NotFoundError(f"the base {Digest(digest)} is in no pack of {self._packs.place.url}")
        with self._lock:
            if digest not in self._bases:
                self._bases[digest] = plain
                self._held += len(plain)
            while self._held > _BASES:
                self._held -= len(self._bases.popitem(last=False)[1])
        return plain

    def _any(
        self, digest: bytes, depth: int, but: Record | None = None
    ) -> tuple[bytes | None, CorruptContentError | None]:
        """Return the bytes of a chunk from the first pack that has them undamaged, or what was wrong with one."""
        problem: CorruptContentError | None = None
        for record in self._packs.catalogue.find(digest):
            if record.entry.kind in _PARTS and record != but:
                try:
                    return self.plain(record, depth), None
                except CorruptContentError as error:
                    problem = problem or error
                except NotFoundError:
                    continue
        return None, problem

    def _among(self, digests: set[bytes]) -> dict[bytes, list[Record]]:
        found = self._packs.catalogue.among(digests, _PARTS)
        if len(found) < len(digests) and self._packs.refresh():
            found = self._packs.catalogue.among(digests, _PARTS)
        return found

    def _choose(self, found: dict[bytes, list[Record]], part: Part) -> Record:
        digest, size = part
        records = found.get(digest)
        if not records:
            raise NotFoundError(f"the chunk {Digest(digest)} is in no pack of {self._packs.place.url}")
        record = next((each for each in records if each.pack not in self._packs.damaged), records[0])
        if record.entry.size != size:
            raise _bad(record, f"it has {record.entry.size} bytes, and the list says {size}")
        return record


def bases_of(entry: Entry) -> list[bytes]:
    """Return the digests of an entry's bases."""
    return [entry.bases[start : start + DIGEST_SIZE] for start in range(0, len(entry.bases), DIGEST_SIZE)]


def _follows(run: Sequence[Record], after: Record) -> bool:
    """Tell whether a record can be read in one step with those of a run."""
    before = run[-1]
    return (
        after.pack == before.pack
        and after.entry.coding == before.entry.coding == Coding.RAW
        and after.entry.offset == before.entry.offset + before.entry.stored
        and after.entry.offset + after.entry.stored - run[0].entry.offset <= SPAN
    )


def _bad(record: Record, reason: str) -> DamagedRecordError:
    return DamagedRecordError(
        f"the record {Digest(record.entry.digest)} in {pack_file(record.pack)} is damaged: {reason}",
        hint="Restore that file from a copy of the repository.",
    )
