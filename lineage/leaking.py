"""Evaluations on what a model was made from, found with nothing but the other methods of a graph.

Engines that know no faster way answer `Graph.leaks` with this. It goes upstream from each model: a model's
ancestors are few, while what stands on a popular dataset is most of the graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from .graph import ARTIFACT_KINDS, Cursor, Direction, EdgeKind, Graph, Node, NodeId, NodeKind

_STEP = 500
"""Evaluations looked at in one go."""
_EVALUATION = frozenset({NodeKind.EVALUATION})
_OF = frozenset({EdgeKind.EVALUATED})
_ENDS = frozenset({EdgeKind.EVALUATED, EdgeKind.EVALUATED_ON})
_HAS_CONTENT = frozenset({EdgeKind.HAS_CONTENT})


def leaks(
    graph: Graph,
    learning: Collection[EdgeKind],
    *,
    models: Collection[NodeId] | None = None,
    after: Cursor | None = None,
    limit: int | None = None,
) -> Sequence[Node]:
    """Return the evaluations on content that their model was made from; see `Graph.leaks`."""
    found: list[Node] = []
    known: dict[NodeId, Mapping[NodeId, set[NodeId]]] = {}
    for some in _evaluations(graph, models, after):
        wanted = None if models is None else set(models)
        telling = witnesses(graph, some, learning, models=wanted, known=known)
        found += (node for node in some if node.id in telling)
        if limit is not None and len(found) >= limit:
            return found[:limit]
    return found


def witnesses(
    graph: Graph,
    evaluations: Sequence[Node],
    learning: Collection[EdgeKind],
    *,
    models: Collection[NodeId] | None = None,
    known: dict[NodeId, Mapping[NodeId, set[NodeId]]] | None = None,
) -> Mapping[NodeId, frozenset[NodeId]]:
    """Return for each of these evaluations that leaks the artifacts upstream of its model with the dataset's content.

    Args:
        graph: Where to look.
        evaluations: Which ones.
        learning: The edges through which content reaches a model.
        models: Look at evaluations of these only; of all when None.
        known: What is upstream of models that were looked at before; this adds to it.
    """
    known = {} if known is None else known
    of: dict[NodeId, set[NodeId]] = defaultdict(set)
    on: dict[NodeId, set[NodeId]] = defaultdict(set)
    for edge in graph.edges([node.id for node in evaluations], Direction.UP, _ENDS):
        (of if edge.kind is EdgeKind.EVALUATED else on)[edge.target].add(edge.source)
    contents = _contents(graph, {dataset for some in on.values() for dataset in some})
    answer: dict[NodeId, frozenset[NodeId]] = {}
    for evaluation, datasets in on.items():
        tested = {content for dataset in datasets for content in contents.get(dataset, ())}
        telling: set[NodeId] = set()
        for model in of.get(evaluation, ()) if tested else ():
            if models is not None and model not in models:
                continue
            if model not in known:
                known[model] = _learned(graph, model, learning)
            telling.update(holder for content in tested for holder in known[model].get(content, ()))
        if telling:
            answer[evaluation] = frozenset(telling)
    return answer


def _evaluations(graph: Graph, models: Collection[NodeId] | None, after: Cursor | None) -> Iterator[Sequence[Node]]:
    if models is None:
        while some := graph.find(kinds=_EVALUATION, after=after, limit=_STEP):
            yield some
            after = Cursor(some[-1].created, some[-1].id)
        return
    ids = {edge.target for edge in graph.edges(models, Direction.DOWN, _OF)}
    nodes = [node for node in graph.get(ids).values() if node.kind is NodeKind.EVALUATION]
    nodes.sort(key=lambda node: (node.created, node.id))
    if after is not None:
        nodes = [node for node in nodes if (node.created, node.id) > (after.created, after.id)]
    for start in range(0, len(nodes), _STEP):
        yield nodes[start : start + _STEP]


def _learned(graph: Graph, model: NodeId, learning: Collection[EdgeKind]) -> Mapping[NodeId, set[NodeId]]:
    """Return the contents that a model was made from, each with the artifacts upstream of it that hold it."""
    ancestors = graph.closure([model], Direction.UP, learning, nodes=ARTIFACT_KINDS)
    holders: dict[NodeId, set[NodeId]] = defaultdict(set)
    for artifact, contents in _contents(graph, [node.id for node in ancestors]).items():
        for content in contents:
            holders[content].add(artifact)
    return holders


def _contents(graph: Graph, artifacts: Collection[NodeId]) -> Mapping[NodeId, set[NodeId]]:
    contents: dict[NodeId, set[NodeId]] = defaultdict(set)
    for edge in graph.edges(artifacts, Direction.UP, _HAS_CONTENT):
        contents[edge.target].add(edge.source)
    return contents
