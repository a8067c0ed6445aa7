"""Remember the digests of files that have not changed since they were read.

A file counts as unchanged while its size, both times, inode and device are what they were. A file that was
written to within two seconds before it was read is not remembered: it could change again within the same
tick of the file system's clock and look the same. What is wrong with the cache never stops a put: it is
then read from the file, as without a cache.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from .digest import SIZE, Digest

if TYPE_CHECKING:
    import sqlite3

RACY_NANOSECONDS = 2_000_000_000
"""The coarsest clock among the usual file systems (FAT's)."""
_MANY = 500
"""Files that are asked for in one statement."""
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    path BLOB PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER, inode TEXT, device TEXT, digest BLOB
) WITHOUT ROWID, STRICT
"""


class StatCache:
    """Answer for unchanged files, from one SQLite file; safe from several threads and processes."""

    def __init__(self, path: Path, clock: Callable[[], int] = time.time_ns) -> None:
        """Open nothing yet.

        Args:
            path: The SQLite file; it and its folder are made when first needed.
            clock: The present in nanoseconds since 1970.
        """
        self.path = path
        self._clock = clock
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._broken = False

    def find(self, path: str, status: os.stat_result) -> Digest | None:
        """Return the digest of a file that has not changed, or None.

        Args:
            path: Of the file; a relative one is taken from the current folder.
            status: What the system says of it now.
        """
        row = self._do(
            lambda connection: connection.execute(
                "SELECT size, mtime, ctime, inode, device, digest FROM file WHERE path = ?", (_key(path),)
            ).fetchone()
        )
        if row is None or tuple(row[:5]) != _state(status) or not isinstance(row[5], bytes) or len(row[5]) != SIZE:
            return None
        return Digest(row[5])

    def find_all(self, files: Iterable[tuple[str, os.stat_result]]) -> dict[str, Digest]:
        """Return the digests of those files that have not changed; many at once cost a fraction of one by one.

        Args:
            files: Each file's path, and what the system says of it now.
        """
        found: dict[str, Digest] = {}
        key = _Keys()
        waiting = {key(path): (path, status) for path, status in files}
        keys = list(waiting)
        for start in range(0, len(keys), _MANY):
            part = keys[start : start + _MANY]
            marks = ",".join("?" * len(part))
            rows = self._do(
                lambda connection, part=part, marks=marks: tuple(  # type: ignore[misc]
                    connection.execute(
                        "SELECT path, size, mtime, ctime, inode, device, digest FROM file"  # noqa: S608 - '?' only
                        f" WHERE path IN ({marks})",
                        part,
                    ).fetchall()
                )
            )
            for row in rows or ():
                assert isinstance(row, tuple)  # noqa: S101 - what fetchall gives
                path, status = waiting[row[0]]
                if tuple(row[1:6]) == _state(status) and isinstance(row[6], bytes) and len(row[6]) == SIZE:
                    found[path] = Digest(row[6])
        return found

    def remember(self, read: Iterable[tuple[str, os.stat_result, Digest]]) -> None:
        """Keep what was learned.

        Args:
            read: Each file's path, what the system said of it before it was read, and its digest.
        """
        latest = self._clock() - RACY_NANOSECONDS
        key = _Keys()
        rows = [
            (key(path), *_state(status), digest.value)
            for path, status, digest in read
            if max(status.st_mtime_ns, status.st_ctime_ns) < latest
        ]
        if rows:
            self._do(lambda connection: _write(connection, rows))

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._lock:
            self._close()

    def _do(self, work: Callable[[sqlite3.Connection], object]) -> tuple[object, ...] | None:
        import sqlite3  # noqa: PLC0415 - start-up

        with self._lock:
            if self._broken:
                return None
            for attempt in range(2):
                try:
                    if self._connection is None:
                        self._connection = self._open()
                    found = work(self._connection)
                except sqlite3.OperationalError:  # locked, full or read-only: do without it this time
                    self._give_up()
                    return None
                except sqlite3.DatabaseError:  # not a database, or damaged: begin anew, once
                    self._close()
                    if attempt:
                        self._broken = True
                        return None
                    self._remove()
                except OSError:
                    self._broken = True
                    return None
                else:
                    return found if isinstance(found, tuple) else None
        return None

    def _open(self) -> sqlite3.Connection:
        import sqlite3  # noqa: PLC0415 - start-up

        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=5.0, check_same_thread=False, isolation_level=None)
        try:
            # It can be made again from the files, so it need not survive a power cut.
            connection.execute("PRAGMA synchronous = OFF")
            if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("DROP TABLE IF EXISTS file")
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version = {_VERSION}")
                connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_up(self) -> None:
        import sqlite3  # noqa: PLC0415 - start-up

        self._broken = self._connection is None
        if self._connection is not None and self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _remove(self) -> None:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                Path(f"{self.path}{suffix}").unlink()


def _write(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute("COMMIT")


class _Keys:
    """Return the same as `_key`, looking at each folder once."""

    def __init__(self) -> None:
        self._folders: dict[str, bytes] = {}

    def __call__(self, path: str) -> bytes:
        folder, slash, name = path.rpartition("/")
        if not slash or not folder or name in {"", ".", ".."}:
            return _key(path)
        prefix = self._folders.get(folder)
        if prefix is None:
            prefix = self._folders[folder] = _key(folder).rstrip(b"/") + b"/"
        return prefix + os.fsencode(name)


def _key(path: str) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 - links in it are kept: the path is only a name here


def _state(status: os.stat_result) -> tuple[int, int, int, str, str]:
    # Inodes and devices can exceed SQLite's integers.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, str(status.st_ino), str(status.st_dev)
