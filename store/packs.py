"""Find the packs of a place, know what lies in them, and read from them."""

# Paths are text here: making a Path costs more than the call it is for, in loops over many files.

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from threading import Lock

from lin.errors import CorruptContentError, NotFoundError

from . import bundle
from .catalogue import Catalogue, Record
from .digest import Digest
from .faults import os_errors
from .local import LocalPlace
from .pack import FOLDER, TRAILER_SIZE, Table, pack_file, pack_name, parse_table, tail_size
from .parallel import for_each
from .place import Place

OBJECTS = "objects"
DOOMED = "objects/doomed"
_LOOSE = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{62})")
_TAIL = 65_536
"""Bytes that are read of a pack's end at once: the table of a thousand records."""
_FEW = 8
"""So many new packs are asked one by one; for more, index files are looked for first."""
_OPEN = 64
"""Packs that are kept open."""


def loose_file(digest: bytes) -> str:
    """Return where version 0 keeps a blob."""
    text = digest.hex()
    return f"{OBJECTS}/{text[:2]}/{text[2:]}"


def loose_digest(file: str) -> bytes | None:
    """Return the digest of the blob that a file of version 0 holds, or None if it is none."""
    found = _LOOSE.fullmatch(file)
    return bytes.fromhex(found[1] + found[2]) if found else None


class Packs:
    """Keep the catalogue true to the place, and read what it names."""

    def __init__(self, place: Place, catalogue: Catalogue) -> None:
        self.place = place
        self.catalogue = catalogue
        self.damaged: dict[str, str] = {}
        """Packs whose file cannot be what was written, and why."""
        self.unindexed = 0
        """How many packs had to be asked for their tables one by one."""
        self.loose = False
        """Whether there are blobs of version 0, each in a file of its own."""
        self._files = _Files(place) if isinstance(place, LocalPlace) else None
        self._lock = Lock()
        self._fresh = False

    # ------------------------------------------------------------------------ what is there

    def ready(self) -> None:
        """Look at the place if that was not done yet."""
        if not self._fresh:
            self.refresh()

    def refresh(self) -> bool:
        """Look at the place again; tell whether anything is there that was not, or the other way round.

        Raises:
            UnsupportedFormatError: A newer lin wrote a pack.
        """
        with self._lock:
            listed = self.listed()
            known = self.catalogue.packs()
            gone = known.keys() - listed.keys()
            new = {name: size for name, size in listed.items() if name not in known}
            damaged = {
                name: f"it has {size} bytes, not {known[name]}"
                for name, size in listed.items()
                if known.get(name, size) != size
            }
            tables = self._tables(new, damaged) if new else []
            if gone or tables:
                self.catalogue.learn(tables, gone)
                if self._files is not None:
                    self._files.forget(gone)
            self.damaged = damaged
            self._fresh = True
            return bool(gone or tables)

    def listed(self) -> dict[str, int]:
        """Return the packs that are there now, with the sizes of their files."""
        if isinstance(self.place, LocalPlace):
            self.loose = self._has_folders(self.place)
            files = self.place.list(FOLDER)
        else:
            files = self.place.list(OBJECTS)  # one request for all kinds of files
        listed = {}
        for info in files:
            name = pack_name(info.name)
            if name is not None:
                listed[name] = info.size
            elif loose_digest(info.name) is not None:
                self.loose = True
        return listed

    def _has_folders(self, place: LocalPlace) -> bool:
        try:
            names = os.listdir(place.locate(OBJECTS))  # noqa: PTH208 - text
        except OSError:  # what is wrong with the folder shows when packs are listed
            return False
        return any(len(name) == 2 for name in names)  # noqa: PLR2004 - the two digits

    def doomed(self) -> set[str]:
        """Return the packs that are about to be deleted."""
        return {info.name.rpartition("/")[2] for info in self.place.list(DOOMED)}

    def table(self, name: str, size: int) -> Table:
        """Read a pack's table from the pack.

        Raises:
            NotFoundError: It is not there.
            CorruptContentError: It is not what its name stands for.
        """
        file = pack_file(name)
        length = min(size, _TAIL)
        tail = self.place.read_range(file, size - length, length)
        whole = tail_size(tail[-TRAILER_SIZE:], name)
        if whole > size:
            raise CorruptContentError(
                f"the pack {file} is damaged: it is shorter than its table", hint="Restore it from a copy."
            )
        if whole > length:
            tail = self.place.read_range(file, size - whole, whole - length) + tail
        table = parse_table(tail[-whole:], name)
        if table.size != size:
            raise CorruptContentError(
                f"the pack {file} is damaged: it has {size} bytes, not {table.size}", hint="Restore it from a copy."
            )
        return table

    def _tables(self, new: dict[str, int], damaged: dict[str, str]) -> list[Table]:
        tables = {}
        if len(new) > _FEW:
            for table in self.indexed():
                if table.name in new:
                    tables[table.name] = table
                    if table.size != new[table.name]:
                        damaged[table.name] = f"it has {new[table.name]} bytes, not {table.size}"

        def read(name: str) -> None:
            try:
                tables[name] = self.table(name, new[name])
            except NotFoundError:
                pass  # deleted since it was listed
            except CorruptContentError as error:
                damaged[name] = error.message

        rest = [name for name in new if name not in tables]
        self.unindexed += len(rest)
        for_each(rest, read, min(self.place.workers, len(rest)))
        return list(tables.values())

    def indexed(self) -> Iterable[Table]:
        """Yield the tables that index files hold, also of packs that are no longer there."""
        for info in list(self.place.list(bundle.FOLDER)):
            name = bundle.index_name(info.name)
            if name is not None:
                with suppress(NotFoundError, CorruptContentError):  # a copy: what is wrong with it is told by `verify`
                    yield from bundle.parse_index(self.place.read(info.name), name)

    # ------------------------------------------------------------------------ reading

    def stored(self, record: Record) -> bytes:
        """Return the stored bytes of a record, unverified, fewer where the pack is cut short."""
        return self.span(record.pack, record.entry.offset, record.entry.stored)

    def span(self, pack: str, offset: int, length: int) -> bytes:
        """Return some bytes of a pack, unverified, fewer where the pack is cut short.

        Raises:
            NotFoundError: The pack is not there.
        """
        if self._files is not None:
            return self._files.read(pack, offset, length)
        return self.place.read_range(pack_file(pack), offset, length)

    def span_into(self, pack: str, offset: int, view: memoryview) -> int:
        """Read some bytes of a pack into a buffer; return how many there were, errors as `span`."""
        if self._files is not None:
            return self._files.read_into(pack, offset, view)
        data = self.place.read_range(pack_file(pack), offset, len(view))
        view[: len(data)] = data
        return len(data)

    def is_sound(self, record: Record) -> bool:
        """Tell whether a record's stored bytes are what they were."""
        try:
            data = self.stored(record)
        except NotFoundError:
            return False
        return len(data) == record.entry.stored and Digest.of(data).value[:8] == record.entry.check

    def close(self) -> None:
        """Close what is open; it is opened again when needed."""
        if self._files is not None:
            self._files.forget()


