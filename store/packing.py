"""Write records into packs: small blobs together, large ones cut, each chunk only once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from . import lists, zstd
from .digest import Digest
from .fetch import Fetcher
from .lists import Part
from .pack import NO_SALT, Coding, Entry, Kind, Table, make_table, pack_file
from .packs import Packs, loose_file
from .place import Upload
from .reliance import Reliance

PACK = 128 << 20
"""Bytes of records at which a pack is closed and the next one begun."""
_PENDING = 1 << 20
"""Bytes of small records that are written at once."""
_WORTH = 0.95
"""What is kept compressed is at least a twentieth smaller."""
_SHORT = 64
"""Bytes below which compressing is not tried: the frame's own header would eat the gain."""
_PROBE = 8192
"""Bytes of each of a few probes that tell whether a large blob can be compressed."""


class Target(Protocol):
    """Where packs go: a batch of a place."""

    def upload(self) -> AbstractContextManager[Upload]:
        """Start a file."""

    def confirm(self, name: str) -> int | None:
        """Return a file's size, and make it durable with the batch."""


@dataclass(frozen=True, slots=True)
class Coded:
    """What is to be stored of a chunk.

    Attributes:
        data: The stored bytes.
        coding: How the plain bytes come from them.
        bases: The digests of the bases, one after another.
        depth: How many deltas there are to follow.
    """

    data: bytes | memoryview
    coding: Coding
    bases: bytes = b""
    depth: int = 0


def squeeze(data: bytes | memoryview) -> Coded:
    """Compress a chunk if that pays."""
    if len(data) >= _SHORT:
        packed = zstd.compress(data)
        if len(packed) < _WORTH * len(data):
            return Coded(packed, Coding.ZSTD)
    return Coded(data, Coding.RAW)


def plainly(data: bytes | memoryview) -> Coded:
    """Keep a chunk as it is."""
    return Coded(data, Coding.RAW)


def pays(data: memoryview) -> bool:
    """Tell from a few probes whether compressing some megabytes is worth a try."""
    if len(data) <= 4 * _PROBE:
        return True
    step = (len(data) - _PROBE) // 3
    probes = b"".join(data[start : start + _PROBE] for start in range(0, len(data), step))
    return len(zstd.compress(probes, 1)) < _WORTH * len(probes)


