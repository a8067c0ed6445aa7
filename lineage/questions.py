"""Questions about lineage, answered by any graph engine.

Each is a pure function of the graph. None of them assumes that lineage has no cycles, and each asks in a fixed
number of steps, whatever the size of the answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .graph import PROVENANCE, Cursor, Direction, Edge, EdgeKind, Graph, Node, NodeId, NodeKind, Subgraph
from .words import TRAINING_ROLES, Role

TRAINED_THROUGH = frozenset(EdgeKind.used(role) for role in TRAINING_ROLES)
"""Uses from which a model may have learned: never tests, validation, code, environments or settings."""

_GENERATED = frozenset({EdgeKind.GENERATED})
_LEARNING = TRAINED_THROUGH | _GENERATED
_HAS_CONTENT = frozenset({EdgeKind.HAS_CONTENT})
_MODELS = frozenset({NodeKind.MODEL})
_MEASURED = frozenset({EdgeKind.EVALUATED, EdgeKind.EVALUATED_ON, EdgeKind.EVALUATED_BY})
_ALIASED = frozenset({EdgeKind.ALIASED})
_REPLACED = frozenset({EdgeKind.REPLACED})
_IN_EXPERIMENT = frozenset({EdgeKind.IN_EXPERIMENT})


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that was trained on some content.

    Attributes:
        model: Its node.
        direct: Whether a run used an artifact with that very content and generated the model.
        roles: What those runs used it for, sorted; empty where it is not direct.
    """

    model: Node
    direct: bool
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Impact:
    """What stands on some artifacts or runs.

    Attributes:
        models: Downstream of them, oldest first.
        evaluations: Of anything there, on it, or by it; of what the question starts from, too.
        aliases: The present moves of aliases that stand for anything there, or for a start.
        runs: How many runs lie downstream.
        artifacts: How many artifacts lie downstream.
    """

    models: tuple[Node, ...]
    evaluations: tuple[Node, ...]
    aliases: tuple[Node, ...]
    runs: int
    artifacts: int


def models_trained_on(
    graph: Graph,
    contents: Collection[NodeId],
    *,
    transitive: bool = False,
    after: Cursor | None = None,
    limit: int | None = None,
) -> Sequence[Trained]:
    """Return the models trained on artifacts that hold one of these contents, in the order (`created`, `id`).

    Args:
        graph: Where to look.
        contents: Digests of the bytes or trees.
        transitive: Also through what runs made of them: derived datasets, base models.
        after: Only what comes after this cursor.
        limit: At most so many.
    """
    holders = _targets(graph, contents, _HAS_CONTENT)
    if transitive:
        models = graph.closure(holders, Direction.DOWN, _LEARNING, nodes=_MODELS, after=after, limit=limit)
        # From the models upwards: they are at most `limit`, and what they were made from is little.
        roles = _learned(graph, holders, graph.edges([model.id for model in models], Direction.UP, _GENERATED))
    else:
        roles = _learned(graph, holders)
        models = _page(_of_kind(graph, roles, _MODELS), after, limit)
    return [Trained(model, model.id in roles, tuple(sorted(roles.get(model.id, ())))) for model in models]


def count_models_trained_on(graph: Graph, contents: Collection[NodeId], *, transitive: bool = False) -> int:
    """Count what `models_trained_on` would return without a limit."""
    holders = _targets(graph, contents, _HAS_CONTENT)
    if transitive:
        return graph.closure_size(holders, Direction.DOWN, _LEARNING, nodes=_MODELS)
    return len(_of_kind(graph, _learned(graph, holders), _MODELS))


def trace(
    graph: Graph,
    start: Collection[NodeId],
    direction: Direction = Direction.UP,
    *,
    depth: int | None = None,
    max_nodes: int | None = None,
) -> Subgraph:
    """Return what made these artifacts or runs (`UP`), or what was made of them (`DOWN`), with the edges between."""
    return graph.subgraph(start, direction, PROVENANCE, depth=depth, max_nodes=max_nodes)


