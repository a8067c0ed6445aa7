"""Ways along which rows reach a model, and where a way ends: at a table that says which rows went on.

Raw data is upstream of every model trained on a part of it, and holds the test rows too. What reached the model is
what the part holds. So a way is followed only up to the first table with the same columns, whose rows can be looked
at; past what is no table, or has other columns, it goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from lin import reading
from lin.lineage.graph import Direction, EdgeKind, Graph, NodeId
from lin.lineage.questions import TRAINED_THROUGH
from lin.records import Artifact

_GENERATED = frozenset({EdgeKind.GENERATED})

Ends = Callable[[Artifact], bool]
"""Tell whether an artifact is a table that says which rows went on."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a model learned from.

    Attributes:
        tables: Where ways end: the tables to look at.
        passed: Other artifacts on the ways.
        open: Of these, the ones with no such table further up: which rows they held is not known.
    """

    tables: Sequence[Artifact]
    passed: Sequence[Artifact]
    open: Sequence[Artifact]


def upstream(graph: Graph, model: NodeId, ends: Ends) -> Upstream:
    """Follow what a model learned from upstream, each way to the first table that ends it."""
    found: dict[NodeId, Artifact] = {}
    below: dict[NodeId, set[NodeId]] = defaultdict(set)
    ended: set[NodeId] = set()
    level: Collection[NodeId] = {model}
    while level:
        pairs = _sources(graph, level)
        for source, targets in pairs.items():
            below[source] |= targets
        fresh = _artifacts(graph, [source for source in pairs if source not in found and source != model])
        found.update(fresh)
        ended |= {key for key, artifact in fresh.items() if ends(artifact)}
        level = fresh.keys() - ended
    covered, waiting = set(ended), list(ended)
    while waiting:
        for key in below[waiting.pop()]:
            if key not in covered:
                covered.add(key)
                waiting.append(key)
    passed = [artifact for key, artifact in found.items() if key not in ended]
    return Upstream(
        [artifact for key, artifact in found.items() if key in ended],
        passed,
        [artifact for artifact in passed if artifact.id.value not in covered],
    )


def downstream(graph: Graph, holders: Collection[NodeId], ends: Ends) -> Sequence[Artifact]:
    """Return what was made by learning from some artifacts, each way up to a table that ends it."""
    found: dict[NodeId, Artifact] = {}
    level: Collection[NodeId] = set(holders)
    while level:
        runs = {edge.target for edge in graph.edges(level, Direction.DOWN, TRAINED_THROUGH)}
        made = {edge.target for edge in graph.edges(runs, Direction.DOWN, _GENERATED)}
        fresh = _artifacts(graph, [key for key in made if key not in found and key not in holders])
        fresh = {key: artifact for key, artifact in fresh.items() if not ends(artifact)}
        found.update(fresh)
        level = fresh.keys()
    return sorted(found.values(), key=lambda each: (each.created, each.id))


def _sources(graph: Graph, made: Collection[NodeId]) -> Mapping[NodeId, set[NodeId]]:
    """Return what the runs that generated some artifacts learned from, with what was made of each."""
    generated: dict[NodeId, set[NodeId]] = defaultdict(set)
    for edge in graph.edges(made, Direction.UP, _GENERATED):
        generated[edge.source].add(edge.target)
    sources: dict[NodeId, set[NodeId]] = defaultdict(set)
    for edge in graph.edges(list(generated), Direction.UP, TRAINED_THROUGH):
        sources[edge.source] |= generated[edge.target]
    return sources


def _artifacts(graph: Graph, ids: Collection[NodeId]) -> dict[NodeId, Artifact]:
    nodes = graph.get(ids).values()
    return {node.id: reading.artifact(node) for node in nodes if node.kind.is_artifact and reading.is_known(node)}
