"""The embedded engine: the graph in one SQLite file that any number of processes may use at once.

The file is in write-ahead mode: readers never wait for a writer, nor a writer for readers, and every answer
comes from one state of the file. What is written lasts when `apply` returns (`synchronous=FULL`).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lin.errors import ConflictError, DamagedIndexError

from . import _sqlite_statements as sql
from . import leaking
from ._sqlite_adjacency import SnapshotKeeper
from ._sqlite_file import SqliteFile, read_notes, write_notes
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
    ascii_lower,
)
from .measures import values_of
from .union import canonical, combine, merge, version_of
from .wanted import Wanted

if TYPE_CHECKING:
    from ._adjacency_file import Array
    from .adjacency import Adjacency

T = TypeVar("T")

SMALL_CLOSURE = 5_000
"""Nodes up to which one recursive statement is faster than a search level by level."""

FEW_MODELS = 50
"""Models up to which leaks are looked for one by one."""

_CHUNK = 500
"""Ids bound in one statement."""
_STEP = 20_000
"""Keys in one JSON array."""
_ROOT_SIZE = 32
_HEX_DIGITS = 64
_KINDS = {int(kind): kind for kind in NodeKind}
_EDGE_KINDS = {int(kind): kind for kind in EdgeKind}
_SEEN_KINDS = frozenset(NodeKind) - {NodeKind.UNSEEN}


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

    def position(self) -> Position:
        """Return how much of the log this graph holds."""
        with self._file.reading() as db:
            return _position(db)

    def apply(self, batch: Batch, *, expected: int, position: Position) -> None:
        """Add a batch and move to `position`, atomically and durably; see `Graph.apply`."""
        batch = combine([batch])
        with self._file.writing() as db:
            size = _position(db).size
            if size != expected:
                raise ConflictError(f"the index holds {size} events, not {expected}", hint="Read its position again.")
            noting = bool(_number(db.execute(sql.IS_NOTING)))
            keys = _write_nodes(db, batch, noting=noting)
            # In the order of the table, so that neighbours in it are written one after the other.
            edges = sorted((keys[e.source], int(e.kind), keys[e.target], write_notes(e.notes)) for e in batch.edges)
            db.executemany(sql.ADD_EDGE, edges)
            if noting:
                db.executemany(sql.NOTE_EDGE, (edge[:3] for edge in edges))
            db.executemany(sql.ADD_EVENT, batch.events)
            db.execute(sql.MOVE, (position.size, b"".join(position.frontier)))

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
            return {row[0]: row[1] for row in _by_ids(db, sql.events, ids)}

    def get(self, ids: Collection[NodeId]) -> Mapping[NodeId, Node]:
        """Return the nodes that are there, by id."""
        with self._file.reading() as db:
            return {row[1]: self._node(row) for row in _by_ids(db, sql.nodes, ids)}

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
        wanted = set(kinds) or _SEEN_KINDS

        def rows(where: str, some: Collection[NodeKind], parameters: Sequence[Any]) -> Iterator[Any]:
            statement = sql.find(where, some, after=after is not None, newest_first=newest_first)
            cursor = (after.created, after.id) if after is not None else ()
            return db.execute(statement, (*parameters, *cursor, -1 if limit is None else limit))

        found: list[Any] = []
        with self._file.reading() as db:
            if prefix:
                bounds = _bounds(prefix)
                if bounds is None:
                    return []
                # Few ids share a prefix, so the other conditions are looked at one by one.
                statement = sql.find(sql.BY_PREFIX, wanted, after=after is not None, newest_first=newest_first)
                cursor = (after.created, after.id) if after is not None else ()
                ordered = db.execute(statement, (*bounds, *cursor, -1))
                found = [row for row in ordered if _named(row[4], name, text)]
            elif name is not None or text is not None:
                names = [name] if name is not None else [row[0] for row in db.execute(sql.NAMES)]
                names = [one for one in names if _named(one, name, text)]
                for some in _chunks(names, _CHUNK):
                    found += rows(sql.by_name(len(some)), wanted, some)
            else:
                for kind in wanted:
                    found += rows(sql.BY_KIND, {kind}, ())
        found.sort(key=lambda row: (row[3], row[1]), reverse=newest_first)
        return [self._node(row) for row in found[:limit]]

    def count(self, *, kinds: Collection[NodeKind] = ()) -> int:
        """Count nodes of these kinds; all but `UNSEEN` when empty."""
        with self._file.reading() as db:
            return _number(db.execute(sql.count(set(kinds) or _SEEN_KINDS)))

    def max_version(self, name: str) -> int:
        """Return the highest version among the artifacts of this name; 0 where there is none."""
        with self._file.reading() as db:
            return _number(db.execute(sql.MAX_VERSION, (name,)))

    def edges(self, ids: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]) -> Sequence[Edge]:
        """Return the edges of these kinds into or out of these nodes; see `Graph.edges`."""
        if not kinds:
            return []
        with self._file.reading() as db:
            keys = _keys(db, ids).values()
            rows = [row for some in _arrays(keys) for row in db.execute(sql.edges(direction, set(kinds)), some)]
        edges = [Edge(a, _EDGE_KINDS[kind], b, read_notes(notes)) for a, kind, b, notes in rows]
        return edges if len(keys) <= _STEP else sorted(edges, key=_edge_order)

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
        where, bounds = sql.by_value(within)
        statement = sql.find(where, set(kinds) or set(NodeKind), after=after is not None, newest_first=newest_first)
        cursor = (after.created, after.id) if after is not None else ()
        parameters = (int(what), name, *bounds, *cursor, -1 if limit is None else limit)
        with self._file.reading() as db:
            rows = db.execute(statement, parameters).fetchall()
        return [self._node(row) for row in rows]

    def measured_size(
        self, name: str, within: Within = ANYTHING, *, what: Measure = Measure.METRIC, at_most: int | None = None
    ) -> int:
        """Count what `measured` would return without a limit."""
        where, bounds = sql.count_by_value(within)
        with self._file.reading() as db:
            return _number(db.execute(where, (int(what), name, *bounds, -1 if at_most is None else at_most)))

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

        def few(db: sqlite3.Connection, reached: Collection[int]) -> list[Any]:
            return _rows(db, reached, wanted)

        def many(db: sqlite3.Connection, adjacency: Adjacency, keys: Collection[int]) -> list[Any]:
            if direction is Direction.DOWN and depth is None:
                first = adjacency.first(keys, kinds, wanted, partial(_id_of, db))
                if first is not None:
                    return _rows(db, first, wanted)
            return _page(db, adjacency, adjacency.reach(keys, direction, kinds, depth), wanted)

        return [self._node(row) for row in self._search(start, direction, kinds, depth, few, many)]

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
        created, moments = _created(since, until)
        statement = sql.count_by_key(set(nodes) or set(NodeKind)) + created

        def few(db: sqlite3.Connection, reached: Collection[int]) -> int:
            if not nodes and not created:
                return len(reached)
            return sum(_number(db.execute(statement, (*some, *moments))) for some in _arrays(reached))

        def many(db: sqlite3.Connection, adjacency: Adjacency, keys: Collection[int]) -> int:  # noqa: ARG001 - as `few`
            reached = adjacency.reach(keys, direction, kinds, depth)
            return len(adjacency.those(reached, Wanted(frozenset(nodes), since, until)))

        return self._search(start, direction, kinds, depth, few, many)

    def closure_kinds(
        self, start: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]
    ) -> Mapping[NodeKind, int]:
        """Count what `closure` would return without a limit, by kind of node."""

        def few(db: sqlite3.Connection, reached: Collection[int]) -> Mapping[NodeKind, int]:
            counts: Counter[NodeKind] = Counter()
            for some in _arrays(reached):
                for kind, count in db.execute(sql.count_kinds_by_key(), some):
                    counts[_KINDS[kind]] += count
            return counts

        def many(db: sqlite3.Connection, adjacency: Adjacency, keys: Collection[int]) -> Mapping[NodeKind, int]:  # noqa: ARG001 - as `few`
            counts = adjacency.count_kinds(adjacency.reach(keys, direction, kinds))
            return {_KINDS[kind]: count for kind, count in counts.items()}

        return self._search(start, direction, kinds, None, few, many)

    def _search(  # noqa: PLR0917 - as `closure` names them, and two ways to answer
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        depth: int | None,
        few: Callable[[sqlite3.Connection, Collection[int]], T],
        many: Callable[[sqlite3.Connection, Adjacency, Collection[int]], T],
    ) -> T:
        """Answer from a closure: small ones are found by the index itself, large ones over its snapshot.

        Args:
            start: Where it begins.
            direction: Which way.
            kinds: Along these edges.
            depth: So many edges at most.
            few: Answer, given the keys of all that can be reached.
            many: Answer, given the snapshot and the keys of the start.
        """
        for may_make in (True, False):
            with self._file.reading() as db:
                keys = list(_keys(db, start).values())
                adjacency = self._snapshot.opened(db) if kinds else None
                if adjacency is None:
                    reached = _reach_some(db, keys, direction, kinds, depth)
                    if reached is not None:
                        return few(db, reached)
                    adjacency = self._snapshot.open(db)
                due = may_make and self._snapshot.is_due(db)
                if adjacency is not None and not due:
                    return many(db, adjacency, keys)
                if not due:
                    return few(db, _reach(db, keys, direction, kinds, depth))
            self._snapshot.make()
        raise AssertionError  # pragma: no cover - the second round returns

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
        for may_make in (True, False) if models is None or len(models) > FEW_MODELS else ():
            with self._file.reading() as db:
                adjacency = self._snapshot.opened(db) or self._snapshot.open(db)
                due = may_make and self._snapshot.is_due(db)
                if adjacency is not None and not due:
                    from ._leak_search import leaking as find  # noqa: PLC0415 - it needs NumPy

                    found = find(adjacency, learning, None if models is None else _keys(db, models).values())
                    if found is not None:
                        wanted = Wanted(after=after, limit=limit)
                        return [self._node(row) for row in _page(db, adjacency, found, wanted)]
                if not due:
                    break
            self._snapshot.make()
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
        for may_make in (True, False):
            with self._file.reading() as db:
                keys = set(_keys(db, start).values())
                found = None
                adjacency = self._snapshot.opened(db) if kinds else None
                if adjacency is None:
                    found = _take(keys, _levels(db, keys, direction, kinds, seen=keys), depth, SMALL_CLOSURE)
                    adjacency = None if found else self._snapshot.open(db)
                if found is None and may_make and self._snapshot.is_due(db):
                    pass
                else:
                    if adjacency is not None:
                        found = _take(keys, adjacency.levels(keys, direction, kinds, closed=True), depth)
                    elif found is None:
                        found = _take(keys, _levels(db, keys, direction, kinds, seen=keys), depth)
                    assert found is not None  # noqa: S101 - without a limit
                    return self._subgraph(db, *found, direction, kinds, max_nodes)
            self._snapshot.make()
        raise AssertionError  # pragma: no cover - the second round returns

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
        distance = _nearest(levels, limit)
        rows = [row for some in _arrays(distance) for row in db.execute(sql.nodes_by_key(), some)]
        rows = sorted(rows, key=lambda row: (distance[row[0]], row[1]))[:limit]
        kept = {row[0]: row[1] for row in rows}
        edges = [
            Edge(kept[source], _EDGE_KINDS[kind], kept[target], read_notes(notes))
            for some in _arrays(kept if kinds else ())
            for source, kind, target, notes in db.execute(sql.edges_around(direction, set(kinds)), some)
            if source in kept and target in kept
        ]
        cut = Truncation.NODES if len(kept) < total else Truncation.DEPTH if more else None
        return Subgraph(
            tuple(self._node(row) for row in rows),
            tuple(sorted(edges, key=_edge_order)),
            {row[1]: distance[row[0]] for row in rows},
            total,
            cut,
        )

    def path(self, source: NodeId, target: NodeId, kinds: Collection[EdgeKind]) -> Sequence[Edge] | None:
        """Return one shortest way downstream from `source` to `target`; None where there is none, () for itself."""
        if source == target:
            return []
        with self._file.reading() as db:
            keys = _keys(db, (source, target))
            if len(keys) < 2 or not kinds:  # noqa: PLR2004 - both ends
                return None
            way = _shortest(db, keys[source], keys[target], kinds)
            if way is None:
                return None
            ids = {row[0]: row[1] for some in _arrays(way) for row in db.execute(sql.nodes_by_key(), some)}
            edges = []
            for a, b in pairwise(way):
                kind, notes = db.execute(sql.hop(set(kinds)), (a, b)).fetchone()
                edges.append(Edge(ids[a], _EDGE_KINDS[kind], ids[b], read_notes(notes)))
        return edges

    def _node(self, row: Any) -> Node:
        try:
            return _read(row)
        except (KeyError, ValueError, TypeError) as error:
            raise DamagedIndexError(
                f"the index {self._file.path} holds a node that cannot be read",
                hint="`lin index rebuild` makes it anew.",
            ) from error


# ---------------------------------------------------------------------------- writing


def _write_nodes(db: sqlite3.Connection, batch: Batch, *, noting: bool) -> dict[NodeId, int]:
    """Merge a batch's nodes into those that are there; return the keys of all nodes it names."""
    named = dict.fromkeys(node.id for node in batch.nodes)
    named.update(dict.fromkeys(end for edge in batch.edges for end in (edge.source, edge.target)))
    there = {row[1]: row for row in _by_ids(db, sql.nodes, named)}
    keys = {node: row[0] for node, row in there.items()}
    fresh: dict[NodeId, Node] = {node: Node(node, NodeKind.UNSEEN) for node in named if node not in there}
    changed: list[tuple[Any, ...]] = []
    told: list[tuple[int, Node]] = []
    moved: list[tuple[int]] = []
    for node in batch.nodes:
        row = there.get(node.id)
        if row is None:
            fresh[node.id] = node
            continue
        merged = merge(_read(row), node)
        columns = _columns(merged)
        if columns[0:3] != row[2:5] or columns[4] != row[5]:
            changed.append((*columns, row[0]))
            told.append((row[0], merged))
            if columns[0:2] != row[2:4]:
                moved.append((row[0],))
    last = _number(db.execute(sql.LAST_KEY))
    keys.update((node, key) for key, node in enumerate(fresh, last + 1))
    db.executemany(sql.ADD_NODE, ((keys[node.id], node.id, *_columns(node)) for node in fresh.values()))
    db.executemany(sql.CHANGE_NODE, changed)
    if noting:
        db.executemany(sql.NOTE_NODE, moved)
    db.executemany(sql.FORGET_VALUES, ((key,) for key, _ in told))
    told += ((keys[node.id], node) for node in fresh.values())
    db.executemany(
        sql.ADD_VALUE,
        ((key, int(what), name, *sql.stored(v)) for key, node in told for what, name, v in values_of(node)),
    )
    return keys


