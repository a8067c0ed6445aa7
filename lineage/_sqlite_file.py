"""The SQLite file under an index: its connections, and what its errors mean.

The file is a cache: one that was written by another version of lin, or that is damaged, is reported as such and
rebuilt from the log. A file is never replaced by another of its name, since SQLite finds the log of a file by that
name: a new one gets a name of its own, and a symbolic link at the index's path leads to it.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock

from lin.errors import BackendError, DamagedIndexError, PermissionDeniedError, StorageFullError

from ._sqlite_schema import APPLICATION, INDEXES, PRAGMAS, SCHEMA_VERSION, SEAL, TABLES
from .union import canonical, merge_notes

_BUSY_SECONDS = 5.0
_FILES = ("", "-wal", "-shm", "-journal")
_BESIDE = ("-adjacency", "-adjacency.part")

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_DENIED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class _Connection(sqlite3.Connection):
    """A connection that remembers to which of the files at its path it belongs."""

    file = ""


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
        with self.errors():
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
        self.release()
        with self.errors():
            if self.can_switch():
                self.switch(fresh_name(self.path))
            else:
                delete(self.path)
            self._release(self._connect())

    def can_switch(self) -> bool:
        """Tell whether another file can take this one's place: not every file system has symbolic links."""
        link = self.path.with_name(f"{fresh_name(self.path).name}-link")
        try:
            link.symlink_to(link.name)
            link.unlink()
        except OSError:
            return False
        return True

    def switch(self, file: Path) -> None:
        """Let another file, which lies beside it, be the index from now on, and delete the present one.

        Whoever has the old one open keeps it until it is done with what it is at.
        """
        old = [self.path.with_name(name) for name in {_target(self.path), self.path.name} - {file.name}]
        link = self.path.with_name(f"{file.name}-link")
        link.unlink(missing_ok=True)
        link.symlink_to(file.name)
        link.replace(self.path)
        for path in old:
            for suffix in _FILES[path == self.path :]:
                path.with_name(path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the idle connections now, and those that are lent when they come back."""
        with self._lock:
            self._closed = True
        self.release()

    def release(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[_Connection]:
        with self.errors():
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
            present = _target(self.path)
            while self._idle:
                connection = self._idle.pop()
                if connection.file == present:
                    return connection
                connection.close()
        return self._connect()

    def _release(self, connection: _Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> _Connection:
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            file = _target(self.path)
            connection = sqlite3.connect(
                self.path.with_name(file),
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                factory=_Connection,
            )
            connection.file = file
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
        prepare(connection, PRAGMAS)
        if connection.execute("PRAGMA application_id").fetchone()[0] == 0:
            self._create(connection)
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION or version != SCHEMA_VERSION:
            raise DamagedIndexError(
                f"the index {self.path} was written by another version of lin",
                hint="`lin index rebuild` makes it anew.",
            )

    def _create(self, connection: _Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            for statement in (*TABLES, *INDEXES, *SEAL):
                connection.execute(statement)
        connection.execute("COMMIT")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise lin's errors for those of SQLite and of the system."""
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


def prepare(connection: sqlite3.Connection, pragmas: Iterable[str]) -> None:
    """Set a new connection up for lin's statements."""
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("union_notes", 2, _union_notes, deterministic=True)


def delete(path: Path) -> None:
    """Delete an index file and what is kept beside it; those that are not there are no error."""
    for name in (path.name, _target(path)):
        for suffix in _FILES:
            path.with_name(name + suffix).unlink(missing_ok=True)
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def fresh_name(path: Path) -> Path:
    """Return where a new file for the index at `path` can lie: no other has or had this name."""
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}")


def _target(path: Path) -> str:
    """Return the name of the file that is the index at present: its own, or the one that it is a link to."""
    try:
        target = os.readlink(path)  # noqa: PTH115 - at the begin of every question, where making paths would show
    except OSError:
        return path.name
    return target if target.startswith(f"{path.name}.") else path.name  # someone's own link is theirs


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


@lru_cache(maxsize=8_192)
def write_notes(notes: tuple[str, ...]) -> str | None:
    """Write an edge's notes to be stored."""
    return canonical(list(notes)) if notes else None
