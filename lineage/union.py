"""The union rule: how what several events say of one node or edge becomes one.

Every rule here is a maximum or a union over totally ordered things, so merging is commutative, associative
and idempotent, and the graph depends on the set of events only: never on their order, on how they are
grouped, or on how often they come. `docs/graph.md` argues it. Both embedded engines use these functions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .graph import Batch, Edge, EdgeKind, Node, NodeId, NodeKind

Facet = Mapping[str, Any]

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def canonical(document: Any) -> str:
    """Write JSON so that equal documents are equal texts: for what the index keeps, not for what is signed.

    For strings, integers, booleans and what is made of them it is RFC 8785's form (`canonical.dumps`).
    """
    return _encode(document)


def merge(one: Node, other: Node) -> Node:
    """Return what both say of the same node.

    The kind that an event itself gives wins over `CONTENT`, which any artifact can claim of any digest, and
    that over `UNSEEN`; the earliest moment is when it was created (0 says nothing); of two versions of a facet
    the one with the greater (`at`, `event`) stays.
    """
    if one == other:
        return one
    facets = dict(one.facets)
    for name, facet in other.facets.items():
        facets[name] = max(facets[name], facet, key=_facet_order) if name in facets else facet
    names = [name for name in (one.name, other.name) if name is not None]
    moments = [moment for moment in (one.created, other.created) if moment]
    return Node(
        one.id,
        max(one.kind, other.kind, key=_kind_order),
        max(names, default=None),
        min(moments, default=0),
        facets,
    )


def merge_notes(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """Return the notes of both, sorted, each once."""
    return tuple(sorted({*one, *other}))


def merge_edge(one: Edge, other: Edge) -> Edge:
    """Return what both say of the same edge: the union of their notes."""
    return one if one == other else Edge(one.source, one.kind, one.target, merge_notes(one.notes, other.notes))


def combine(batches: Iterable[Batch]) -> Batch:
    """Return one batch that says what all of these say, every node, edge and event in it once."""
    nodes: dict[NodeId, Node] = {}
    edges: dict[tuple[NodeId, EdgeKind, NodeId], Edge] = {}
    events: dict[bytes, int] = {}
    for batch in batches:
        for node in batch.nodes:
            known = nodes.get(node.id)
            nodes[node.id] = node if known is None else merge(known, node)
        for edge in batch.edges:
            key = (edge.source, edge.kind, edge.target)
            same = edges.get(key)
            edges[key] = edge if same is None else merge_edge(same, edge)
        for event, position in batch.events:
            events[event] = min(position, events.get(event, position))
    return Batch(tuple(nodes.values()), tuple(edges.values()), tuple(events.items()))


def version_of(node: Node) -> int | None:
    """Return the version that an artifact's event states; None for what is no artifact."""
    version = node.facets.get("artifact", {}).get("version") if node.kind.is_artifact else None
    return version if isinstance(version, int) else None


def _facet_order(facet: Facet) -> tuple[str, str, str]:
    # The text only decides between facets that no honest event tells apart: it makes the order total.
    return facet["at"], facet["event"], canonical(facet)


def _kind_order(kind: NodeKind) -> tuple[int, int]:
    weak = (NodeKind.UNSEEN, NodeKind.CONTENT)
    return (weak.index(kind), 0) if kind in weak else (len(weak), kind)