class _File:
    """A descriptor that is closed when the last thread has done with it."""

    __slots__ = ("descriptor",)

    def __init__(self, path: str) -> None:
        self.descriptor = -1
        with os_errors("open", path):
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class _Files:
    """Read packs of a local place, without opening them each time."""

    def __init__(self, place: LocalPlace) -> None:
        self._place = place
        self._lock = Lock()
        self._open: OrderedDict[str, _File] = OrderedDict()

    def read(self, pack: str, offset: int, length: int) -> bytes:
        file = self._get(pack)
        with os_errors("read", pack):
            data = os.pread(file.descriptor, length, offset)
            while len(data) < length:
                more = os.pread(file.descriptor, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        return data

    def read_into(self, pack: str, offset: int, view: memoryview) -> int:
        file = self._get(pack)
        done = 0
        with os_errors("read", pack):
            while done < len(view) and (count := os.preadv(file.descriptor, [view[done:]], offset + done)):
                done += count
        return done

    def forget(self, packs: Iterable[str] | None = None) -> None:
        with self._lock:
            for pack in list(self._open) if packs is None else packs:
                self._open.pop(pack, None)

    def _get(self, pack: str) -> _File:
        with self._lock:
            file = self._open.get(pack)
            if file is not None:
                self._open.move_to_end(pack)
                return file
        file = _File(self._place.locate(pack_file(pack)))
        with self._lock:
            self._open[pack] = file
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)
        return file