def impact(graph: Graph, start: Collection[NodeId]) -> Impact:
    """Return what stands on these artifacts or runs: what would be wrong if they were.

    In any role: a run that tested on wrong data measured wrongly. Of aliases only those count that stand
    there now.
    """
    downstream = graph.closure(start, Direction.DOWN, PROVENANCE)
    everything = {*start, *(node.id for node in downstream)}
    return Impact(
        models=tuple(node for node in downstream if node.kind is NodeKind.MODEL),
        evaluations=tuple(
            _page(_of_kind(graph, _targets(graph, everything, _MEASURED), {NodeKind.EVALUATION}), None, None)
        ),
        aliases=tuple(_page(present_moves(graph, _targets(graph, everything, _ALIASED)), None, None)),
        runs=sum(node.kind is NodeKind.RUN for node in downstream),
        artifacts=sum(node.kind.is_artifact for node in downstream),
    )


def evaluations(
    graph: Graph,
    *,
    models: Collection[NodeId] = (),
    datasets: Collection[NodeId] = (),
    experiment: NodeId | None = None,
) -> Sequence[Node]:
    """Return the evaluations that meet every condition given, oldest first.

    Args:
        graph: Where to look.
        models: Of any of these; of all when empty.
        datasets: On any of these; on all when empty.
        experiment: Whose model or run belongs to this experiment.
    """
    found: set[NodeId] | None = None
    for ids, kind in ((models, EdgeKind.EVALUATED), (datasets, EdgeKind.EVALUATED_ON)):
        if ids:
            some = _targets(graph, ids, {kind})
            found = some if found is None else found & some
    if experiment is not None:
        members = {edge.source for edge in graph.edges([experiment], Direction.UP, _IN_EXPERIMENT)}
        some = _targets(graph, members, {EdgeKind.EVALUATED, EdgeKind.EVALUATED_BY})
        found = some if found is None else found & some
    if found is None:
        return graph.find(kinds=[NodeKind.EVALUATION])
    return _page(_of_kind(graph, found, {NodeKind.EVALUATION}), None, None)


def present_moves(graph: Graph, moves: Collection[NodeId]) -> Sequence[Node]:
    """Return those of these moves of aliases that no later move of the same alias replaces."""
    nodes = _of_kind(graph, moves, {NodeKind.ALIAS})
    edges = graph.edges([node.id for node in nodes], Direction.DOWN, _REPLACED)
    later = graph.get({edge.target for edge in edges})
    names = {node.id: _alias(node) for node in nodes}
    # A move that names one of another alias as its predecessor doesn't take that alias away.
    replaced = {edge.source for edge in edges if _alias(later[edge.target]) == names[edge.source]}
    return [node for node in nodes if node.id not in replaced]


def _alias(node: Node) -> tuple[str | None, str | None]:
    facet = node.facets.get("alias", {})
    return facet.get("name"), facet.get("alias")


def _learned(
    graph: Graph, holders: Collection[NodeId], made: Sequence[Edge] | None = None
) -> Mapping[NodeId, set[Role]]:
    """Return what was generated by runs that learned from these artifacts, with the roles they had there.

    Given the edges by which some things were made, only those are looked at.
    """
    if made is None:
        uses = graph.edges(holders, Direction.DOWN, TRAINED_THROUGH)
        made = graph.edges({use.target for use in uses}, Direction.DOWN, _GENERATED)
    else:
        uses = graph.edges({edge.source for edge in made}, Direction.UP, TRAINED_THROUGH)
    roles: dict[NodeId, set[Role]] = defaultdict(set)
    for use in uses:
        if use.kind.role is not None and use.source in holders:
            roles[use.target].add(use.kind.role)
    learned: dict[NodeId, set[Role]] = defaultdict(set)
    for edge in made:
        if edge.source in roles:
            learned[edge.target] |= roles[edge.source]
    return learned


def _targets(graph: Graph, ids: Collection[NodeId], kinds: Collection[EdgeKind]) -> set[NodeId]:
    return {edge.target for edge in graph.edges(ids, Direction.DOWN, kinds)}


def _of_kind(graph: Graph, ids: Collection[NodeId], kinds: Collection[NodeKind]) -> Sequence[Node]:
    return [node for node in graph.get(ids).values() if node.kind in kinds]


def _page(nodes: Sequence[Node], after: Cursor | None, limit: int | None) -> Sequence[Node]:
    ordered = sorted(nodes, key=lambda node: (node.created, node.id))
    if after is not None:
        ordered = [node for node in ordered if (node.created, node.id) > (after.created, after.id)]
    return ordered[:limit]
