"""The embedded engine: the graph in one SQLite file that any number of processes may use at once.

The file is in write-ahead mode: readers never wait for a writer, nor a writer for readers, and every answer
comes from one state of the file. What is written lasts when `apply` returns (`synchronous=FULL`).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from lin.errors import ConflictError, DamagedIndexError

from . import _sqlite_statements as sql
from . import leaking
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

SMALL_CLOSURE = 5_000
"""Nodes up to which one recursive statement is faster than a search level by level."""

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
            keys = _write_nodes(db, batch)
            db.executemany(
                sql.ADD_EDGE, ((keys[e.source], int(e.kind), keys[e.target], write_notes(e.notes)) for e in batch.edges)
            )
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
        created, moments = _created(since, until)
        statement = sql.find(
            sql.BY_KEY + created, set(nodes) or set(NodeKind), after=after is not None, newest_first=False
        )
        cursor = (after.created, after.id) if after is not None else ()
        with self._file.reading() as db:
            # One array however long: the order is over all of them.
            reached = json.dumps(list(_reach(db, _keys(db, start).values(), direction, kinds, depth)))
            rows = db.execute(statement, (reached, *moments, *cursor, -1 if limit is None else limit)).fetchall()
        return [self._node(row) for row in rows]

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
        with self._file.reading() as db:
            reached = _reach(db, _keys(db, start).values(), direction, kinds, depth)
            if not nodes and not created:
                return len(reached)
            statement = sql.count_by_key(set(nodes) or set(NodeKind)) + created
            return sum(_number(db.execute(statement, (*some, *moments))) for some in _arrays(reached))

    def closure_kinds(
        self, start: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]
    ) -> Mapping[NodeKind, int]:
        """Count what `closure` would return without a limit, by kind of node."""
        counts: Counter[NodeKind] = Counter()
        with self._file.reading() as db:
            for some in _arrays(_reach(db, _keys(db, start).values(), direction, kinds)):
                for kind, count in db.execute(sql.count_kinds_by_key(), some):
                    counts[_KINDS[kind]] += count
        return counts

    def leaks(
        self,
        learning: Collection[EdgeKind],
        *,
        models: Collection[NodeId] | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the evaluations on content that their model was made from; see `Graph.leaks`."""
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
        with self._file.reading() as db:
            distance: dict[int, int] = {}
            level = set(_keys(db, start).values())
            hops = 0
            while level and (depth is None or hops <= depth):
                distance.update(dict.fromkeys(level, hops))
                level = _step(db, level, direction, kinds) - distance.keys()
                hops += 1
            rows = _nearest(db, distance, max_nodes)
            kept = {row[0]: row[1] for row in rows}
            edges = [
                Edge(kept[source], _EDGE_KINDS[kind], kept[target], read_notes(notes))
                for some in _arrays(kept if kinds else ())
                for source, kind, target, notes in db.execute(sql.edges_around(direction, set(kinds)), some)
                if source in kept and target in kept
            ]
        cut = Truncation.NODES if len(kept) < len(distance) else Truncation.DEPTH if level else None
        return Subgraph(
            tuple(self._node(row) for row in rows),
            tuple(sorted(edges, key=_edge_order)),
            {row[1]: distance[row[0]] for row in rows},
            len(distance),
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


def _write_nodes(db: sqlite3.Connection, batch: Batch) -> dict[NodeId, int]:
    """Merge a batch's nodes into those that are there; return the keys of all nodes it names."""
    named = dict.fromkeys(node.id for node in batch.nodes)
    named.update(dict.fromkeys(end for edge in batch.edges for end in (edge.source, edge.target)))
    there = {row[1]: row for row in _by_ids(db, sql.nodes, named)}
    keys = {node: row[0] for node, row in there.items()}
    fresh: dict[NodeId, Node] = {node: Node(node, NodeKind.UNSEEN) for node in named if node not in there}
    changed: list[tuple[Any, ...]] = []
    told: list[tuple[int, Node]] = []
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
    last = _number(db.execute(sql.LAST_KEY))
    keys.update((node, key) for key, node in enumerate(fresh, last + 1))
    db.executemany(sql.ADD_NODE, ((keys[node.id], node.id, *_columns(node)) for node in fresh.values()))
    db.executemany(sql.CHANGE_NODE, changed)
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


def _created(since: int | None, until: int | None) -> tuple[str, tuple[int, ...]]:
    bounds = ((sql.CREATED_SINCE, since), (sql.CREATED_UNTIL, until))
    given = [(text, moment) for text, moment in bounds if moment is not None]
    return "".join(text for text, _ in given), tuple(moment for _, moment in given)


def _reach(
    db: sqlite3.Connection,
    start: Collection[int],
    direction: Direction,
    kinds: Collection[EdgeKind],
    depth: int | None = None,
) -> set[int]:
    if not kinds or (depth is not None and depth <= 0):
        return set()
    if depth is not None:
        # Level by level, as a depth beside the key would make every visit a new row.
        reached = level = _step(db, start, direction, kinds)
        while level and (depth := depth - 1):
            level = _step(db, level, direction, kinds) - reached
            reached = reached | level
        return reached
    statement = sql.reach(direction, set(kinds))
    some = json.dumps(list(start))
    reached = {row[0] for row in db.execute(statement, (some, SMALL_CLOSURE))}
    if len(reached) < SMALL_CLOSURE:
        return reached
    reached = level = _step(db, start, direction, kinds)
    while level:
        level = _step(db, level, direction, kinds) - reached
        reached = reached | level
    return reached


def _nearest(db: sqlite3.Connection, distance: Mapping[int, int], limit: int | None) -> list[Any]:
    """Return the rows of the nearest nodes, in the order of (distance, id)."""
    if limit is None or limit >= len(distance):
        wanted: Collection[int] = distance
    else:
        # Whole levels only, up to the one in which the limit falls.
        by_level = sorted(distance, key=distance.__getitem__)
        last = distance[by_level[limit - 1]] if limit > 0 else -1
        wanted = [key for key in by_level if distance[key] <= last]
    rows = [row for some in _arrays(wanted) for row in db.execute(sql.nodes_by_key(), some)]
    return sorted(rows, key=lambda row: (distance[row[0]], row[1]))[:limit]


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
