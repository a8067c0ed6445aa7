"""What deleting content needs: which records are reached, what a pack holds, and packs written anew without the rest.

Nothing here decides what is to go. The order that is safe beside writers and readers is told in
`docs/formats/store.md`, under "Deleting": write anew what stays, doom, wait, look again, delete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lin.errors import CorruptContentError, NotFoundError

from .catalogue import Record
from .digest import Digest
from .fetch import Fetcher, bases_of
from .pack import Coding, Entry, Kind, Table, pack_file, pack_name
from .packing import Coded, Packer, squeeze
from .packs import DOOMED, OBJECTS, Packs, loose_digest, loose_file

ERASED = b"erased\n"
"""What the mark of a pack says that an erasure is about to delete; otherwise it is empty."""

Reached = set[tuple[bytes, bool]]
"""Digests of records that are needed, and whether as a whole blob (with its list) or as a chunk."""


@dataclass(frozen=True, slots=True)
class PackFile:
    """A pack of a place.

    Attributes:
        name: 64 digits.
        size: Bytes of the file.
        modified: When it was written, by the place's clock; None where that is not known.
    """

    name: str
    size: int
    modified: float | None


@dataclass(frozen=True, slots=True)
class PackUse:
    """How much of a pack is needed.

    Attributes:
        live: Bytes of records that are reached.
        dead: Bytes of those that are not.
    """

    live: int
    dead: int


class Upkeep:
    """Look after the packs of a store."""

    def __init__(self, packs: Packs, fetch: Fetcher) -> None:
        self._packs = packs
        self._fetch = fetch

    # ------------------------------------------------------------------------ looking

    def packs(self) -> Iterator[PackFile]:
        """Yield every pack that is there."""
        for info in self._packs.place.list(OBJECTS):
            if (name := pack_name(info.name)) is not None:
                yield PackFile(name, info.size, info.modified)

    def doomed(self) -> dict[str, float | None]:
        """Return the packs that are about to be deleted, and since when by the place's clock."""
        return {info.name.rpartition("/")[2]: info.modified for info in self._packs.place.list(DOOMED)}

    def condemned(self) -> list[str]:
        """Return the packs that an erasure was about to delete: what was to stay of them is in others."""
        return [info.name.rpartition("/")[2] for info in self._packs.place.list(DOOMED) if info.size]

    def loose(self) -> Iterator[tuple[Digest, int, float | None]]:
        """Yield the blobs of version 0, each a file of its own: digest, size and when it was written."""
        for info in self._packs.place.list(OBJECTS):
            if (digest := loose_digest(info.name)) is not None:
                yield Digest(digest), info.size, info.modified

    def table(self, pack: PackFile) -> Table:
        """Read what a pack holds; raises `CorruptContentError`, `NotFoundError`."""
        return self._packs.table(pack.name, pack.size)

    def reach(self, blobs: Iterable[Digest], *, bases: bool = True) -> Reached:
        """Return all records that blobs need: their lists, segments, chunks and the bases of those.

        A blob that is not there needs nothing.

        Args:
            blobs: Which blobs.
            bases: Whether also what records are only stored as differences from.

        Raises:
            CorruptContentError: A list is damaged, so that what the blob needs is not known.
        """
        reached: Reached = set()
        for digest in blobs:
            if (digest.value, True) not in reached:
                self._reach_blob(digest, reached, bases=bases)
        return reached

    def use(self, table: Table, reached: Reached) -> PackUse:
        """Return how much of a pack is reached."""
        live = sum(entry.stored for entry in table.entries if needed(entry, reached))
        return PackUse(live, table.records - live)

    def _reach_blob(self, digest: Digest, reached: Reached, *, bases: bool) -> None:
        found = self._packs.catalogue.find(digest.value)
        whole = [record for record in found if record.entry.kind in (Kind.BLOB, Kind.LIST)]
        if not whole:
            return
        reached.add((digest.value, True))
        waiting: list[bytes] = []
        for record in whole:
            if record.entry.kind == Kind.LIST:
                waiting += self._fetch.every_part(record)
            elif not bases:
                waiting.append(digest.value)
            waiting += bases_of(record.entry) if bases else ()
        while waiting:
            part = waiting.pop()
            if (part, False) in reached:
                continue
            reached.add((part, False))
            if bases:
                for record in self._packs.catalogue.find(part):
                    waiting += bases_of(record.entry)

    def is_whole(self, pack: str, entry: Entry) -> bool:
        """Tell whether a record can be read as its table says."""
        try:
            self._fetch.plain(Record(pack, entry))
        except (CorruptContentError, NotFoundError):
            return False
        return True

    # ------------------------------------------------------------------------ changing

    def copy(
        self,
        table: Table,
        keep: Callable[[Entry], bool],
        packer: Packer,
        plain: Callable[[Entry], bool] = lambda _: False,
    ) -> int:
        """Write the records of a pack that are to stay into the packs of a batch, verified, as they are coded.

        Args:
            table: What the pack holds.
            keep: Tells what stays.
            packer: Where to; its packs must not be those that are going.
            plain: Tells what is to stand by itself from now on, without the bases that it has.

        Returns:
            How many bytes were written.

        Raises:
            CorruptContentError: One is damaged; nothing may be deleted then.
        """
        copied = 0
        for entry in table.entries:
            if keep(entry):
                record = Record(table.name, entry)
                whole = self._fetch.plain(record)
                data = self._packs.stored(record)
                if Digest.of(data).value[:8] != entry.check:
                    raise CorruptContentError(f"the pack {pack_file(table.name)} changed while it was read")
                if plain(entry):
                    packer.add(entry.digest, entry.size, Kind(entry.kind), squeeze(whole))
                else:
                    coded = Coded(data, Coding(entry.coding), entry.bases, entry.depth)
                    packer.add(entry.digest, entry.size, Kind(entry.kind), coded, entry.check)
                copied += entry.stored
        return copied

    def doom(self, pack: str, *, erased: bool = False) -> None:
        """Say that a pack is about to be deleted: from now on no writer counts on it.

        Args:
            pack: Its name.
            erased: It holds what is to be gone at once, and all else of it has been written anew.
        """
        self._packs.place.replace(f"{DOOMED}/{pack}", ERASED if erased else b"")

    def spare(self, pack: str) -> None:
        """Take back that a pack is about to be deleted."""
        self._packs.place.delete(f"{DOOMED}/{pack}")

    def delete(self, pack: str) -> None:
        """Delete a pack, and then what says that it is about to be."""
        self._packs.place.delete(pack_file(pack))
        self._packs.place.delete(f"{DOOMED}/{pack}")

    def delete_loose(self, digest: Digest) -> None:
        """Delete a blob of version 0."""
        self._packs.place.delete(loose_file(digest.value))


def needed(entry: Entry, reached: Reached) -> bool:
    """Tell whether a record is reached: as what it is, or as a chunk that it can serve as."""
    if entry.kind == Kind.CHUNK:
        return (entry.digest, False) in reached
    if entry.kind == Kind.LIST:
        return (entry.digest, True) in reached
    return (entry.digest, True) in reached or (entry.digest, False) in reached