def _columns(node: Node) -> tuple[int, int, str | None, int | None, str | None]:
    facets = canonical(node.facets) if node.facets else None
    return int(node.kind), node.created, node.name, version_of(node), facets


# ---------------------------------------------------------------------------- reading


def _position(db: sqlite3.Connection) -> Position:
    row = db.execute(sql.POSITION).fetchone()
    if row is None:
        raise DamagedIndexError("the index has lost its position", hint="`lin index rebuild` makes it anew.")
    size, frontier = row
    roots = tuple(frontier[start : start + _ROOT_SIZE] for start in range(0, len(frontier), _ROOT_SIZE))
    return Position(size, roots)


def _read(row: Any) -> Node:
    _, node, kind, created, name, facets = row
    return Node(node, _KINDS[kind], name, created, json.loads(facets) if facets else {})


def _number(cursor: sqlite3.Cursor) -> int:
    number: int | None = cursor.fetchone()[0]
    return number or 0


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _arrays(keys: Collection[int]) -> Iterator[tuple[str]]:
    return ((json.dumps(some),) for some in _chunks(list(keys), _STEP))


def _by_ids(db: sqlite3.Connection, statement: Any, ids: Iterable[bytes]) -> Iterator[Any]:
    for some in _chunks(list(dict.fromkeys(ids)), _CHUNK):
        yield from db.execute(statement(len(some)), some)


