"""Searches in Neo4j that take more than one statement: level by level, and subgraphs.

A level is a set of ids here and one statement there, so a search takes as many round trips as it has levels, and no
more work than nodes and edges visited. It is used where no single statement is safe: from many starts, whose closures
overlap, and for the nearest of very many nodes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import _neo4j_statements as cypher
from ._neo4j_rows import Run, by_ids, chunks, in_order, read_node
from .graph import Direction, EdgeKind, Subgraph, Truncation


@dataclass(frozen=True, slots=True)
class Way:
    """Which edges to follow, which way, and how far."""

    direction: Direction
    kinds: frozenset[EdgeKind]
    depth: int | None = None


def reach(run: Run, start: Sequence[str], way: Way) -> list[str]:
    """Return the ids that a path of at least one edge, and no more than the way's depth, leads to."""
    reached: set[str] = set()
    level: Collection[str] = start
    hops = 0
    while level and (way.depth is None or hops < way.depth):
        level = _step(run, level, way) - reached
        reached |= level
        hops += 1
    return list(reached)


def nearest_subgraph(run: Run, start: Sequence[str], way: Way, limit: int | None, *, counted: bool) -> Subgraph:
    """Return the nearest of a subgraph, level by level.

    Args:
        run: Sends statements.
        start: Ids.
        way: What to follow.
        limit: At most so many nodes; all if None.
        counted: Let the server count how many there are, and look no further than the limit.
    """
    if not counted:
        distance, beyond = _levels(run, start, way)
        return _nearest(run, distance, way, limit, total=len(distance), beyond=beyond)
    total = run(cypher.subgraph_size(way.direction, way.kinds, way.depth), ids=start)[0][0]
    distance, beyond = _levels(run, start, way, enough=limit)
    return _nearest(run, distance, way, limit, total=total, beyond=beyond)


def _step(run: Run, level: Collection[str], way: Way) -> set[str]:
    if not way.kinds:
        return set()
    return {row[0] for row in by_ids(run, cypher.step(way.direction, way.kinds), list(level))}


def _levels(run: Run, start: Sequence[str], way: Way, enough: int | None = None) -> tuple[dict[str, int], bool]:
    """Return the distance of each node within the depth, and whether there is more; whole levels until `enough`."""
    distance: dict[str, int] = {}
    level = {row[0] for row in by_ids(run, cypher.NODES, start)}
    hops = 0
    while level and (way.depth is None or hops <= way.depth) and (enough is None or len(distance) < enough):
        distance.update(dict.fromkeys(level, hops))
        level = _step(run, level, way) - distance.keys()
        hops += 1
    return distance, bool(level)


def whole_subgraph(rows: Sequence[list[Any]], start: Sequence[str], way: Way) -> Subgraph:
    """Return the subgraph of nodes that all came with the edges that lead on from them (`subgraph`'s rows)."""
    nodes = {row[0]: read_node(row) for row in rows}
    onward: dict[str, list[list[Any]]] = {row[0]: row[5] for row in rows}
    distance: dict[str, int] = {}
    level = {node for node in start if node in nodes}
    hops = 0
    while level:
        distance.update(dict.fromkeys(level, hops))
        level = {far for near in level for _, far, _ in onward[near] if far in nodes and far not in distance}
        hops += 1
    edges = [(near, kind, far, notes) for near, others in onward.items() for kind, far, notes in others]
    inside = [edge for edge in edges if edge[2] in nodes]
    if way.direction is Direction.UP:
        inside = [(far, kind, near, notes) for near, kind, far, notes in inside]
    order = _by_distance(distance)
    return Subgraph(
        tuple(nodes[node] for node in order),
        tuple(in_order(inside)),
        {bytes.fromhex(node): distance[node] for node in order},
        len(order),
        Truncation.DEPTH if len(edges) > len(inside) else None,
    )


def _nearest(
    run: Run, distance: Mapping[str, int], way: Way, limit: int | None, *, total: int, beyond: bool = False
) -> Subgraph:
    kept = _by_distance(distance)[:limit]
    nodes = {row[0]: read_node(row) for row in by_ids(run, cypher.NODES, kept)}
    rows: list[list[Any]] = []
    if way.kinds:
        statement = cypher.edges_inside(way.direction, way.kinds)
        rows = [row for some in chunks(kept) for row in run(statement, ids=some, among=kept)]
    cut = Truncation.NODES if len(kept) < total else Truncation.DEPTH if beyond else None
    return Subgraph(
        tuple(nodes[node] for node in kept),
        tuple(in_order(rows)),
        {bytes.fromhex(node): distance[node] for node in kept},
        total,
        cut,
    )


def _by_distance(distance: Mapping[str, int]) -> list[str]:
    return sorted(distance, key=lambda node: (distance[node], node))
