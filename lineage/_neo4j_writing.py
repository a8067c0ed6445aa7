"""Write a batch to Neo4j: read what it touches, merge it here by the union rule, write back what is new or differs.

The caller holds the writers' lock, so what was read stays true. Where a node is new so are its edges: they need not be
looked for, and most edges of a log are of this sort.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from . import _neo4j_statements as cypher
from ._neo4j_rows import Run, by_ids, by_rows, hexed, is_long, properties, read_node
from .graph import Batch, Edge, EdgeKind, Node, NodeId, NodeKind
from .union import combine, merge, merge_notes


def add(run: Run, batch: Batch) -> None:
    """Merge a batch into the graph, in the transaction of `run`."""
    batch = combine([batch])
    new = _add_nodes(run, batch)
    _add_edges(run, batch.edges, new)
    _add_events(run, dict(batch.events))


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
    for kind, nodes in _by_kind(new.values()).items():
        by_rows(run, cypher.add_nodes(kind), [properties(node) for node in nodes])
    for kind, nodes in _by_kind(changed).items():
        by_rows(run, cypher.change_nodes(kind), [properties(node) for node in nodes])
    by_ids(run, cypher.MARK_LONG, [node.id.hex() for node in (*new.values(), *changed) if is_long(node)])
    return set(new)


def _by_kind(nodes: Iterable[Node]) -> dict[NodeKind, list[Node]]:
    found: dict[NodeKind, list[Node]] = defaultdict(list)
    for node in nodes:
        found[node.kind].append(node)
    return found


def _add_edges(run: Run, edges: Iterable[Edge], new: set[NodeId]) -> None:
    by_kind: dict[EdgeKind, list[Edge]] = defaultdict(list)
    for edge in edges:
        by_kind[edge.kind].append(edge)
    for kind, some in by_kind.items():
        candidates = [
            (e.source.hex(), e.target.hex(), None) for e in some if e.source not in new and e.target not in new
        ]
        there = {(a, b): tuple(notes or ()) for a, b, notes in by_rows(run, cypher.edges_between(kind), candidates)}
        added: list[Any] = []
        changed: list[Any] = []
        for edge in some:
            ends = (edge.source.hex(), edge.target.hex())
            known = there.get(ends)
            if known is None:
                added.append([*ends, list(edge.notes) or None])
            elif (notes := merge_notes(known, edge.notes)) != known:
                changed.append([*ends, list(notes)])
        by_rows(run, cypher.add_edges(kind), added)
        by_rows(run, cypher.change_edges(kind), changed)


def _add_events(run: Run, events: dict[bytes, int]) -> None:
    there = {bytes.fromhex(event): at for event, at in by_ids(run, cypher.EVENTS, hexed(events))}
    by_rows(run, cypher.ADD_EVENTS, [[event.hex(), at] for event, at in events.items() if event not in there])
    earlier = [[event.hex(), at] for event, at in events.items() if at < there.get(event, at)]
    by_rows(run, cypher.CHANGE_EVENTS, earlier)
