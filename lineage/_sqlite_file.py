"""The SQLite file under an index: its schema, its connections, and what its errors mean.

The schema and the pragmas are those that were measured (`docs/graph.md`). The file is a cache: one that
was written by another version of lin, or that is damaged, is reported as such and rebuilt from the log.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from lin.errors import BackendError, DamagedIndexError, PermissionDeniedError, StorageFullError

from .union import canonical, merge_notes

SCHEMA_VERSION = 3
"""Counted up with every change of the schema or of what events contribute."""

_APPLICATION = 0x6C696E31
_BUSY_SECONDS = 5.0
_FILES = ("", "-wal", "-shm", "-journal", "-adjacency", "-adjacency.part")

_SCHEMA = """
CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, frontier BLOB NOT NULL);
INSERT INTO meta VALUES (1, 0, x'');
CREATE TABLE event(id BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE node(
  k INTEGER PRIMARY KEY, id BLOB NOT NULL, kind INTEGER NOT NULL, created INTEGER NOT NULL,
  name TEXT, version INTEGER, facets TEXT
);
CREATE UNIQUE INDEX node_id ON node(id);
CREATE INDEX node_kind ON node(kind, created, id);
CREATE INDEX node_name ON node(name, created, id) WHERE name IS NOT NULL;
CREATE INDEX node_version ON node(name, version) WHERE version IS NOT NULL;
CREATE TABLE edge(src INTEGER, kind INTEGER, dst INTEGER, notes TEXT, PRIMARY KEY(src, kind, dst)) WITHOUT ROWID;
CREATE UNIQUE INDEX edge_in ON edge(dst, kind, src);
CREATE TABLE value(
  k INTEGER, what INTEGER, name TEXT, number REAL, text TEXT, PRIMARY KEY(k, what, name)
) WITHOUT ROWID;
CREATE INDEX value_name ON value(what, name, number, text);
CREATE TABLE adjacency(one INTEGER PRIMARY KEY CHECK (one = 1), token BLOB NOT NULL, noting INTEGER NOT NULL);
INSERT INTO adjacency VALUES (1, x'', 0);
CREATE TABLE newer_edge(n INTEGER PRIMARY KEY, src INTEGER, kind INTEGER, dst INTEGER);
CREATE TABLE changed_node(n INTEGER PRIMARY KEY, k INTEGER);
"""

# In this order: the page size counts only before the first page is written.
_PRAGMAS = (
    "page_size=8192",
    "journal_mode=WAL",
    "synchronous=FULL",
    "cache_size=-131072",
    "mmap_size=8589934592",
    "temp_store=MEMORY",
)

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_DENIED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class _Connection(sqlite3.Connection):
    """A connection that remembers to which of the files at its path it belongs."""

    generation = 0


class SqliteFile:
    """A file and a pool of connections to it, each used by one thread at a time.

    Raises:
        DamagedIndexError: What is at `path` is no index, or one of another schema version.
        PermissionDeniedError: It cannot be opened or made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._idle: list[_Connection] = []
        self._process = os.getpid()
        self._closed = False
        self._generation = 0
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._release(self._connect())

    @contextmanager
    def reading(self) -> Iterator[_Connection]:
        """Lend a connection on which every statement sees the same state of the file."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[_Connection]:
        """Lend the connection of the only writer; what it did lasts when the block ends, or not at all."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def recreate(self) -> None:
        """Delete the file and begin an empty one.

        Whoever has the old one open keeps it to itself until it closes it: what it reads stays true, and what it
        writes is lost with the file, which is a cache.
        """
        with self._lock:
            self._generation += 1
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._errors():
            delete(self.path)
            self._release(self._connect())

    def close(self) -> None:
        """Close the idle connections now, and those that are lent when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[_Connection]:
        with self._errors():
            connection = self._acquire()
            try:
                connection.execute(begin)
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.rollback()
                raise
            finally:
                self._release(connection)

    def _acquire(self) -> _Connection:
        with self._lock:
            if self._closed:
                raise BackendError(f"the index {self.path} was closed")
            if os.getpid() != self._process:
                # A connection must not cross a fork, not even to be closed.
                _inherited.extend(self._idle)
                self._idle = []
                self._process = os.getpid()
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _release(self, connection: _Connection) -> None:
        with self._lock:
            if not self._closed and connection.generation == self._generation:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> _Connection:
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=_Connection
            )
            connection.generation = self._generation
            try:
                self._prepare(connection)
            except BaseException as error:
                connection.close()
                # SQLite doesn't wait for a lock while it changes a new file to WAL, so this does.
                if not (isinstance(error, sqlite3.Error) and _code(error) in _BUSY and time.monotonic() < deadline):
                    raise
                time.sleep(0.01)
            else:
                return connection

    def _prepare(self, connection: _Connection) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("union_notes", 2, _union_notes, deterministic=True)
        if connection.execute("PRAGMA application_id").fetchone()[0] == 0:
            self._create(connection)
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION or version != SCHEMA_VERSION:
            raise DamagedIndexError(
                f"the index {self.path} was written by another version of lin",
                hint="`lin index rebuild` makes it anew.",
            )

    def _create(self, connection: _Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.execute(f"PRAGMA application_id={_APPLICATION}")
        connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = _code(error)
            if code in _DAMAGE or (code == sqlite3.SQLITE_ERROR and "no such" in str(error)):
                raise DamagedIndexError(
                    f"the index {self.path} is damaged: {error}", hint="`lin index rebuild` makes it anew."
                ) from error
            if code == sqlite3.SQLITE_FULL:
                raise StorageFullError(f"no room left for the index {self.path}", hint="Make room.") from error
            if code in _DENIED:
                raise PermissionDeniedError(f"cannot open the index {self.path}: {error}") from error
            raise BackendError(f"the index {self.path} failed: {error}") from error
        except PermissionError as error:
            raise PermissionDeniedError(f"cannot make a folder for the index {self.path}") from error
        except OSError as error:
            raise BackendError(f"cannot use the index {self.path}: {error}") from error


def delete(path: Path) -> None:
    """Delete an index file and what SQLite keeps beside it; those that are not there are no error."""
    for suffix in _FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


_inherited: list[_Connection] = []
"""Connections of the process that this one was forked from: kept, because letting go of one closes it."""


def _code(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF  # without what extends it


def _union_notes(one: str | None, other: str | None) -> str | None:
    return write_notes(merge_notes(read_notes(one), read_notes(other)))


def read_notes(text: str | None) -> tuple[str, ...]:
    """Read an edge's notes as they are stored."""
    return tuple(json.loads(text)) if text else ()


def write_notes(notes: tuple[str, ...]) -> str | None:
    """Write an edge's notes to be stored."""
    return canonical(list(notes)) if notes else None
