"""Rows of the SQLite index as nodes and keys, and long lists of them in pieces that a statement can take."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lin.errors import DamagedIndexError

from . import _sqlite_statements as sql
from .graph import Edge, EdgeKind, Node, NodeId, NodeKind, Position
from .union import canonical, version_of
from .wanted import Wanted

if TYPE_CHECKING:
    from ._adjacency_file import Array
    from .adjacency import Adjacency

CHUNK = 500
"""Ids bound in one statement."""
STEP = 20_000
"""Keys in one JSON array."""
_ROOT_SIZE = 32
KINDS = {int(kind): kind for kind in NodeKind}
EDGE_KINDS = {int(kind): kind for kind in EdgeKind}


def position_of(db: sqlite3.Connection) -> Position:
    """Return how much of the log the index holds."""
    row = db.execute(sql.POSITION).fetchone()
    if row is None:
        raise DamagedIndexError("the index has lost its position", hint="`lin index rebuild` makes it anew.")
    size, frontier = row
    roots = tuple(frontier[start : start + _ROOT_SIZE] for start in range(0, len(frontier), _ROOT_SIZE))
    return Position(size, roots)


def read_node(row: Any) -> Node:
    """Read a row of `sql.NODE`."""
    _, node, kind, created, name, facets = row
    return Node(node, KINDS[kind], name, created, json.loads(facets) if facets else {})


def columns_of(node: Node) -> tuple[int, int, str | None, int | None, str | None]:
    """Return what `sql.ADD_NODE` stores beside key and id."""
    if not node.facets:
        return int(node.kind), node.created, node.name, None, None
    return int(node.kind), node.created, node.name, version_of(node), canonical(node.facets)


def number(cursor: sqlite3.Cursor) -> int:
    """Return the one number that a statement answers; 0 for nothing."""
    found: int | None = cursor.fetchone()[0]
    return found or 0


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Cut a sequence into pieces."""
    return (items[start : start + size] for start in range(0, len(items), size))


def arrays(keys: Collection[int]) -> Iterator[tuple[str]]:
    """Yield keys as JSON arrays, to be bound."""
    return ((json.dumps(some),) for some in chunks(list(keys), STEP))


def by_ids(db: sqlite3.Connection, statement: Any, ids: Iterable[bytes]) -> Iterator[Any]:
    """Yield the rows of a statement that takes a number of ids."""
    for some in chunks(list(dict.fromkeys(ids)), CHUNK):
        yield from db.execute(statement(len(some)), some)


def keys_of(db: sqlite3.Connection, ids: Iterable[NodeId]) -> dict[NodeId, int]:
    """Return the keys of the nodes that are there."""
    return {row[0]: row[1] for row in by_ids(db, sql.keys, ids)}


def rows_of(db: sqlite3.Connection, keys: Iterable[int], wanted: Wanted) -> list[Any]:
    """Read those of some nodes that are wanted, in order."""
    created, moments = created_within(wanted.since, wanted.until)
    after, limit = wanted.after, wanted.limit
    statement = sql.find(
        sql.BY_KEY + created, wanted.nodes or set(NodeKind), after=after is not None, newest_first=False
    )
    cursor = (after.created, after.id) if after is not None else ()
    # One array however long: the order is over all of them.
    some = json.dumps(list(keys))
    return db.execute(statement, (some, *moments, *cursor, -1 if limit is None else limit)).fetchall()


def page_of(db: sqlite3.Connection, adjacency: Adjacency, keys: Array, wanted: Wanted) -> list[Any]:
    """Read those of many nodes that are wanted, in order."""
    return rows_of(db, adjacency.page(keys, wanted, partial(id_of, db)), wanted)


def id_of(db: sqlite3.Connection, key: int) -> NodeId:
    """Return the id of the node with this key."""
    node: bytes = db.execute(sql.ID_OF, (key,)).fetchone()[0]
    return node


def created_within(since: int | None, until: int | None) -> tuple[str, tuple[int, ...]]:
    """Return a condition on time for `BY_KEY` and `count_by_key`, and its parameters."""
    bounds = ((sql.CREATED_SINCE, since), (sql.CREATED_UNTIL, until))
    given = [(text, moment) for text, moment in bounds if moment is not None]
    return "".join(text for text, _ in given), tuple(moment for _, moment in given)


def edge_order(edge: Edge) -> tuple[NodeId, EdgeKind, NodeId]:
    """Return where an edge stands among others."""
    return edge.source, edge.kind, edge.target
