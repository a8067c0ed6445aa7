"""Write a batch into the SQLite index, merged with what is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from . import _sqlite_statements as sql
from ._sqlite_file import write_notes
from ._sqlite_rows import by_ids, columns_of, number, read_node
from .graph import Batch, Node, NodeId, NodeKind, Position
from .measures import values_of
from .union import merge


def write(db: sqlite3.Connection, batch: Batch, position: Position) -> None:
    """Add a batch, in which each node and edge occurs once, and move to `position`."""
    noting = bool(number(db.execute(sql.IS_NOTING)))
    keys = _write_nodes(db, batch, noting=noting)
    # In the order of the table, so that neighbours in it are written one after the other.
    edges = sorted((keys[e.source], int(e.kind), keys[e.target], write_notes(e.notes)) for e in batch.edges)
    db.executemany(sql.ADD_EDGE, edges)
    if noting:
        db.executemany(sql.NOTE_EDGE, (edge[:3] for edge in edges))
    db.executemany(sql.ADD_EVENT, batch.events)
    db.execute(sql.MOVE, (position.size, b"".join(position.frontier)))


def _write_nodes(db: sqlite3.Connection, batch: Batch, *, noting: bool) -> dict[NodeId, int]:
    """Merge a batch's nodes into those that are there; return the keys of all nodes it names."""
    named = dict.fromkeys(node.id for node in batch.nodes)
    named.update(dict.fromkeys(end for edge in batch.edges for end in (edge.source, edge.target)))
    there = {row[1]: row for row in by_ids(db, sql.nodes, named)}
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
        merged = merge(read_node(row), node)
        columns = columns_of(merged)
        if columns[0:3] != row[2:5] or columns[4] != row[5]:
            changed.append((*columns, row[0]))
            told.append((row[0], merged))
            if columns[0:2] != row[2:4]:
                moved.append((row[0],))
    last = number(db.execute(sql.LAST_KEY))
    keys.update((node, key) for key, node in enumerate(fresh, last + 1))
    db.executemany(sql.ADD_NODE, ((keys[node.id], node.id, *columns_of(node)) for node in fresh.values()))
    db.executemany(sql.CHANGE_NODE, changed)
    if noting:
        db.executemany(sql.NOTE_NODE, moved)
    db.executemany(sql.FORGET_VALUES, ((key,) for key, _ in told))
    told += ((keys[node.id], node) for node in fresh.values())
    db.executemany(sql.ADD_VALUE, (row for key, node in told for row in value_rows(key, node)))
    return keys


def value_rows(key: int, node: Node) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a node's metrics and parameters."""
    return ((key, int(what), name, *sql.stored(value)) for what, name, value in values_of(node))