class Packer:
    """Fill packs of one batch; safe from several threads."""

    def __init__(
        self, target: Target, packs: Packs, fetch: Fetcher, *, rewrite: bool = False, limit: int = PACK
    ) -> None:
        self._target = target
        self._packs = packs
        self.rewrite = rewrite
        self._limit = limit
        self._lock = Lock()
        self._new: dict[tuple[bytes, bool], Entry] = {}
        self._open: _OpenPack | None = None
        self._reliance = Reliance(packs, fetch, target.confirm)
        self.tables: list[Table] = []
        """What was written, once it is finished."""

    # ------------------------------------------------------------------------ asking

    def has_blob(self, digest: bytes) -> int | None:
        """Return a blob's size if nothing of it need be written; it stays so until the batch has ended."""
        with self._lock:
            entry = self._new.get((digest, True))
            if entry is not None:
                return entry.size
            if self.rewrite:
                return None
        size = self._reliance.blob(self._packs.catalogue.find(digest))
        if size is None and self._packs.loose:
            return self._target.confirm(loose_file(digest))
        return size

    def have_blobs(self, digests: Iterable[bytes]) -> dict[bytes, int]:
        """Return the sizes of those blobs of which nothing need be written; they stay so as `has_blob` says."""
        wanted = list(digests)
        with self._lock:
            found = {digest: self._new[digest, True].size for digest in wanted if (digest, True) in self._new}
            if self.rewrite:
                return found
        found |= self._reliance.plain_blobs(wanted)
        rest = [digest for digest in wanted if digest not in found]
        for digest, records in self._packs.catalogue.among(rest).items():
            size = self._reliance.blob(records)
            if size is not None:
                found[digest] = size
        if self._packs.loose:
            for digest in wanted:
                if digest not in found and (size := self._target.confirm(loose_file(digest))) is not None:
                    found[digest] = size
        return found

    def have_chunks(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return those chunks that need not be written."""
        with self._lock:
            have = {digest for digest in digests if (digest, False) in self._new or self._is_whole(digest)}
            if self.rewrite:
                return have
        rest = [digest for digest in digests if digest not in have]
        for digest, records in self._packs.catalogue.among(rest, (Kind.CHUNK, Kind.BLOB)).items():
            if any(self._reliance.counts(record) for record in records):
                have.add(digest)
        return have

    def base(self, digest: bytes) -> Entry | None:
        """Return the entry of a chunk or small blob that something can be kept against; None if it may go away."""
        if self.rewrite:
            return None
        with self._lock:
            entry = self._new.get((digest, False)) or self._new.get((digest, True))
        if entry is not None and entry.kind != Kind.LIST:
            return entry
        return self._reliance.part(digest)

    def avoid(self, packs: Iterable[str]) -> None:
        """Count on nothing that is in these packs."""
        self._reliance.doomed.update(packs)

    def _is_whole(self, digest: bytes) -> bool:
        entry = self._new.get((digest, True))
        return entry is not None and entry.kind == Kind.BLOB

    # ------------------------------------------------------------------------ writing

    def add(self, digest: bytes, size: int, kind: Kind, coded: Coded, check: bytes | None = None) -> None:
        """Write a record, unless another thread has just written it."""
        key = (digest, kind != Kind.CHUNK)
        data = coded.data
        if check is None:
            raw = coded.coding == Coding.RAW and kind != Kind.LIST
            check = digest[:8] if raw else Digest.of(bytes(data)).value[:8]
        with self._lock:
            if key in self._new:
                return
            if self._open is None:
                self._open = _OpenPack(self._target)
            entry = Entry(
                digest, size, check, len(data), kind, coded.coding, coded.depth, self._open.position, coded.bases
            )
            self._open.write(entry, data)
            self._new[key] = entry
            if self._open.position >= self._limit:
                self._finish()

    def add_list(self, digest: bytes, size: int, parts: list[Part]) -> None:
        """Write of which chunks a blob consists, after the chunks."""
        level = 0
        if len(parts) > lists.LONG:
            level = 1
            upper: list[Part] = []
            for segment in lists.segments(parts):
                data = lists.pack_parts(segment)
                name = Digest.of(data).value
                if not self.have_chunks([name]):
                    self.add(name, len(data), Kind.CHUNK, Coded(data, Coding.RAW))
                upper.append((name, sum(length for _, length in segment)))
            parts = upper
        self.add(digest, size, Kind.LIST, Coded(lists.pack_list(parts, level), Coding.RAW))

    def finish(self) -> None:
        """Close the last pack; it becomes visible and durable with the batch."""
        with self._lock:
            self._finish()

    def drop(self) -> None:
        """Give up the pack that is being written."""
        with self._lock:
            if self._open is not None:
                self._open.drop()
                self._open = None

    def lost(self) -> set[bytes]:
        """Return the digests that were counted on and lie in packs that have been doomed since the batch began."""
        doomed = self._packs.doomed()
        lost = self._reliance.lost(doomed)
        # A pack of this batch can have been there already, under the same name.
        return lost | {entry.digest for table in self.tables if table.name in doomed for entry in table.entries}

    def _finish(self) -> None:
        if self._open is None:
            return
        pack, self._open = self._open, None
        self.tables.append(pack.commit(self._salt))

    def _salt(self, name: str) -> bool:
        """Tell whether a pack of this name is there already and yet another one is needed."""
        return self.rewrite or name in self._reliance.doomed or name in self._packs.damaged


class _OpenPack:
    """A pack that is being written."""

    def __init__(self, target: Target) -> None:
        self._context = target.upload()
        self._upload = self._context.__enter__()
        self._entries: list[Entry] = []
        self._pending: list[bytes] = []
        self._size = 0
        self.position = 0

    def write(self, entry: Entry, data: bytes | memoryview) -> None:
        self._entries.append(entry)
        self.position += len(data)
        if len(data) < _PENDING // 16:
            self._pending.append(bytes(data))
            self._size += len(data)
            if self._size >= _PENDING:
                self._flush()
        else:
            self._flush()
            self._upload.write(data)

    def commit(self, salted: Callable[[str], bool]) -> Table:
        import os  # noqa: PLC0415 - only for the salt

        try:
            self._flush()
            table = make_table(self._entries, NO_SALT)
            if salted(table.name):
                table = make_table(self._entries, os.urandom(16))
            self._upload.write(table.tail)
            self._upload.commit(pack_file(table.name))
        finally:
            self.drop()
        return table

    def drop(self) -> None:
        self._context.__exit__(None, None, None)

    def _flush(self) -> None:
        if self._pending:
            self._upload.write(b"".join(self._pending))
            self._pending.clear()
            self._size = 0
