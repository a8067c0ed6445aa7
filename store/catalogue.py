"""Know which record lies where: a copy of all packs' tables, in one SQLite file of the cache.

It can be deleted: it is made again from the packs. Several processes may use it at once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from lin.errors import BackendError, StorageFullError

from .pack import Entry, Kind, Table

if TYPE_CHECKING:
    import sqlite3

_CACHE_KIB = 64 * 1024
"""The most memory that SQLite keeps pages in: with less, adding to ten million records would read most pages twice."""
GONE = "gone"
"""The mark that changes when packs have gone away."""
_VERSION = 1
_SCHEMA = """
CREATE TABLE pack (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, records INTEGER NOT NULL, size INTEGER NOT NULL
) STRICT;
CREATE TABLE record (
    digest BLOB, pack INTEGER, offset INTEGER, stored INTEGER, size INTEGER, form INTEGER, proof BLOB, bases BLOB,
    PRIMARY KEY (digest, pack, offset)
) WITHOUT ROWID, STRICT;
CREATE TABLE whole (digest BLOB PRIMARY KEY) WITHOUT ROWID, STRICT;
CREATE TABLE mark (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID, STRICT;
"""
_FIND = "SELECT pack, offset, stored, size, form, proof, bases FROM record WHERE digest = ? ORDER BY pack DESC"
_BLOBS = (Kind.BLOB, Kind.LIST)
_MANY = 500
"""Digests that are asked for in one statement."""

T = TypeVar("T")
_parents: list[object] = []
"""Connections of the process that this one was forked from."""


class Record(NamedTuple):
    """A record, and the pack that it lies in.

    Attributes:
        pack: The 64 digits of the pack's name.
        entry: What the pack's table says of it.
    """

    pack: str
    entry: Entry


class Catalogue:
    """Answer which packs hold a digest; safe from several threads and processes."""

    def __init__(self, path: Path | None) -> None:
        """Open nothing yet.

        Args:
            path: The SQLite file; it and its folder are made when needed. None: in memory.
        """
        self._path = path
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._names: dict[int, str] = {}

    # ------------------------------------------------------------------------ asking

    def find(self, digest: bytes) -> list[Record]:
        """Return all records of a digest, those of the newest pack first."""

        def ask(connection: sqlite3.Connection) -> list[Record]:
            return [
                Record(self._name(connection, row[0]), _entry(digest, *row[1:]))
                for row in connection.execute(_FIND, (digest,))
            ]

        return self._do(ask)

    def among(self, digests: Iterable[bytes], kinds: Sequence[Kind] = _BLOBS) -> dict[bytes, list[Record]]:
        """Return the records of those digests that have any of these kinds."""
        wanted = list(digests)
        found: dict[bytes, list[Record]] = {}

        def ask(connection: sqlite3.Connection) -> None:
            for start in range(0, len(wanted), _MANY):
                part = wanted[start : start + _MANY]
                marks = ",".join("?" * len(part))
                for row in connection.execute(
                    "SELECT digest, pack, offset, stored, size, form, proof, bases"  # noqa: S608 - marks are '?'
                    f" FROM record WHERE digest IN ({marks}) ORDER BY pack DESC",
                    part,
                ):
                    if row[5] & 0xFF in kinds:
                        record = Record(self._name(connection, row[1]), _entry(row[0], *row[2:]))
                        found.setdefault(row[0], []).append(record)

        self._do(ask)
        return found

    def plain_blobs(self, digests: Sequence[bytes]) -> Iterator[tuple[bytes, str, int]]:
        """Yield digest, pack and size of those that are there as small blobs that need nothing else."""

        def ask(connection: sqlite3.Connection) -> list[tuple[bytes, str, int]]:
            found = []
            for start in range(0, len(digests), _MANY):
                part = digests[start : start + _MANY]
                marks = ",".join("?" * len(part))
                rows = connection.execute(
                    "SELECT digest, pack, size FROM record"  # noqa: S608 - marks are '?'
                    f" WHERE digest IN ({marks}) AND form & 255 = 1 AND bases IS NULL",
                    part,
                )
                found += [(digest, self._name(connection, pack), size) for digest, pack, size in rows]
            return found

        yield from self._do(ask)

    def blobs(self) -> Iterator[tuple[bytes, int]]:
        """Yield every blob's digest and size, in the order of the digests."""
        last = b""
        while True:
            rows = self._do(
                lambda connection, last=last: connection.execute(  # type: ignore[misc]
                    "SELECT DISTINCT digest, size FROM record WHERE digest > ? AND form & 255 IN (1, 3)"
                    " ORDER BY digest LIMIT 10000",
                    (last,),
                ).fetchall()
            )
            if not rows:
                return
            yield from rows
            last = rows[-1][0]

    def packs(self) -> dict[str, int]:
        """Return every pack that is known, with the size that its file must have."""
        return self._do(
            lambda connection: {name.hex(): size for name, size in connection.execute("SELECT name, size FROM pack")}
        )

    def size(self, pack: str) -> int | None:
        """Return the size that a pack's file must have; None where it is not known."""
        row = self._do(
            lambda connection: connection.execute(
                "SELECT size FROM pack WHERE name = ?", (bytes.fromhex(pack),)
            ).fetchone()
        )
        return None if row is None else int(row[0])

    def records(self, pack: str) -> list[Entry]:
        """Return what lies in a pack, in its order; slow, for upkeep only."""

        def ask(connection: sqlite3.Connection) -> list[Entry]:
            rows = connection.execute(
                "SELECT digest, offset, stored, size, form, proof, bases FROM record"
                " WHERE pack = (SELECT number FROM pack WHERE name = ?) ORDER BY offset",
                (bytes.fromhex(pack),),
            )
            return [_entry(row[0], *row[1:]) for row in rows]

        return self._do(ask)

    def is_whole(self, digest: bytes) -> bool:
        """Tell whether all that a list needs was there, and no pack has gone away since."""
        return (
            self._do(
                lambda connection: connection.execute("SELECT 1 FROM whole WHERE digest = ?", (digest,)).fetchone()
            )
            is not None
        )

    def note_whole(self, digest: bytes, gone: str | None) -> None:
        """Note that all that a list needs is there, unless a pack has gone away since `mark(GONE)` was asked."""
        self._do(
            lambda connection: connection.execute(
                "INSERT OR IGNORE INTO whole SELECT ? WHERE (SELECT value FROM mark WHERE name = ?) IS ?",
                (digest, GONE, gone),
            )
        )

    def mark(self, name: str) -> str | None:
        """Return what was noted under a name."""
        row = self._do(
            lambda connection: connection.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
        )
        return None if row is None else str(row[0])

    # ------------------------------------------------------------------------ learning

    def learn(
        self, tables: Iterable[Table] = (), gone: Iterable[str] = (), marks: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Add what packs hold, and take away what packs held that are there no longer, in one step."""
        lost = [(bytes.fromhex(name),) for name in gone]

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                if lost:
                    self._forget(connection, lost)
                for table in tables:
                    self._add(connection, table)
                connection.executemany("INSERT OR REPLACE INTO mark VALUES (?, ?)", list(marks))
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

        self._do(write)

    def close(self) -> None:
        """Close the file; it is opened again when needed, unless it was in memory."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None
            self._names.clear()

    # ------------------------------------------------------------------------

    def _add(self, connection: sqlite3.Connection, table: Table) -> None:
        row = connection.execute(
            "INSERT OR IGNORE INTO pack (name, records, size) VALUES (?, ?, ?) RETURNING number",
            (bytes.fromhex(table.name), table.records, table.size),
        ).fetchone()
        if row is None:
            return  # another process told of it already
        number = row[0]
        connection.executemany(
            "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            sorted(
                (
                    entry.digest,
                    number,
                    entry.offset,
                    entry.stored,
                    entry.size,
                    entry.kind | entry.coding << 8 | entry.depth << 16,
                    entry.check if entry.coding or entry.kind == Kind.LIST else None,
                    entry.bases or None,
                )
                for entry in table.entries
            ),
        )

    def _forget(self, connection: sqlite3.Connection, lost: list[tuple[bytes]]) -> None:
        numbers = [
            row[0]
            for name in lost
            for row in connection.execute("DELETE FROM pack WHERE name = ? RETURNING number", name).fetchall()
        ]
        # One pass over all records, however many packs are gone: there is no index by pack, which would cost every put.
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS lost (number INTEGER PRIMARY KEY)")
        connection.execute("DELETE FROM lost")
        connection.executemany("INSERT INTO lost VALUES (?)", [(number,) for number in numbers])
        if numbers:
            connection.execute("DELETE FROM whole")
            connection.execute(
                "INSERT INTO mark VALUES (?, '1') ON CONFLICT (name) DO UPDATE SET value = value + 1", (GONE,)
            )
            connection.execute("DELETE FROM record WHERE pack IN (SELECT number FROM lost)")

    def _name(self, connection: sqlite3.Connection, number: int) -> str:
        name = self._names.get(number)
        if name is None:
            row = connection.execute("SELECT name FROM pack WHERE number = ?", (number,)).fetchone()
            # Numbers are never used twice, so a name that is remembered is right for ever.
            name = self._names[number] = row[0].hex() if row else ""
        return name

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        import sqlite3  # noqa: PLC0415 - start-up

        with self._lock:
            if self._connection is not None and self._pid != os.getpid():
                _parents.append(self._connection)  # a forked process must not touch, nor close, its parent's connection
                self._connection = None
            for attempt in range(2):
                try:
                    if self._connection is None:
                        self._connection = self._open()
                    return work(self._connection)
                except sqlite3.OperationalError as error:
                    if self._connection is None and self._path is not None:
                        # The cache cannot be written to: do without it.
                        self._path = None
                        return self._do(work)
                    kind = StorageFullError if error.sqlite_errorcode == sqlite3.SQLITE_FULL else BackendError
                    raise kind(
                        f"cannot use the catalogue of packs {self._path}: {error}",
                        hint="It can be deleted at any time: it is made again.",
                    ) from error
                except sqlite3.DatabaseError:  # not a database, or damaged: begin anew, once
                    self.close()
                    if attempt or self._path is None:
                        raise
                    for suffix in ("", "-journal", "-wal", "-shm"):
                        with suppress(OSError):
                            Path(f"{self._path}{suffix}").unlink()
        raise AssertionError  # the second attempt returned or raised

    def _open(self) -> sqlite3.Connection:
        import sqlite3  # noqa: PLC0415 - start-up

        if self._path is not None:
            with suppress(OSError):  # what is wrong with the folder shows when the file is opened
                self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            ":memory:" if self._path is None else self._path,
            timeout=60.0,
            check_same_thread=False,
            isolation_level=None,
        )
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            if sys.version_info >= (3, 12):
                # Otherwise each command that learned something would end with two syncs of a file that is only a copy.
                connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                connection.execute("BEGIN IMMEDIATE")
                if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                    for table in ("pack", "record", "whole", "mark"):
                        connection.execute(f"DROP TABLE IF EXISTS {table}")
                    for statement in _SCHEMA.split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {_VERSION}")
                connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._pid = os.getpid()
        self._names.clear()
        return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let readers and a writer go on beside each other; SQLite does not wait by itself where two switch at once."""
    import sqlite3  # noqa: PLC0415 - start-up

    for attempt in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if attempt == 99:  # noqa: PLR2004 - the last of the hundred
                raise
            time.sleep(0.01 * (1 + attempt % 7))
        else:
            return


def _entry(  # noqa: PLR0917 - a row of the table
    digest: bytes, offset: int, stored: int, size: int, form: int, proof: bytes | None, bases: bytes | None
) -> Entry:
    kind, coding, depth = form & 0xFF, form >> 8 & 0xFF, form >> 16
    return Entry(digest, size, proof or digest[:8], stored, kind, coding, depth, offset, bases or b"")
