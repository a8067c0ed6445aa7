"""Write a batch to Neo4j: read what it touches, merge it here by the union rule, write back what is new or differs.

The caller holds the writers' lock, so what was read stays true. Where a node is new so are its edges: they need not be
looked for, and most edges of a log are of this sort.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from . import _neo4j_statements as cypher
from ._neo4j_rows import Run, by_ids, by_rows, hexed, is_long, properties, read_node, values
from .graph import Batch, Edge, EdgeKind, Node, NodeId, NodeKind
from .union import combine, merge, merge_notes


def add(run: Run, batch: Batch) -> None:
    """Merge a batch into the graph, in the transaction of `run`."""
    batch = combine([batch])
    new = _add_nodes(run, batch)
    _add_edges(run, batch.edges, new)
    by_rows(run, cypher.ADD_EVENTS, [[event.hex(), at] for event, at in batch.events])


def _add_nodes(run: Run, batch: Batch) -> set[NodeId]:
    """Merge the nodes; return which ones are new."""
    named = dict.fromkeys(node.id for node in batch.nodes)
    named.update(dict.fromkeys(end for edge in batch.edges for end in (edge.source, edge.target)))
    there = {node.id: node for node in map(read_node, by_ids(run, cypher.NODES, hexed(named)))}
    new = {node: Node(node, NodeKind.UNSEEN) for node in named if node not in there}
    changed: list[Node] = []
    for node in batch.nodes:
        known = there.get(node.id)
        if known is None:
            new[node.id] = node
        elif (merged := merge(known, node)) != known:
            changed.append(merged)
    by_rows(run, cypher.ADD_NODES, [[cypher.label(node.kind), properties(node)] for node in new.values()])
    by_rows(run, cypher.CHANGE_NODES, [[cypher.label(node.kind), properties(node)] for node in changed])
    written = (*new.values(), *changed)
    by_ids(run, cypher.MARK_LONG, [node.id.hex() for node in written if is_long(node)])
    # With the values goes what pages are ordered by, so that they are written anew whatever changed.
    by_ids(run, cypher.FORGET_VALUES, [node.id.hex() for node in changed if values(there[node.id])])
    by_rows(run, cypher.ADD_VALUES, [value for node in written for value in values(node)])
    return set(new)


def _add_edges(run: Run, edges: Iterable[Edge], new: set[NodeId]) -> None:
    added: list[Any] = []
    by_kind: dict[EdgeKind, list[Edge]] = defaultdict(list)
    for edge in edges:
        if edge.source in new or edge.target in new:
            added.append(_row(edge, edge.notes))
        else:
            by_kind[edge.kind].append(edge)
    for kind, some in by_kind.items():
        rows = by_rows(run, cypher.edges_between(kind), [_row(edge, ()) for edge in some])
        there = {(source, target): tuple(notes or ()) for source, target, notes in rows}
        changed: list[Any] = []
        for edge in some:
            known = there.get((edge.source.hex(), edge.target.hex()))
            if known is None:
                added.append(_row(edge, edge.notes))
            elif (notes := merge_notes(known, edge.notes)) != known:
                changed.append(_row(edge, notes))
        by_rows(run, cypher.change_edges(kind), changed)
    by_rows(run, cypher.ADD_EDGES, added)


def _row(edge: Edge, notes: Sequence[str]) -> list[Any]:
    return [edge.source.hex(), edge.kind.name, edge.target.hex(), list(notes) or None]
