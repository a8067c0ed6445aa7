"""The SQLite engine's adjacency snapshot: when it is made, opened, and what the index adds to it.

The index notes which edges came and which nodes changed since the snapshot, under a token that both carry.
Making one takes three steps: begin to note, read a state and write the file, and let file and token change in one
transaction that also forgets what the file now holds. A crash between any of them leaves an index that is true, and
at worst a file that nobody uses.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import sys
import time
from array import array
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from lin.errors import DamagedIndexError, LinError

from . import _sqlite_statements as sql
from ._sqlite_file import SqliteFile

if TYPE_CHECKING:
    from ._adjacency_file import Array
    from .adjacency import Adjacency

WORTHWHILE = 20_000
"""Nodes from which on a snapshot is made."""
NEWER = 20_000
"""Edges and changes that may be newer than the snapshot before another is made."""
SHARE = 20
"""One in so many edges may be newer, too, where that is more."""

PATIENCE = 60.0
"""Seconds until a process tries again to make one after that failed."""

SUFFIX = "-adjacency"

Columns = tuple["array[int]", ...]


def snapshot_path(index: Path) -> Path:
    """Return where the snapshot of an index lies."""
    return index.with_name(index.name + SUFFIX)


@dataclass(frozen=True, slots=True)
class _State:
    """How much of what is newer than the snapshot a transaction sees."""

    token: bytes
    edges: int
    changes: int
    last: int

    def includes(self, other: _State) -> bool:
        return (
            self.token == other.token
            and self.edges >= other.edges
            and self.changes >= other.changes
            and self.last >= other.last
        )


@dataclass(frozen=True, slots=True)
class _View:
    state: _State
    edges: Array
    nodes: Array
    adjacency: Adjacency


@dataclass(frozen=True, slots=True)
class Drawn:
    """A snapshot that is not used yet: the token that the index must hold, and the file."""

    token: bytes
    path: Path


class SnapshotKeeper:
    """The snapshot of one index, as this process sees it; safe to use from several threads."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._path = snapshot_path(file.path)
        self._lock = Lock()
        self._view: _View | None = None
        self._useless = b""
        self._not_before = 0.0

    def opened(self, db: sqlite3.Connection) -> Adjacency | None:
        """Return the snapshot with what this transaction sees beside it, if this process has it open already."""
        view = self._view
        return None if view is None else self._follow(db, view, _state(db))

    def open(self, db: sqlite3.Connection) -> Adjacency | None:
        """Return the snapshot with what this transaction sees beside it, if there is one that can be used."""
        state = _state(db)
        if not state.token or state.token == self._useless:
            return None
        try:
            from ._adjacency_file import read, read_edges, read_nodes  # noqa: PLC0415 - 100 ms that few need
            from .adjacency import Adjacency  # noqa: PLC0415

            snapshot = read(self._path)
        except (ImportError, DamagedIndexError, OSError):
            self._useless = state.token
            return None
        if snapshot.token != state.token:
            return None
        none = _State(state.token, 0, 0, snapshot.last)
        view = _View(none, read_edges([]), read_nodes([]), Adjacency.of(snapshot, read_edges([]), read_nodes([])))
        self._keep(view)
        return self._follow(db, view, state)

    def _keep(self, view: _View) -> None:
        with self._lock:
            # Another thread may have come further meanwhile; then the next question follows from there.
            if self._view is None or not self._view.state.includes(view.state):
                self._view = view

    def _follow(self, db: sqlite3.Connection, view: _View, state: _State) -> Adjacency | None:
        if state == view.state:
            return view.adjacency
        if not state.includes(view.state):
            return None  # it belongs to another file, or this transaction is older
        import numpy as np  # noqa: PLC0415 - it is there: a snapshot was read

        from ._adjacency_file import read_edges, read_nodes  # noqa: PLC0415
        from .adjacency import Adjacency  # noqa: PLC0415

        edges = read_edges(db.execute(sql.NEWER_EDGES, (view.state.edges,)))
        changed = read_nodes(db.execute(sql.CHANGED_NODES, (view.state.changes, view.state.last)))
        nodes = read_nodes(db.execute(sql.NEWER_NODES, (view.state.last,)))
        kept = view.nodes[~np.isin(view.nodes["key"], changed["key"])]
        edges, nodes = np.concatenate([view.edges, edges]), np.concatenate([kept, changed, nodes])
        adjacency = Adjacency.of(view.adjacency.snapshot, edges, nodes)
        self._keep(_View(state, edges, nodes, adjacency))
        return adjacency

    def is_due(self, db: sqlite3.Connection) -> bool:
        """Tell whether a snapshot should be made: there is none that can be used, or much has come since."""
        state = _state(db)
        if state.last < WORTHWHILE or time.monotonic() < self._not_before or not _supported():
            return False
        view = self._view
        if view is None or view.state.token != state.token:
            return True
        return state.edges + state.changes > max(NEWER, view.adjacency.snapshot.size // SHARE)

    def make(self) -> bool:
        """Make a snapshot of the index's present state, unless someone does so already; tell whether it was made."""
        if not _supported():
            return False
        try:
            path = self._path.with_name(self._path.name + ".part")
            path.touch()
            with path.open("r+b") as part:
                try:
                    fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                if not os.path.samestat(os.fstat(part.fileno()), path.stat()):
                    return False  # whoever had the lock was done just now, and this is the file that others have mapped
                part.truncate(0)
                return self._make(part)
        except DamagedIndexError:
            raise
        except (OSError, LinError):
            self._not_before = time.monotonic() + PATIENCE
            return False  # no room, no right to write, or a busy writer: questions are answered without it

    def _make(self, part: Any) -> bool:
        from ._adjacency_file import LARGEST, make, read_edges, read_nodes, write  # noqa: PLC0415

        token = secrets.token_bytes(16)
        with self._file.writing() as db:
            db.execute(sql.NOTE_CHANGES)
        with self._file.reading() as db:
            before = _state(db)
            if before.last >= LARGEST:
                return False
            ids = bytearray()

            def rows() -> Any:
                for key, kind, created, node in db.execute(sql.ALL_NODES):
                    ids.extend(node)
                    yield key, kind, created

            nodes = read_nodes(rows())
            edges = read_edges(db.execute(sql.ALL_EDGES))
        if len(edges) >= LARGEST:
            return False
        write(make(token, nodes, bytes(ids), edges), part)
        part.flush()
        with self._file.writing() as db:
            if db.execute(sql.REPLACE_TOKEN, (token, before.token)).rowcount != 1:
                return False  # the index was emptied meanwhile
            db.execute(sql.FORGET_EDGES, (before.edges,))
            db.execute(sql.FORGET_CHANGES, (before.changes,))
            # Until the transaction ends the new file fits to nothing, and questions are answered without it.
            Path(part.name).replace(self._path)
        return True

    def draw(self, index: Path, ids: Iterable[bytes], nodes: Columns, edges: Columns) -> Drawn | None:
        """Make the snapshot of an index that is being loaded.

        Args:
            index: The file that it is loaded into.
            ids: The ids of all nodes, in the order of their keys, from 1 on.
            nodes: The kind and the moment of each of them.
            edges: The source, kind and target of each edge.

        Returns:
            What `take` takes once the index holds its token; None where none was made: the graph is small, or there
            is no NumPy.
        """
        if not len(nodes[0]) >= WORTHWHILE or not _supported():
            return None
        import numpy as np  # noqa: PLC0415 - it was looked for

        from ._adjacency_file import LARGEST, join_edges, join_nodes, make, write  # noqa: PLC0415

        if max(len(nodes[0]), len(edges[0])) >= LARGEST:
            return None
        numbered = join_nodes(np.arange(1, len(nodes[0]) + 1), *map(np.asarray, nodes))
        token = secrets.token_bytes(16)
        path = snapshot_path(index)
        with path.open("wb") as file:
            write(make(token, numbered, b"".join(ids), join_edges(*map(np.asarray, edges))), file)
        return Drawn(token, path)

    def take(self, drawn: Drawn | None) -> None:
        """Use what `draw` made from now on, or nothing."""
        self.forget()
        if drawn is not None:
            with suppress(OSError):
                drawn.path.replace(self._path)

    def forget(self) -> None:
        """Let go of the file; it belongs to nothing any more."""
        with self._lock:
            self._view, self._useless = None, b""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _supported() -> bool:
    from importlib.util import find_spec  # noqa: PLC0415

    return sys.byteorder == "little" and find_spec("numpy") is not None


def _state(db: sqlite3.Connection) -> _State:
    row = db.execute(sql.ADJACENCY_STATE).fetchone()
    if row is None or row[0] is None:
        raise DamagedIndexError("the index has lost its state", hint="`lin index rebuild` makes it anew.")
    return _State(*row)
