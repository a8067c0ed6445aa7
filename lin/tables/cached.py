"""What is kept in this machine's cache of tables that were asked about: facts, row keys, row digests.

All of it follows from bytes that are named by their digest, so nothing here is ever out of date; what has not been
used for longest goes when there is too much.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lin.identifying import Identifying
from lin.lineage import canonical
from lin.lineage.table_id import TableId
from lin.lineage.tables.rowkeys import open_row_keys, read_row_keys
from lin.store.blobs import BlobStore
from lin.store.digest import Digest

from . import rowfile
from .sides import Facts, Side, facts_of

if TYPE_CHECKING:
    from .rowfile import Array, RowFile

LIMIT = 4 << 30
"""Bytes that are kept."""
_PIECE = 1 << 20


class TableCache:
    """Facts, keys and rows of tables, read at most once each."""

    def __init__(self, repository: Identifying, *, limit: int = LIMIT) -> None:
        self._repository = repository
        self._folder = repository.cache / "tables" / "known"
        self._limit = limit

    def facts(self, side: Side) -> Facts:
        """Return what a table is: from the log, else from the cache, else by reading it.

        Raises:
            NotATableError: It is none.
        """
        known = facts_of(self._repository, side)
        if known is not None:
            return known
        path = self._folder / f"{side.reading}.json"
        try:
            found = json.loads(path.read_bytes())
            ids = TableId.parse(found["set"]), TableId.parse(found["seq"])
            return Facts.of(ids, found["rows"], found["columns"])
        except (OSError, ValueError, KeyError):
            return self._identify(side)

    def keys(self, side: Side) -> Array:
        """Return the sorted row keys of a table, mapped; with repeats."""
        record = side.record
        if record is not None and record.keys is not None and self._repository.store.has(record.keys):
            return blob_keys(self._repository.store, self._folder, record.keys, self._keep)
        path = self._folder / f"{side.reading}.keys"
        if not path.exists():
            self._identify(side)
        return open_row_keys(path).keys

    def sketch(self, side: Side) -> Array:
        """Return the least different row keys, ascending."""
        import numpy as np  # noqa: PLC0415 - takes 80 ms

        record = side.record
        if record is not None and record.sketch is not None and self._repository.store.has(record.sketch):
            return np.frombuffer(self._repository.store.read(record.sketch), "<u8")
        keys = self.keys(side)
        return np.unique(keys[: 1 << 20])[:4096] if len(keys) <= 1 << 20 else first_distinct(keys, 4096)

    def rows(self, side: Side, columns: Sequence[str] | None = None) -> RowFile:
        """Return all row digests of a table, or of some of its columns; it is read for that once.

        Raises:
            NotATableError: It can't be read to its end.
        """
        name = side.reading
        if columns is not None:
            name += "-" + Digest.of(canonical.dumps(sorted(columns))).hex[:16]
        path = self._folder / f"{name}.rows"
        if path.exists():
            with suppress(OSError):
                os.utime(path)
            return rowfile.RowFile(path)
        self._folder.mkdir(parents=True, exist_ok=True)
        texts = self.facts(side).texts
        found = rowfile.write(path, (digests for _, digests in rows_of(side, texts, columns)))
        self._keep(path)
        return found

    def _identify(self, side: Side) -> Facts:
        from lin.tabular.identify import identified  # noqa: PLC0415 - reading takes Arrow

        self._folder.mkdir(parents=True, exist_ok=True)
        with identified(side.table()) as found:
            identity = found.identity
            ids = TableId("set", identity.set), TableId("seq", identity.seq)
            columns = json.loads(found.summary)["columns"]
            document = {"set": str(ids[0]), "seq": str(ids[1]), "rows": identity.rows, "columns": columns}
            with _replacing(self._folder / f"{side.reading}.keys") as file:
                while piece := found.keys.read(_PIECE):
                    file.write(piece)
        with _replacing(self._folder / f"{side.reading}.json") as file:
            file.write(canonical.dumps(document))
        self._keep(self._folder / f"{side.reading}.keys")
        return Facts.of(ids, identity.rows, columns)

    def _keep(self, newest: Path) -> None:
        """Make room: what was not used for longest goes first, and never the newest."""
        with suppress(OSError):
            files = [(each, each.stat()) for each in self._folder.iterdir() if each.is_file()]
            total = sum(stat.st_size for _, stat in files)
            for each, stat in sorted(files, key=lambda file: file[1].st_mtime_ns):
                if total <= self._limit:
                    return
                if each != newest:
                    each.unlink(missing_ok=True)
                    total -= stat.st_size


def rows_of(side: Side, texts: Any, columns: Sequence[str] | None = None) -> Iterator[tuple[Any, Array]]:
    """Yield a table's batches with the digest of each row, or of its projection on some columns."""
    from lin.lineage.tables import row_digests  # noqa: PLC0415 - takes Arrow

    table = side.table()
    chosen = None if columns is None else [name for name in table.schema.names if name in set(columns)]
    for batch in table.batches():
        some = batch if chosen is None else batch.select(chosen)
        yield batch, row_digests(some, {name: mode for name, mode in texts.items() if name in some.schema.names})


def blob_keys(store: BlobStore, folder: Path, digest: Digest, keep: Callable[[Path], None] = lambda _: None) -> Array:
    """Return the row keys in a blob, mapped; a large one is copied to the cache once, verified."""
    path = folder / f"{digest.hex}.keys"
    if path.exists():
        with suppress(OSError):
            os.utime(path)
        return open_row_keys(path).keys
    if store.size(digest) <= _PIECE:
        return read_row_keys(store.read(digest)).keys
    folder.mkdir(parents=True, exist_ok=True)
    with _replacing(path) as file:
        store.copy_to(digest, file.write)
    keep(path)
    return open_row_keys(path).keys


def first_distinct(keys: Array, count: int) -> Array:
    """Return the first different ones of ascending keys, without looking at more than needed."""
    import numpy as np  # noqa: PLC0415 - takes 80 ms

    found = np.empty(0, "<u8")
    at, step = 0, 4 * count
    while at < len(keys) and len(found) < count:
        found = np.unique(np.concatenate([found, keys[at : at + step]]))
        # Over what is repeated very often at once.
        at = int(np.searchsorted(keys, found[-1], "right"))
    return found[:count]


class _replacing:  # noqa: N801 - used as a function
    """Write a file that takes its name only when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new = path.with_name(f".{path.name}.{os.getpid()}.{id(self):x}")

    def __enter__(self) -> BinaryIO:
        self._file = self._new.open("wb")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._new.replace(self._path)
        else:
            self._new.unlink(missing_ok=True)