def _keys(db: sqlite3.Connection, ids: Iterable[NodeId]) -> dict[NodeId, int]:
    return {row[0]: row[1] for row in _by_ids(db, sql.keys, ids)}


def _step(
    db: sqlite3.Connection, level: Collection[int], direction: Direction, kinds: Collection[EdgeKind]
) -> set[int]:
    if not kinds:
        return set()
    statement = sql.step(direction, set(kinds))
    return {row[0] for some in _arrays(level) for row in db.execute(statement, some)}


def _rows(db: sqlite3.Connection, keys: Iterable[int], wanted: Wanted) -> list[Any]:
    """Read those of some nodes that are wanted, in order."""
    created, moments = _created(wanted.since, wanted.until)
    after, limit = wanted.after, wanted.limit
    statement = sql.find(
        sql.BY_KEY + created, wanted.nodes or set(NodeKind), after=after is not None, newest_first=False
    )
    cursor = (after.created, after.id) if after is not None else ()
    # One array however long: the order is over all of them.
    some = json.dumps(list(keys))
    return db.execute(statement, (some, *moments, *cursor, -1 if limit is None else limit)).fetchall()


def _page(db: sqlite3.Connection, adjacency: Adjacency, keys: Array, wanted: Wanted) -> list[Any]:
    return _rows(db, adjacency.page(keys, wanted, partial(_id_of, db)), wanted)


