"""How nodes and edges lie in Neo4j: their properties, and values made of a row's columns.

Ids are hex digits, kinds their numbers, facets canonical JSON. Two of a node's properties exist for the indexes, which
take no value beyond some size (8 kB for ranges, 32 kB for texts):

- `handle`: the beginning of the name, by which names are looked up before they are compared as a whole;
- `folded`: the name with A to Z in lower case, for searches of texts; names too long for that index have it as
  `whole` instead, which no index holds, and the label `LinLong`, so that there are few to look at.

Each metric and parameter of a node is a node of its own, so that it can be searched by value: with a `place`, which
says what it measures and how it is called, and a `value`, which is a number, or of anything else the beginning of its
JSON. All of that JSON is its `text`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from .events import plain_number
from .graph import Edge, EdgeKind, Measure, Node, NodeId, NodeKind, Value, ascii_lower
from .measures import is_number, values_of
from .union import canonical, version_of

Run = Callable[..., list[list[Any]]]
"""Sends a statement with its parameters, and returns the list that each of its rows is."""

ROWS = 10_000
"""Rows and ids bound in one statement."""
_HANDLE = 1_000
_FOLDED = 8_000
"""Characters, each at most four bytes."""

T = TypeVar("T")


def handle(name: str) -> str:
    """Return the part of a name that is indexed."""
    return name[:_HANDLE]


def is_long(node: Node) -> bool:
    """Say whether a node's name is too long for the index of texts."""
    return node.name is not None and len(node.name) > _FOLDED


def properties(node: Node) -> dict[str, Any]:
    """Return all properties of a node."""
    found: dict[str, Any] = {"id": node.id.hex(), "kind": int(node.kind), "created": node.created}
    if node.name is not None:
        found["name"] = node.name
        found["handle"] = handle(node.name)
        found["whole" if is_long(node) else "folded"] = ascii_lower(node.name)
    if (version := version_of(node)) is not None:
        found["version"] = version
    if node.facets:
        found["facets"] = canonical(node.facets)
    return found


def values(node: Node) -> list[list[Any]]:
    """Return a row for each metric and parameter of a node: its id, and all properties of the value."""
    place = {"id": node.id.hex(), "kind": int(node.kind), "created": node.created}
    return [
        [node.id.hex(), {**place, "name": name, "place": value_place(what, name), **stored(value)}]
        for what, name, value in values_of(node)
    ]


def value_place(what: Measure, name: str) -> str:
    """Return what the values of one name are found by."""
    return f"{what.word} {handle(name)}"


def stored(value: Value) -> dict[str, Any]:
    """Return a value as its properties: what is indexed, and for what is no number all of its text."""
    value = plain_number(value)
    if is_number(value):
        return {"value": float(value)}
    text = canonical(value)
    return {"value": handle(text), "text": text}


def read_node(row: Sequence[Any]) -> Node:
    """Make a node of the columns of `_neo4j_statements.NODE`, which come first in the row."""
    node, kind, name, created, facets = row[:5]
    return Node(bytes.fromhex(node), NodeKind(kind), name, created, json.loads(facets) if facets else {})


def read_edge(row: Sequence[Any]) -> Edge:
    """Make an edge of source, type, target and notes."""
    source, kind, target, notes = row
    return Edge(bytes.fromhex(source), EdgeKind[kind], bytes.fromhex(target), tuple(notes or ()))


def in_order(rows: Iterable[Sequence[Any]]) -> list[Edge]:
    """Make edges of rows, in the order of `Graph.edges`."""
    return sorted(map(read_edge, rows), key=lambda edge: (edge.source, edge.kind, edge.target))


def hexed(ids: Iterable[NodeId]) -> list[str]:
    """Return ids as they are stored, each once."""
    return [one.hex() for one in dict.fromkeys(ids)]


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut into as many as go into one statement."""
    return (items[start : start + ROWS] for start in range(0, len(items), ROWS))


def by_ids(run: Run, statement: str, ids: Sequence[str]) -> list[list[Any]]:
    """Return a statement's rows for all of these ids."""
    return [row for some in chunks(ids) for row in run(statement, ids=some)]


def by_rows(run: Run, statement: str, rows: Sequence[Any]) -> list[list[Any]]:
    """Return a statement's rows for all of these rows, which may be very many."""
    return [row for some in chunks(rows) for row in run(statement, rows=some)]
