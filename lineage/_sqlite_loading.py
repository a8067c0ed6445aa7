"""Load a whole graph into a new SQLite file, which then becomes the index.

Nothing reads the file before it is whole. So it needs no journal and no sync on the way; its secondary indexes
are made at the end, from sorted rows; and what would be looked up in it is kept in memory meanwhile: the keys of
all ids, and the edges as numbers, of which the adjacency snapshot is made without reading them again.
"""

from __future__ import annotations

import fcntl
import gc
import os
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import chain
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from lin.errors import ConflictError
from lin.store.durable import sync_path

from . import _sqlite_statements as sql
from ._sqlite_adjacency import SnapshotKeeper
from ._sqlite_file import SqliteFile, fresh_name, prepare, write_notes
from ._sqlite_rows import arrays, columns_of, number, read_node
from ._sqlite_schema import INDEXES, LOADED_PRAGMAS, LOADING_PRAGMAS, SEAL, TABLES
from ._sqlite_writing import value_rows
from .graph import Batch, EdgeKind, Node, NodeId, NodeKind, Position
from .union import merge

NODES_AT_ONCE = 20_000
ROWS_AT_ONCE = 400_000
"""Edges and events written in one go: sorted, so that each page of the tree is written once for all of them."""
_ROWS = 100
"""Rows in one statement: one call for many rows takes half the time of many calls."""
_BYTES = 300
"""Memory that a node needs here."""
_SHARE = 8
"""A load goes on while that is less than one in so many bytes of the machine's."""

_FIRST = itemgetter(0)
# Rows that are equal in this, the first column of their tree, lie together, and mostly in order anyway.


@contextmanager
def loading(file: SqliteFile, keeper: SnapshotKeeper, may: Callable[[], bool]) -> Iterator[Loading | None]:
    """Fill a new file, and let it be the index when the block ends without an error.

    One process at a time does so; others wait.

    Args:
        file: The index.
        keeper: Its snapshot.
        may: Asked once it is this process's turn.

    Yields:
        None where `may` says no.
    """
    with file.errors(), file.path.with_name(f"{file.path.name}-loading").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not may():
                yield None
                return
            _sweep(file.path)
            path = fresh_name(file.path)
            try:
                with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as db:
                    load = Loading(db)
                    yield load
                    load.write()
                    with ThreadPoolExecutor(1) as beside:
                        drawing = beside.submit(keeper.draw, path, load.ids, load.nodes, load.edges)
                        load.index()
                        drawn = drawing.result()
                    if drawn is not None:
                        db.execute(sql.NOTE_CHANGES)
                        db.execute(sql.REPLACE_TOKEN, (drawn.token, b""))
                    for statement in ("COMMIT", *LOADED_PRAGMAS):
                        db.execute(statement)
                sync_path(str(path))
                file.switch(path)
                keeper.take(drawn)
            finally:
                if os.path.realpath(file.path) != os.path.realpath(path):
                    path.unlink(missing_ok=True)
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing alone would not do: a child forked meanwhile shares the lock