def _id_of(db: sqlite3.Connection, key: int) -> NodeId:
    node: bytes = db.execute(sql.ID_OF, (key,)).fetchone()[0]
    return node


def _created(since: int | None, until: int | None) -> tuple[str, tuple[int, ...]]:
    bounds = ((sql.CREATED_SINCE, since), (sql.CREATED_UNTIL, until))
    given = [(text, moment) for text, moment in bounds if moment is not None]
    return "".join(text for text, _ in given), tuple(moment for _, moment in given)


def _reach_some(
    db: sqlite3.Connection,
    start: Collection[int],
    direction: Direction,
    kinds: Collection[EdgeKind],
    depth: int | None,
) -> set[int] | None:
    """Return what can be reached; None if that is more than `SMALL_CLOSURE`."""
    if not kinds or (depth is not None and depth <= 0):
        return set()
    if depth is None:
        some = json.dumps(list(start))
        reached = {row[0] for row in db.execute(sql.reach(direction, set(kinds)), (some, SMALL_CLOSURE))}
        return reached if len(reached) < SMALL_CLOSURE else None
    reached = set()
    # Level by level, as a depth beside the key would make every visit a new row.
    for level in _levels(db, start, direction, kinds):
        reached |= level
        depth -= 1
        if depth == 0:
            return reached
        if len(reached) >= SMALL_CLOSURE:
            return None
    return reached


