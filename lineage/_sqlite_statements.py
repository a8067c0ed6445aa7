# ruff: noqa: S608 - only numbers of kinds and question marks are put into the text
"""The SQLite engine's statements, each safe by construction.

Three rules, each against a plan that explodes (`docs/graph.md` has the figures):

- Recursion is `UNION` of the bare key: never `UNION ALL`, never with a depth or a path beside it.
- A filter on an edge's kind names two tables, `(e.kind + 0*r.k) IN (…)`: as a filter on the edge table alone
  it makes SQLite build a Bloom filter over that whole table once it has statistics.
- `CROSS JOIN` and `INDEXED BY` fix the order of the tables and the indexes, whatever the statistics say.

Numbers of kinds are written into the text, everything else is bound.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .events import plain_number
from .graph import Direction, EdgeKind, NodeKind, Value, Within
from .measures import is_number
from .union import canonical

NODE = "n.k, n.id, n.kind, n.created, n.name, n.facets"
FEW_KINDS = 3
"""Up to so many kinds, looking each up in the index beats reading all edges of a node."""

POSITION = "SELECT size, frontier FROM meta WHERE one = 1"
MOVE = "UPDATE meta SET size = ?, frontier = ? WHERE one = 1"
LAST_KEY = "SELECT coalesce(max(k), 0) FROM node"
ADD_NODE = "INSERT INTO node(k, id, kind, created, name, version, facets) VALUES (?, ?, ?, ?, ?, ?, ?)"
CHANGE_NODE = "UPDATE node SET kind = ?, created = ?, name = ?, version = ?, facets = ? WHERE k = ?"
ADD_EDGE = """
INSERT INTO edge(src, kind, dst, notes) VALUES (?, ?, ?, ?)
ON CONFLICT(src, kind, dst) DO UPDATE SET notes = union_notes(notes, excluded.notes)
WHERE notes IS NOT excluded.notes AND excluded.notes IS NOT NULL
"""
ADD_PLAIN_EDGE = "INSERT OR IGNORE INTO edge(src, kind, dst) VALUES (?, ?, ?)"
COUNT_EDGES = "SELECT count(*) FROM edge"
ADD_EVENT = """
INSERT INTO event(id, position) VALUES (?, ?)
ON CONFLICT(id) DO UPDATE SET position = excluded.position WHERE excluded.position < position
"""
FORGET_VALUES = "DELETE FROM value WHERE k = ?"
ADD_VALUE = "INSERT INTO value(k, what, name, number, text) VALUES (?, ?, ?, ?, ?)"
CHECK = "PRAGMA quick_check(1)"
CLEAR = (
    "DELETE FROM node",
    "DELETE FROM edge",
    "DELETE FROM value",
    "DELETE FROM event",
    "DELETE FROM newer_edge",
    "DELETE FROM changed_node",
    "INSERT OR REPLACE INTO adjacency VALUES (1, x'', 0)",
    "INSERT OR REPLACE INTO meta VALUES (1, 0, x'')",
)
ADJACENCY_STATE = """
SELECT a.token, (SELECT coalesce(max(n), 0) FROM newer_edge), (SELECT coalesce(max(n), 0) FROM changed_node),
  (SELECT coalesce(max(k), 0) FROM node)
