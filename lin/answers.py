"""Answer questions: ask the graph, and turn what it says into records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from lin.errors import InvalidInputError
from lin.lineage import questions
from lin.lineage.events import EventId
from lin.lineage.graph import Cursor, Direction, EdgeKind, Graph, Node, NodeId, NodeKind
from lin.lineage.words import RunStatus

from . import reading
from .edges import trace_edge
from .given import one_more
from .reading import Found
from .records import (
    Artifact,
    Content,
    Evaluation,
    Experiment,
    Impact,
    MetricsTable,
    Page,
    Run,
    Trace,
    TrainedModel,
)

_STEP = 500
"""Runs that are looked at in one go when they have to be sifted."""
_SEARCHED = {kind.word: kind for kind in NodeKind if kind.is_artifact or kind in {NodeKind.RUN, NodeKind.EXPERIMENT}}


def runs(
    graph: Graph,
    *,
    experiment: NodeId | None,
    statuses: Collection[RunStatus],
    newest_first: bool,
    after: Cursor | None,
    limit: int | None,
) -> Page:
    """Return runs in the order they started, as a page of `Run`."""
    wished = one_more(limit)
    if experiment is None:
        nodes: Iterable[Node] = _all_runs(graph, newest_first=newest_first, after=after)
    else:
        members = graph.edges([experiment], Direction.UP, {EdgeKind.IN_EXPERIMENT})
        nodes = _ordered(graph.get({edge.source for edge in members}).values(), newest_first, after)
    wanted = (
        node
        for node in nodes
        if node.kind == NodeKind.RUN
        and reading.is_known(node)
        and (not statuses or reading.run(node).status in statuses)
    )
    found = list(islice(wanted, wished))
    return reading.page(found, [reading.run(node) for node in found], limit)


def _all_runs(graph: Graph, *, newest_first: bool, after: Cursor | None) -> Iterator[Node]:
    while True:
        nodes = graph.find(kinds=[NodeKind.RUN], newest_first=newest_first, after=after, limit=_STEP)
        yield from nodes
        if len(nodes) < _STEP:
            return
        after = Cursor(nodes[-1].created, nodes[-1].id)


def _ordered(nodes: Iterable[Node], newest_first: bool, after: Cursor | None) -> Sequence[Node]:
    ordered = sorted(nodes, key=lambda node: (node.created, node.id), reverse=newest_first)
    if after is None:
        return ordered
    mark = (after.created, after.id)
    return [n for n in ordered if ((n.created, n.id) < mark if newest_first else (n.created, n.id) > mark)]


def search(graph: Graph, text: str, *, kinds: Collection[str], limit: int) -> Sequence[Found]:
    """Return artifacts, runs and experiments whose name holds a text, newest first."""
    for kind in kinds:
        if kind not in _SEARCHED:
            raise InvalidInputError(f"there is no kind {kind!r} to search for", hint=f"One of: {', '.join(_SEARCHED)}.")
    one_more(limit)  # a check
    wanted = [_SEARCHED[kind] for kind in kinds] or list(_SEARCHED.values())
    nodes = graph.find(kinds=wanted, text=text, newest_first=True, limit=limit)
    found = reading.records(graph, nodes)
    return [found[node.id] for node in nodes if node.id in found]


def starts(graph: Graph, found: Found) -> Sequence[NodeId]:
    """Return the artifacts and runs that a ref stands for when lineage is followed from it."""
    match found:
        case Content():
            return [artifact.id.value for artifact in found.artifacts]
        case Experiment():
            members = graph.edges([found.id], Direction.UP, {EdgeKind.IN_EXPERIMENT})
            return list(dict.fromkeys(edge.source for edge in members))
        case Evaluation():
            return [found.run.value, found.model.id.value, found.dataset.id.value]
        case Artifact() | Run():
            return [found.id.value]


def trace(
    graph: Graph, start: Sequence[NodeId], direction: Direction, *, depth: int | None, max_nodes: int | None
) -> Trace:
    """Return everything that made it, or stands on it, with the edges between."""
    if depth is not None and depth < 0:
        raise InvalidInputError(f"a depth cannot be {depth}", hint="0 is the thing itself, 1 what it touches.")
    if max_nodes is not None and max_nodes < 1:
        raise InvalidInputError(f"a trace cannot have {max_nodes} nodes", hint="Ask for at least 1.")
    found = questions.trace(graph, start, direction, depth=depth, max_nodes=max_nodes)
    nodes = [node for node in found.nodes if reading.is_known(node)]
    return Trace(
        roots=tuple(EventId(key) for key in start),
        direction=direction.value,
        nodes=tuple(reading.run(node) if node.kind == NodeKind.RUN else reading.artifact(node) for node in nodes),
        edges=tuple(trace_edge(edge) for edge in found.edges),
        distance={EventId(key): hops for key, hops in found.distance.items()},
        total=found.total,
        truncated=found.truncated,
        unseen=tuple(EventId(node.id) for node in found.nodes if not reading.is_known(node)),
    )


def models_trained_on(
    graph: Graph, contents: Collection[NodeId], *, transitive: bool, after: Cursor | None, limit: int | None
) -> Page:
    """Return the models trained on content, oldest first, as a page of `TrainedModel`."""
    found = questions.models_trained_on(graph, contents, transitive=transitive, after=after, limit=one_more(limit))
    items = [TrainedModel(reading.artifact(trained.model), trained.direct, trained.roles) for trained in found]
    total = questions.count_models_trained_on(graph, contents, transitive=transitive)
    return reading.page([trained.model for trained in found], items, limit, total)


def impact(graph: Graph, start: Sequence[NodeId]) -> Impact:
    """Return what stands on these artifacts or runs."""
    found = questions.impact(graph, start)
    return Impact(
        models=tuple(reading.artifact(node) for node in found.models if reading.is_known(node)),
        evaluations=tuple(reading.evaluations(graph, found.evaluations)),
        aliases=tuple(reading.aliases(graph, found.aliases)),
        runs=found.runs,
        artifacts=found.artifacts,
    )


def evaluations(
    graph: Graph, *, models: Collection[NodeId], datasets: Collection[NodeId], experiment: NodeId | None
) -> Sequence[Evaluation]:
    """Return the evaluations that meet every condition given, oldest first."""
    nodes = questions.evaluations(graph, models=models, datasets=datasets, experiment=experiment)
    return reading.evaluations(graph, nodes)


def table(evaluations: Sequence[Evaluation]) -> MetricsTable:
    """Lay evaluations, oldest first, out as models × datasets, the newest of each pair."""
    cells = {(item.model.id, item.dataset.id): item for item in evaluations}
    models = {item.model.id: item.model for item in evaluations}
    datasets = {item.dataset.id: item.dataset for item in evaluations}
    names = {name for item in cells.values() for name in item.metrics}
    return MetricsTable(
        models=tuple(sorted(models.values(), key=_by_label)),
        datasets=tuple(sorted(datasets.values(), key=_by_label)),
        metrics=tuple(sorted(names)),
        cells=tuple(cells.values()),
    )


def _by_label(artifact: Artifact) -> tuple[str, int, EventId]:
    return (artifact.name, artifact.version, artifact.id)