def _reach(
    db: sqlite3.Connection,
    start: Collection[int],
    direction: Direction,
    kinds: Collection[EdgeKind],
    depth: int | None,
) -> set[int]:
    """Return what can be reached, level by level."""
    reached: set[int] = set()
    if depth is None or depth > 0:
        for hops, level in enumerate(_levels(db, start, direction, kinds), 1):
            reached |= level
            if hops == depth:
                break
    return reached


def _levels(
    db: sqlite3.Connection,
    start: Collection[int],
    direction: Direction,
    kinds: Collection[EdgeKind],
    seen: Collection[int] = (),
) -> Iterator[set[int]]:
    """Yield what is at distance 1, 2, …, each key once, until there is no more; none that were seen before."""
    known = set(seen)
    level = _step(db, start, direction, kinds) - known
    while level:
        yield level
        known |= level
        level = _step(db, level, direction, kinds) - known


def _take(
    start: Collection[int], following: Iterator[Collection[int]], depth: int | None, at_most: int | None = None
) -> tuple[list[Collection[int]], bool] | None:
    """Return a start and the levels that follow it up to a depth, and whether there are more.

    None if they hold more than `at_most` keys together.
    """
    levels: list[Collection[int]] = []
    level, total = start, 0
    while len(level) and (depth is None or len(levels) <= depth):
        levels.append(level)
        total += len(level)
        if at_most is not None and total > at_most:
            return None
        level = next(following, ())
    return levels, len(level) > 0