FROM adjacency AS a WHERE a.one = 1
"""
IS_NOTING = "SELECT noting FROM adjacency WHERE one = 1"
NOTE_EDGE = "INSERT INTO newer_edge(src, kind, dst) VALUES (?, ?, ?)"
NOTE_NODE = "INSERT INTO changed_node(k) VALUES (?)"
NOTE_CHANGES = "UPDATE adjacency SET noting = 1 WHERE one = 1"
REPLACE_TOKEN = "UPDATE adjacency SET token = ? WHERE one = 1 AND token = ? AND noting = 1"  # noqa: S105 - no password
FORGET_EDGES = "DELETE FROM newer_edge WHERE n <= ?"
FORGET_CHANGES = "DELETE FROM changed_node WHERE n <= ?"
NEWER_EDGES = "SELECT src, kind, dst FROM newer_edge WHERE n > ?"
NEWER_NODES = "SELECT k, kind, created FROM node WHERE k > ?"
# Those beyond the second parameter are among the newer ones anyway.
CHANGED_NODES = """
SELECT DISTINCT n.k, n.kind, n.created FROM changed_node AS c CROSS JOIN node AS n ON n.k = c.k
WHERE c.n > ? AND c.k <= ?
"""
ALL_NODES = "SELECT k, kind, created, id FROM node"
ALL_EDGES = "SELECT src, kind, dst FROM edge"
ID_OF = "SELECT id FROM node WHERE k = ?"
MAX_VERSION = "SELECT max(version) FROM node INDEXED BY node_version WHERE name = ? AND version IS NOT NULL"

# From one name to the next through the index: as many steps as there are different names.
NAMES = """
WITH RECURSIVE distinct_name(name) AS (
  SELECT min(n.name) FROM node AS n INDEXED BY node_name WHERE n.name IS NOT NULL
  UNION ALL
  SELECT (SELECT min(n.name) FROM node AS n INDEXED BY node_name WHERE n.name > d.name)
  FROM distinct_name AS d WHERE d.name IS NOT NULL
)
SELECT name FROM distinct_name WHERE name IS NOT NULL
"""

# (`created`, `id`) after a cursor, in either order; the parameters are its two parts.
ORDER = {False: "ORDER BY n.created, n.id", True: "ORDER BY n.created DESC, n.id DESC"}
AFTER = {False: "AND (n.created, n.id) > (?, ?)", True: "AND (n.created, n.id) < (?, ?)"}


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _numbers(kinds: Collection[NodeKind] | Collection[EdgeKind]) -> str:
    return ", ".join(str(int(kind)) for kind in sorted(kinds))


def _ends(direction: Direction) -> tuple[str, str]:
    return ("src", "dst") if direction is Direction.DOWN else ("dst", "src")


def _index(direction: Direction) -> str:
    # The primary key of a table without row ids has no name to ask for; the order of columns decides there.
    return "" if direction is Direction.DOWN else "INDEXED BY edge_in"


def events(count: int) -> str:
    """Find events. Parameters: `count` ids."""
    return f"SELECT id, position FROM event WHERE id IN ({_marks(count)})"


def nodes(count: int) -> str:
    """Find nodes. Parameters: `count` ids."""
    return f"SELECT {NODE} FROM node AS n INDEXED BY node_id WHERE n.id IN ({_marks(count)})"


def keys(count: int) -> str:
    """Find the keys of nodes. Parameters: `count` ids."""
    return f"SELECT id, k FROM node INDEXED BY node_id WHERE id IN ({_marks(count)})"


def nodes_by_key() -> str:
    """Find nodes. Parameters: a JSON array of keys."""
    return f"SELECT {NODE} FROM json_each(?) AS s CROSS JOIN node AS n ON n.k = s.value"


def count(kinds: Collection[NodeKind]) -> str:
    """Count nodes of these kinds."""
    return f"SELECT count(*) FROM node INDEXED BY node_kind WHERE kind IN ({_numbers(kinds)})"


def find(where: str, kinds: Collection[NodeKind], *, after: bool, newest_first: bool) -> str:
    """Find nodes in order. Parameters: those of `where`, the cursor's two if `after`, the limit."""
    beyond = AFTER[newest_first] if after else ""
    return f"{where.format(node=NODE, kinds=_numbers(kinds))} {beyond} {ORDER[newest_first]} LIMIT ?"


BY_KIND = "SELECT {node} FROM node AS n INDEXED BY node_kind WHERE n.kind = {kinds}"
BY_PREFIX = "SELECT {node} FROM node AS n INDEXED BY node_id WHERE n.id BETWEEN ? AND ? AND n.kind IN ({kinds})"
BY_KEY = (
    "SELECT {node} FROM json_each(?) AS s CROSS JOIN node AS n ON n.k = s.value AND (n.kind + 0*s.value) IN ({kinds})"
)


def by_name(names: int) -> str:
    """Find by one of several names: for `find`. Parameters: the names."""
    return (
        "SELECT {node} FROM node AS n INDEXED BY node_name WHERE n.name IN "
        f"({_marks(names)}) AND n.kind IN ({{kinds}})"
    )


def count_by_key(kinds: Collection[NodeKind]) -> str:
    """Count those of these kinds. Parameters: a JSON array of keys."""
    return (
        "SELECT count(*) FROM json_each(?) AS s CROSS JOIN node AS n "
        f"ON n.k = s.value AND (n.kind + 0*s.value) IN ({_numbers(kinds)})"
    )


def count_kinds_by_key() -> str:
    """Count by kind. Parameters: a JSON array of keys."""
    return "SELECT n.kind, count(*) FROM json_each(?) AS s CROSS JOIN node AS n ON n.k = s.value GROUP BY n.kind"


CREATED_SINCE = " AND (n.created + 0*s.value) >= ?"
CREATED_UNTIL = " AND (n.created + 0*s.value) <= ?"
"""Added to `BY_KEY` and `count_by_key`; the parameter is the moment."""


def by_value(within: Within) -> tuple[str, tuple[Any, ...]]:
    """Find by a value: for `find`, with the parameters that follow those for `what` and the name."""
    where, parameters = _within(within)
    statement = (
        "SELECT {node} FROM value AS v INDEXED BY value_name CROSS JOIN node AS n ON n.k = v.k "
        f"AND (n.kind + 0*v.k) IN ({{kinds}}) WHERE {where}"
    )
    return statement, parameters


