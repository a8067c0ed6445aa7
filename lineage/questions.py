"""Questions about lineage, answered by any graph engine.

Each is a pure function of the graph. None of them assumes that lineage has no cycles, and each asks in a fixed
number of steps, whatever the size of the answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .graph import PROVENANCE, Cursor, Direction, Edge, EdgeKind, Graph, Node, NodeId, NodeKind, Subgraph
from .leaking import witnesses
from .words import TRAINING_ROLES, Role

TRAINED_THROUGH = frozenset(EdgeKind.used(role) for role in TRAINING_ROLES)
"""Uses from which a model may have learned: never tests, validation, code, environments or settings."""

_GENERATED = frozenset({EdgeKind.GENERATED})
LEARNING = TRAINED_THROUGH | _GENERATED
"""The edges through which what an artifact holds reaches a model."""
_HAS_CONTENT = frozenset({EdgeKind.HAS_CONTENT})
_MODELS = frozenset({NodeKind.MODEL})
_MEASURED = frozenset({EdgeKind.EVALUATED, EdgeKind.EVALUATED_ON, EdgeKind.EVALUATED_BY})
_ALIASED = frozenset({EdgeKind.ALIASED})
STANDING = PROVENANCE | _MEASURED | _ALIASED
"""The edges to what stands on something: what was made of it, what was measured, and aliases."""
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
    """What stands on some artifacts or runs: how much, and the first of each sort.

    Attributes:
        models: Downstream of them, oldest first.
        evaluations: Of anything there, on it, or by it; of what the question starts from, too.
        aliases: All present moves of aliases that stand for anything there, or for a start.
        model_count: How many models there are in all.
        evaluation_count: How many evaluations there are in all.
        runs: How many runs lie downstream.
        artifacts: How many artifacts lie downstream.
    """

    models: tuple[Node, ...]
    evaluations: tuple[Node, ...]
    aliases: tuple[Node, ...]
    model_count: int
    evaluation_count: int
    runs: int
    artifacts: int


@dataclass(frozen=True, slots=True)
class Leak:
    """An evaluation on what its model was made from.

    Attributes:
        evaluation: Its node.
        learned: The artifacts upstream of the model that hold the dataset's bytes, sorted.
    """

    evaluation: Node
    learned: tuple[NodeId, ...]


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
        models = graph.closure(holders, Direction.DOWN, LEARNING, nodes=_MODELS, after=after, limit=limit)
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
        return graph.closure_size(holders, Direction.DOWN, LEARNING, nodes=_MODELS)
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


def impact(graph: Graph, start: Collection[NodeId], *, limit: int | None = None) -> Impact:
    """Return what stands on these artifacts or runs: what would be wrong if they were.

    In any role: a run that tested on wrong data measured wrongly. Of aliases only those count that stand
    there now.

    Args:
        graph: Where to look.
        start: What might be wrong.
        limit: At most so many models and evaluations, the oldest; `closure` has the others in pages.
    """
    counts = graph.closure_kinds(start, Direction.DOWN, STANDING)

    def first(kind: NodeKind, limit: int | None) -> tuple[Node, ...]:
        if not counts.get(kind) or limit == 0:
            return ()
        return tuple(graph.closure(start, Direction.DOWN, STANDING, nodes={kind}, limit=limit))

    moves = first(NodeKind.ALIAS, None)  # those that were replaced, which are few, have to be told apart
    return Impact(
        models=first(NodeKind.MODEL, limit),
        evaluations=first(NodeKind.EVALUATION, limit),
        aliases=tuple(_page(present_moves(graph, [move.id for move in moves]), None, None)),
        model_count=counts.get(NodeKind.MODEL, 0),
        evaluation_count=counts.get(NodeKind.EVALUATION, 0),
        runs=counts.get(NodeKind.RUN, 0),
        artifacts=sum(count for kind, count in counts.items() if kind.is_artifact),
    )


def path(
    graph: Graph, sources: Collection[NodeId], targets: Collection[NodeId], kinds: Collection[EdgeKind] = PROVENANCE
) -> Sequence[Edge] | None:
    """Return a shortest way downstream from one of some nodes to one of others; None where there is none.

    It looks at every pair, so both must be few.
    """
    best: Sequence[Edge] | None = None
    for source in sources:
        for target in targets:
            way = graph.path(source, target, kinds)
            if way is not None and (best is None or len(way) < len(best)):
                best = way
    return best


def training_path(graph: Graph, contents: Collection[NodeId], model: NodeId) -> Sequence[Edge] | None:
    """Return a shortest way on which content came into a model, from the content on; None if it did not.

    That the model itself holds these bytes is no such way.
    """
    made = graph.edges([model], Direction.UP, _GENERATED)
    ways = ((path(graph, contents, [edge.source], LEARNING | _HAS_CONTENT), edge) for edge in made)
    return min(([*way, edge] for way, edge in ways if way is not None), key=len, default=None)


def leaks(
    graph: Graph,
    models: Collection[NodeId] | None = None,
    *,
    after: Cursor | None = None,
    limit: int | None = None,
) -> Sequence[Leak]:
    """Return the evaluations of models on bytes that these models learned from, in the order (`created`, `id`).

    A model learned from every artifact upstream of it, directly or through derived data and base models, by
    the uses in `TRAINED_THROUGH`. The name under which the bytes were used does not matter.

    Args:
        graph: Where to look.
        models: Evaluations of these only; of all models when None.
        after: Only what comes after this cursor.
        limit: At most so many.
    """
    found = graph.leaks(LEARNING, models=models, after=after, limit=limit)
    telling = witnesses(graph, found, LEARNING, models=models)
    return [Leak(node, tuple(sorted(telling.get(node.id, ())))) for node in found]


def models_of(graph: Graph, experiment: NodeId) -> Collection[NodeId]:
    """Return the models that belong to an experiment, and those that its runs generated."""
    members = {edge.source for edge in graph.edges([experiment], Direction.UP, _IN_EXPERIMENT)}
    return {node.id for node in _of_kind(graph, members | _targets(graph, members, _GENERATED), _MODELS)}


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