class Loading:
    """A graph that is being loaded: batches are applied from position 0 on, in order, and none is read.

    Not safe to use from several threads at once.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._position = Position()
        self._keys: dict[NodeId, int] = {}
        self._fresh: dict[int, Node] = {}
        self._again: dict[int, Node] = {}
        self._plain: list[tuple[int, EdgeKind, int]] = []
        self._noted: list[tuple[int, EdgeKind, int, str | None]] = []
        self._events: list[tuple[bytes, int]] = []
        self.nodes = (array("B"), array("q"))
        self.edges = (array("i"), array("B"), array("i"))
        self._most = _memory() // _SHARE // _BYTES
        prepare(db, LOADING_PRAGMAS)
        for statement in ("BEGIN", *TABLES):
            db.execute(statement)

    def position(self) -> Position:
        """Return how much was applied."""
        return self._position

    @property
    def ids(self) -> Iterable[NodeId]:
        """The nodes' ids, in the order of their keys."""
        return self._keys

    @property
    def is_full(self) -> bool:
        """Whether what it keeps in memory becomes too much: the rest is better applied to the graph that this makes."""
        return len(self._keys) >= self._most

    def apply(self, batch: Batch, *, expected: int, position: Position) -> None:
        """Add a batch and move to `position`; what it says may repeat itself and earlier batches."""
        if self._position.size != expected:
            raise ConflictError(f"{self._position.size} events were loaded, not {expected}")
        with without_collection():
            self._add(batch)
            self._position = position
            self._flush(NODES_AT_ONCE, ROWS_AT_ONCE)

    def _add(self, batch: Batch) -> None:
        keys, fresh, again = self._keys, self._fresh, self._again
        known, plain, noted = keys.get, self._plain.append, self._noted.append
        for node in batch.nodes:
            key = known(node.id)
            if key is None:
                keys[node.id] = key = len(keys) + 1
                fresh[key] = node
            elif key in fresh:
                fresh[key] = merge(fresh[key], node)
            else:
                again[key] = merge(again.get(key, node), node)
        for edge in batch.edges:
            source = known(edge.source) or self._unseen(edge.source)
            target = known(edge.target) or self._unseen(edge.target)
            if edge.notes:
                noted((source, edge.kind, target, write_notes(edge.notes)))
            else:
                plain((source, edge.kind, target))
        self._events += batch.events

    def write(self) -> None:
        """Write what is left."""
        with without_collection():
            self._flush(1, 1)
        if len(self.edges[0]) != number(self._db.execute(sql.COUNT_EDGES)):
            # Some were said several times: what the snapshot is made of is read again.
            self.edges = (array("i"), array("B"), array("i"))
            self._note(self._db.execute(sql.ALL_EDGES).fetchall())

    def index(self) -> None:
        """Make the indexes, and mark the file as whole; the transaction stays open."""
        for statement in (*INDEXES, *SEAL):
            self._db.execute(statement)
        self._db.execute(sql.MOVE, (self._position.size, b"".join(self._position.frontier)))

    def _unseen(self, node: NodeId) -> int:
        key = self._keys[node] = len(self._keys) + 1
        self._fresh[key] = Node(node, NodeKind.UNSEEN)
        return key

    def _flush(self, nodes: int, rows: int) -> None:
        if len(self._fresh) + len(self._again) >= nodes:
            self._write_nodes()
        if len(self._plain) + len(self._noted) >= rows:
            self._write_edges()
        if len(self._events) >= rows:
            self._events.sort(key=_FIRST)
            _insert(self._db, sql.ADD_EVENT, 2, self._events)
            self._events.clear()

    def _write_nodes(self) -> None:
        kinds, moments = self.nodes
        fresh = self._fresh.values()
        kinds.extend(map(attrgetter("kind"), fresh))
        moments.extend(map(attrgetter("created"), fresh))
        _insert(self._db, sql.ADD_NODE, 7, [(key, node.id, *columns_of(node)) for key, node in self._fresh.items()])
        told = list(self._fresh.items())
        for (some,) in arrays(self._again):
            for row in self._db.execute(sql.nodes_by_key(), (some,)).fetchall():
                node = merge(read_node(row), self._again[row[0]])
                self._db.execute(sql.CHANGE_NODE, (*columns_of(node), row[0]))
                self._db.execute(sql.FORGET_VALUES, (row[0],))
                kinds[row[0] - 1], moments[row[0] - 1] = node.kind, node.created
                told.append((row[0], node))
        _insert(self._db, sql.ADD_VALUE, 5, [row for key, node in told if node.facets for row in value_rows(key, node)])
        self._fresh.clear()
        self._again.clear()

    def _write_edges(self) -> None:
        self._plain.sort(key=_FIRST)
        self._noted.sort(key=_FIRST)
        _insert(self._db, sql.ADD_PLAIN_EDGE, 3, self._plain)
        _insert(self._db, sql.ADD_EDGE, 4, self._noted)
        self._note(self._plain)
        self._note(self._noted)
        self._plain.clear()
        self._noted.clear()

    def _note(self, rows: Sequence[Any]) -> None:
        for column, values in enumerate(self.edges):
            values.extend(map(itemgetter(column), rows))


def _insert(db: sqlite3.Connection, statement: str, width: int, rows: Sequence[Any]) -> None:
    """Run an insert of one row for many rows."""
    one = f"({', '.join('?' * width)})"
    before, values, after = statement.partition(one)
    many = before + ", ".join([values] * _ROWS) + after
    whole = len(rows) - len(rows) % _ROWS
    for at in range(0, whole, _ROWS):
        db.execute(many, tuple(chain.from_iterable(rows[at : at + _ROWS])))
    db.executemany(statement, rows[whole:])


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python from looking for cycles among rows, which are very many, hold none, and are gone soon."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _sweep(path: Path) -> None:
    """Delete what processes that died left of files that were to become this index."""
    present = Path(os.path.realpath(path)).name
    for left in path.parent.glob(f"{path.name}.*"):
        if not left.name.startswith(present):
            left.unlink(missing_ok=True)


def _memory() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