def count_by_value(within: Within) -> tuple[str, tuple[Any, ...]]:
    """Count by a value, with the parameters that follow those for `what` and the name; the limit comes after them."""
    where, parameters = _within(within)
    return f"SELECT count(*) FROM (SELECT 1 FROM value AS v INDEXED BY value_name WHERE {where} LIMIT ?)", parameters


def _within(within: Within) -> tuple[str, tuple[Any, ...]]:
    conditions: list[str] = []
    parameters: list[Any] = []
    if within.equals is not None:
        number, text = stored(within.equals)
        conditions = ["v.number = ?"] if text is None else ["v.number IS NULL", "v.text = ?"]
        parameters = [number if text is None else text]
    else:
        if within.low is not None:
            conditions.append("v.number > ?" if within.low_open else "v.number >= ?")
            parameters.append(float(within.low))
        if within.high is not None:
            conditions.append("v.number < ?" if within.high_open else "v.number <= ?")
            parameters.append(float(within.high))
    return " AND ".join(["v.what = ?", "v.name = ?", *conditions]), tuple(parameters)


def stored(value: Value) -> tuple[float | None, str | None]:
    """Return a value as its two columns: a number, or for anything else its JSON."""
    value = plain_number(value)
    return (value, None) if is_number(value) else (None, canonical(value))  # type: ignore[return-value]


def step(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Find the neighbours of many nodes. Parameters: a JSON array of keys."""
    near, far = _ends(direction)
    return (
        f"SELECT e.{far} FROM json_each(?) AS s CROSS JOIN edge AS e {_index(direction)} "
        f"ON e.{near} = s.value AND (e.kind + 0*s.value) IN ({_numbers(kinds)})"
    )


def reach(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Find all that can be reached. Parameters: a JSON array of keys, the limit."""
    near, far = _ends(direction)
    return f"""
WITH RECURSIVE r(k) AS (
  {step(direction, kinds)}
  UNION
  SELECT e.{far} FROM r CROSS JOIN edge AS e {_index(direction)}
  ON e.{near} = r.k AND (e.kind + 0*r.k) IN ({_numbers(kinds)})
)
SELECT k FROM r LIMIT ?
"""


def edges(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Find the edges of many nodes, in order. Parameters: a JSON array of keys."""
    near, _ = _ends(direction)
    if len(kinds) <= FEW_KINDS:
        kind = " OR ".join(f"e.kind = {int(k)} + 0*s.value" for k in sorted(kinds))
    else:
        kind = f"(e.kind + 0*s.value) IN ({_numbers(kinds)})"
    return (
        f"SELECT a.id, e.kind, b.id, e.notes FROM json_each(?) AS s CROSS JOIN edge AS e {_index(direction)} "
        f"ON e.{near} = s.value AND ({kind}) "
        "CROSS JOIN node AS a ON a.k = e.src CROSS JOIN node AS b ON b.k = e.dst ORDER BY a.id, e.kind, b.id"
    )


def edges_around(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Find the edges of many nodes, as keys and without order. Parameters: a JSON array of keys."""
    near, _ = _ends(direction)
    return (
        f"SELECT e.src, e.kind, e.dst, e.notes FROM json_each(?) AS s CROSS JOIN edge AS e {_index(direction)} "
        f"ON e.{near} = s.value AND (e.kind + 0*s.value) IN ({_numbers(kinds)})"
    )


def hop(kinds: Collection[EdgeKind]) -> str:
    """Find the edge of the lowest kind from one node to another. Parameters: their keys."""
    return (
        f"SELECT e.kind, e.notes FROM edge AS e WHERE e.src = ? AND e.dst = ? AND e.kind IN ({_numbers(kinds)}) "
        "ORDER BY e.kind LIMIT 1"
    )


def degree(direction: Direction) -> str:
    """Count the edges of many nodes, of whatever kind. Parameters: a JSON array of keys, the number to stop at."""
    near, _ = _ends(direction)
    return (
        "SELECT count(*) FROM (SELECT 1 FROM json_each(?) AS s CROSS JOIN edge AS e "
        f"{_index(direction)} ON e.{near} = s.value LIMIT ?)"
    )


def parents(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Find each neighbour of many nodes with the node it is next to. Parameters: a JSON array of keys."""
    near, far = _ends(direction)
    return (
        f"SELECT e.{near}, e.{far} FROM json_each(?) AS s CROSS JOIN edge AS e {_index(direction)} "
        f"ON e.{near} = s.value AND (e.kind + 0*s.value) IN ({_numbers(kinds)})"
    )
