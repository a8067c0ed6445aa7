"""Know what of the content that is there can be counted on, so that it need not be written again.

A record counts only if it will still be there when the batch has ended: its pack is durable, whole and not about to
be deleted, and the same holds for all that it needs, the chunks of a list and the bases of a delta.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import RLock

from lin.errors import CorruptContentError, NotFoundError

from .catalogue import GONE, Record
from .fetch import Fetcher, bases_of
from .pack import MAX_DEPTH, Entry, Kind, pack_file
from .packs import Packs

_PARTS = (Kind.CHUNK, Kind.BLOB)
_WHOLE = (Kind.BLOB, Kind.LIST)


class Reliance:
    """Answer for one batch; safe from several threads."""

    def __init__(self, packs: Packs, fetch: Fetcher, confirm: Callable[[str], int | None]) -> None:
        """Look at which packs are about to be deleted.

        Args:
            packs: What is there.
            fetch: Reads lists.
            confirm: Returns a file's size, and makes it durable at the end of the batch.
        """
        self._packs = packs
        self._fetch = fetch
        self._confirm = confirm
        self._lock = RLock()
        self._sound: dict[str, bool] = {}
        self._complete: set[bytes] = set()
        self._counted: dict[str, set[bytes]] = {}
        self._lists: list[Record] = []
        self.doomed = packs.doomed()
        """Packs that are about to be deleted, and were so when this began."""

    def blob(self, records: Iterable[Record]) -> int | None:
        """Return the size of a blob if any of its records can be counted on."""
        for record in records:
            if record.entry.kind in _WHOLE and self.counts(record):
                return record.entry.size
        return None

    def plain_blobs(self, digests: Sequence[bytes]) -> dict[bytes, int]:
        """Return the sizes of those that are small blobs that need nothing else, and can be counted on."""
        found = {}
        for digest, pack, size in self._packs.catalogue.plain_blobs(digests):
            if self._is_sound(pack):
                found[digest] = size
                with self._lock:
                    self._counted.setdefault(pack, set()).add(digest)
        return found

    def counts(self, record: Record, depth: int = 0) -> bool:
        """Tell whether a record can be counted on, with all that it needs."""
        entry = record.entry
        if depth > MAX_DEPTH or not self._is_sound(record.pack):
            return False
        if entry.kind == Kind.LIST and not self._is_complete(record):
            return False
        if any(self.part(base, depth + 1) is None for base in bases_of(entry)):
            return False
        with self._lock:
            self._counted.setdefault(record.pack, set()).add(entry.digest)
        return True

    def part(self, digest: bytes, depth: int = 0) -> Entry | None:
        """Return the entry of a chunk or small blob that can be counted on."""
        for record in self._packs.catalogue.find(digest):
            if record.entry.kind in _PARTS and self.counts(record, depth):
                return record.entry
        return None

    def lost(self, doomed: set[str]) -> set[bytes]:
        """Return the digests that were counted on and lie in packs that have been doomed since the batch began."""
        late = doomed - self.doomed
        if not late:
            return set()
        lost = {digest for pack in late for digest in self._counted.get(pack, ())}
        parts = [part for record in self._lists for part in self._fetch.every_part(record)]
        for part, records in self._packs.catalogue.among(parts, _PARTS).items():
            if all(record.pack in doomed for record in records):
                lost.add(part)
        return lost

    def _is_sound(self, pack: str) -> bool:
        sound = self._sound.get(pack)
        if sound is None:
            sound = pack not in self.doomed and pack not in self._packs.damaged
            if sound:
                known = self._packs.catalogue.size(pack)
                sound = known is not None and self._confirm(pack_file(pack)) == known
            self._sound[pack] = sound
        return sound

    def _is_complete(self, record: Record) -> bool:
        digest = record.entry.digest
        with self._lock:
            if digest in self._complete:
                return True
            self._lists.append(record)
        # Packs that go away take this note with them, so that it holds for as long as it is there.
        simple = not self.doomed and not self._packs.damaged
        if simple and self._packs.catalogue.is_whole(digest):
            complete = True
        else:
            gone = self._packs.catalogue.mark(GONE)
            try:
                parts = list(dict.fromkeys(self._fetch.every_part(record)))
            except (CorruptContentError, NotFoundError):
                return False
            complete = self._all_count(parts)
            if complete and simple:
                self._packs.catalogue.note_whole(digest, gone)
        if complete:
            with self._lock:
                self._complete.add(digest)
        return complete

    def _all_count(self, parts: Sequence[bytes]) -> bool:
        found = self._packs.catalogue.among(parts, _PARTS)
        return len(found) == len(parts) and all(
            any(self.counts(record) for record in records) for records in found.values()
        )
