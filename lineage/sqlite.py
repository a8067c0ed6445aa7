"""The embedded engine: the graph in one SQLite file that any number of processes may use at once.

The file is in write-ahead mode: readers never wait for a writer, nor a writer for readers, and every answer
comes from one state of the file. What `apply` wrote outlives the process, however it ends; after a power cut
the file may be an earlier state of itself, and catches up with the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from lin.errors import ConflictError, DamagedIndexError

from . import _sqlite_finding as finding
from . import _sqlite_rows, leaking
from . import _sqlite_statements as sql
from ._sqlite_adjacency import SnapshotKeeper
from ._sqlite_closures import Closures
from ._sqlite_file import SqliteFile, read_notes
from ._sqlite_loading import Loading, loading
from ._sqlite_rows import EDGE_KINDS, arrays, by_ids, edge_order, keys_of, number, position_of, read_node
from ._sqlite_search import nearest
from ._sqlite_writing import write
from .graph import (
    ANYTHING,
    Batch,
    Cursor,
    Direction,
    Edge,
    EdgeKind,
    Measure,
    Node,
    NodeId,
    NodeKind,
    Position,
    Subgraph,
    Truncation,
    Within,
)
from .union import combine
from .wanted import Wanted


class SqliteGraph:
    """A graph in the SQLite file at `path`, made if it is not there.

    Safe to use from several threads at once, and from several processes each with its own.

    Raises:
        DamagedIndexError: The file is no index, is damaged, or belongs to another version of lin. Every method
            may raise it; `lin.lineage.index` replaces the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(Path(path))
        self._snapshot = SnapshotKeeper(self._file)
        self._closures = Closures(self._file, self._snapshot)

    def position(self) -> Position:
        """Return how much of the log this graph holds."""
        with self._file.reading() as db:
            return position_of(db)

    def apply(self, batch: Batch, *, expected: int, position: Position) -> None:
        """Add a batch and move to `position`, atomically; see `Graph.apply`."""
        batch = combine([batch])
        with self._file.writing() as db:
            size = position_of(db).size
            if size != expected:
                raise ConflictError(f"the index holds {size} events, not {expected}", hint="Read its position again.")
            write(db, batch, position)

    @contextmanager
    def loading(self, *, anew: bool = False) -> Iterator[Loading | None]:
        """Fill the graph from its beginning, many times faster than by `apply`.

        What is loaded goes into a file beside the present one, which others go on using, and which the new one
        replaces in one step when the block ends. If it ends with an error, nothing has changed.

        Args:
            anew: Also if the graph holds something, which is replaced.

        Yields:
            Where to apply batches from position 0 on; None if `anew` is False and the graph holds something, which
            another process may have loaded while this one waited for it to finish, or if the file system has no
            symbolic links.
        """
        if not self._file.can_switch():
            yield None
            return
        with loading(self._file, self._snapshot, lambda: anew or self.position().size == 0) as load:
            yield load

    def clear(self) -> None:
        """Remove everything, whatever state the file is in, and go back to position 0."""
        try:
            with self._file.writing() as db:
                sound = [row[0] for row in db.execute(sql.CHECK)] == ["ok"]
                for statement in sql.CLEAR if sound else ():
                    db.execute(statement)
        except DamagedIndexError:
            sound = False
        self._snapshot.forget()
        if not sound:
            self._file.recreate()

    def close(self) -> None:
        """Release the file; closing twice is no error."""
        self._file.close()

    def events(self, ids: Collection[bytes]) -> Mapping[bytes, int]:
        """Return the log position of each of these events that the graph holds."""
        with self._file.reading() as db:
            return {row[0]: row[1] for row in by_ids(db, sql.events, ids)}

    def get(self, ids: Collection[NodeId]) -> Mapping[NodeId, Node]:
        """Return the nodes that are there, by id."""
        with self._file.reading() as db:
            return {row[1]: self._node(row) for row in by_ids(db, sql.nodes, ids)}

    def find(
        self,
        *,
        kinds: Collection[NodeKind] = (),
        name: str | None = None,
        text: str | None = None,
        prefix: str | None = None,
        newest_first: bool = False,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the nodes that meet every condition; see `Graph.find`."""
        with self._file.reading() as db:
            found = finding.find(
                db,
                kinds,
                name=name,
                text=text,
                prefix=prefix,
                newest_first=newest_first,
                after=after,
                limit=limit,
            )
        return [self._node(row) for row in found]

    def count(self, *, kinds: Collection[NodeKind] = ()) -> int:
        """Count nodes of these kinds; all but `UNSEEN` when empty."""
        with self._file.reading() as db:
            return number(db.execute(sql.count(set(kinds) or finding.SEEN_KINDS)))

    def max_version(self, name: str) -> int:
        """Return the highest version among the artifacts of this name; 0 where there is none."""
        with self._file.reading() as db:
            return number(db.execute(sql.MAX_VERSION, (name,)))

    def edges(self, ids: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]) -> Sequence[Edge]:
        """Return the edges of these kinds into or out of these nodes; see `Graph.edges`."""
        if not kinds:
            return []
        with self._file.reading() as db:
            keys = keys_of(db, ids).values()
            rows = [row for some in arrays(keys) for row in db.execute(sql.edges(direction, set(kinds)), some)]
        edges = [Edge(a, EDGE_KINDS[kind], b, read_notes(notes)) for a, kind, b, notes in rows]
        return edges if len(keys) <= _sqlite_rows.STEP else sorted(edges, key=edge_order)

    def measured(
        self,
        name: str,
        within: Within = ANYTHING,
        *,
        what: Measure = Measure.METRIC,
        kinds: Collection[NodeKind] = (),
        newest_first: bool = False,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the runs and evaluations that have such a metric or parameter; see `Graph.measured`."""
        with self._file.reading() as db:
            rows = finding.measured(db, name, within, what, kinds, newest_first, after, limit)
        return [self._node(row) for row in rows]

    def measured_size(
        self, name: str, within: Within = ANYTHING, *, what: Measure = Measure.METRIC, at_most: int | None = None
    ) -> int:
        """Count what `measured` would return without a limit."""
        with self._file.reading() as db:
            return finding.measured_size(db, name, within, what, at_most)

    def closure(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        nodes: Collection[NodeKind] = (),
        depth: int | None = None,
        since: int | None = None,
        until: int | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return everything that can be reached; see `Graph.closure`."""
        wanted = Wanted(frozenset(nodes), since, until, after, limit)
        return [self._node(row) for row in self._closures.rows(start, direction, kinds, depth, wanted)]

    def closure_size(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        nodes: Collection[NodeKind] = (),
        depth: int | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> int:
        """Count what `closure` would return without a limit."""
        return self._closures.size(start, direction, kinds, depth, Wanted(frozenset(nodes), since, until))

    def closure_kinds(
        self, start: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]
    ) -> Mapping[NodeKind, int]:
        """Count what `closure` would return without a limit, by kind of node."""
        return self._closures.kinds(start, direction, kinds)

    def make_snapshot(self) -> bool:
        """Make the snapshot that far-reaching questions are answered from; tell whether it was made.

        They make it themselves when it is due; this is for whoever would rather not wait then.
        """
        return self._snapshot.make()

    def leaks(
        self,
        learning: Collection[EdgeKind],
        *,
        models: Collection[NodeId] | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the evaluations on content that their model was made from; see `Graph.leaks`."""
        rows = self._closures.leaks(learning, models, Wanted(after=after, limit=limit))
        if rows is not None:
            return [self._node(row) for row in rows]
        return leaking.leaks(self, learning, models=models, after=after, limit=limit)

    def subgraph(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        depth: int | None = None,
        max_nodes: int | None = None,
    ) -> Subgraph:
        """Return what can be reached with the edges between; see `Graph.subgraph`."""

        def answer(db: sqlite3.Connection, levels: Sequence[Collection[int]], more: bool) -> Subgraph:
            return self._subgraph(db, levels, more, direction, kinds, max_nodes)

        return self._closures.levels(start, direction, kinds, depth, answer)

    def _subgraph(  # noqa: PLR0917 - as `subgraph` names them, and what was found
        self,
        db: sqlite3.Connection,
        levels: Sequence[Collection[int]],
        more: bool,
        direction: Direction,
        kinds: Collection[EdgeKind],
        limit: int | None,
    ) -> Subgraph:
        total = sum(map(len, levels))
        distance = nearest(levels, limit)
        rows = [row for some in arrays(distance) for row in db.execute(sql.nodes_by_key(), some)]
        rows = sorted(rows, key=lambda row: (distance[row[0]], row[1]))[:limit]
        kept = {row[0]: row[1] for row in rows}
        edges = [
            Edge(kept[source], EDGE_KINDS[kind], kept[target], read_notes(notes))
            for some in arrays(kept if kinds else ())
            for source, kind, target, notes in db.execute(sql.edges_around(direction, set(kinds)), some)
            if source in kept and target in kept
        ]
        cut = Truncation.NODES if len(kept) < total else Truncation.DEPTH if more else None
        return Subgraph(
            tuple(self._node(row) for row in rows),
            tuple(sorted(edges, key=edge_order)),
            {row[1]: distance[row[0]] for row in rows},
            total,
            cut,
        )

    def path(self, source: NodeId, target: NodeId, kinds: Collection[EdgeKind]) -> Sequence[Edge] | None:
        """Return one shortest way downstream from `source` to `target`; None where there is none, () for itself."""
        if source == target:
            return []

        def answer(db: sqlite3.Connection, way: list[int] | None) -> Sequence[Edge] | None:
            if way is None:
                return None
            ids = {row[0]: row[1] for some in arrays(way) for row in db.execute(sql.nodes_by_key(), some)}
            edges = []
            for a, b in pairwise(way):
                kind, notes = db.execute(sql.hop(set(kinds)), (a, b)).fetchone()
                edges.append(Edge(ids[a], EDGE_KINDS[kind], ids[b], read_notes(notes)))
            return edges

        return self._closures.path(source, target, kinds, answer)

    def _node(self, row: Any) -> Node:
        try:
            return read_node(row)
        except (KeyError, ValueError, TypeError) as error:
            raise DamagedIndexError(
                f"the index {self._file.path} holds a node that cannot be read",
                hint="`lin index rebuild` makes it anew.",
            ) from error
