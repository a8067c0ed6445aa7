"""What people decided about whether content is kept: holds and the trash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from .events import EventId
from .graph import Direction, EdgeKind, Graph, Node, NodeId, NodeKind
from .words import Keeping


def decisions(graph: Graph, artifacts: Collection[NodeId] | None = None) -> Mapping[NodeId, Sequence[Node]]:
    """Return the decisions that stand, oldest first, by artifact: those that no other takes back.

    Args:
        graph: The graph.
        artifacts: Only on these; on all when None.
    """
    if artifacts is None:
        made = graph.find(kinds=[NodeKind.KEEPING])
    else:
        edges = graph.edges(list(artifacts), Direction.DOWN, {EdgeKind.DECIDED})
        made = sorted(graph.get({edge.target for edge in edges}).values(), key=lambda node: (node.created, node.id))
    known = [node for node in made if "keeping" in node.facets]
    taken_back = {
        edge.source
        for edge in graph.edges([node.id for node in known], Direction.DOWN, {EdgeKind.REPLACED})
        if edge.source != edge.target
    }
    standing: defaultdict[NodeId, list[Node]] = defaultdict(list)
    for node in known:
        if node.id not in taken_back and action(node) in {Keeping.TRASH, Keeping.HOLD}:
            standing[EventId.parse(node.facets["keeping"]["artifact"]).value].append(node)
    return standing


def action(decision: Node) -> Keeping:
    """Return what a decision says."""
    return Keeping(decision.facets["keeping"]["action"])


def held(standing: Sequence[Node]) -> bool:
    """Tell whether a hold is among the decisions that stand."""
    return any(action(node) is Keeping.HOLD for node in standing)


def trashed(standing: Sequence[Node]) -> bool:
    """Tell whether an artifact is in the trash: thrown away, and not held."""
    return bool(standing) and not held(standing)