def _nearest(levels: Iterable[Collection[int]], limit: int | None) -> dict[int, int]:
    """Return the distances of all keys in the first levels: whole ones, up to that in which the limit falls."""
    distance: dict[int, int] = {}
    for hops, level in enumerate(levels):
        if limit is not None and len(distance) >= limit:
            break
        distance.update(dict.fromkeys(map(int, level), hops))
    return distance


def _shortest(db: sqlite3.Connection, source: int, target: int, kinds: Collection[EdgeKind]) -> list[int] | None:
    """Search from both ends, a whole level of the smaller side at a time, until the sides meet."""
    came: dict[Direction, dict[int, int | None]] = {Direction.DOWN: {source: None}, Direction.UP: {target: None}}
    levels: dict[Direction, list[int]] = {Direction.DOWN: [source], Direction.UP: [target]}
    while all(levels.values()):
        direction = min(levels, key=lambda side: len(levels[side]))
        here, other = came[direction], came[Direction.UP if direction is Direction.DOWN else Direction.DOWN]
        following: list[int] = []
        for some in _arrays(levels[direction]):
            for near, far in db.execute(sql.parents(direction, set(kinds)), some):
                if far not in here:
                    here[far] = near
                    following.append(far)
        levels[direction] = following
        meeting = next((key for key in following if key in other), None)
        if meeting is not None:
            return [*reversed(_back(came[Direction.DOWN], meeting)), *_back(came[Direction.UP], meeting)[1:]]
    return None


def _back(came: Mapping[int, int | None], key: int | None) -> list[int]:
    way = []
    while key is not None:
        way.append(key)
        key = came[key]
    return way


def _named(candidate: str | None, name: str | None, text: str | None) -> bool:
    if name is None and text is None:
        return True
    if candidate is None or (name is not None and candidate != name):
        return False
    return text is None or ascii_lower(text) in ascii_lower(candidate)


def _bounds(prefix: str) -> tuple[bytes, bytes] | None:
    """Return the lowest and the highest id that start with these hex digits; None where no id can."""
    missing = _HEX_DIGITS - len(prefix)
    if missing < 0 or not all(digit in "0123456789abcdefABCDEF" for digit in prefix):
        return None
    return bytes.fromhex(prefix + "0" * missing), bytes.fromhex(prefix + "f" * missing)


def _edge_order(edge: Edge) -> tuple[NodeId, EdgeKind, NodeId]:
    return edge.source, edge.kind, edge.target
