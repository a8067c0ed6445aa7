"""Answer questions: ask the graph, and turn what it says into records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lin.errors import InvalidInputError
from lin.lineage import filters, questions, searching
from lin.lineage.events import EventId
from lin.lineage.graph import PROVENANCE, Cursor, Direction, Edge, EdgeKind, Graph, Node, NodeId, NodeKind
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
    Leak,
    MetricsTable,
    Page,
    Run,
    Trace,
    TrainedModel,
    Way,
)

_STEP = 500
"""Runs that are looked at in one go when they have to be sifted."""
_MOST_ENDS = 100
"""Artifacts with the same bytes to which a way is looked for, the oldest."""
_LINEAGE = {kind.word: kind for kind in NodeKind if kind.is_artifact or kind is NodeKind.RUN}
_REACHED = {**_LINEAGE, "evaluation": NodeKind.EVALUATION}
_MEASURED = {"model": NodeKind.MODEL, "run": NodeKind.RUN, "evaluation": NodeKind.EVALUATION}
"""What is searched by value unless kinds are named."""
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
    """Return runs in the order they started, as a page of `Run`; see `Repository.runs`."""
    if experiment is None:
        steps = _all_runs(graph, newest_first=newest_first, after=after)
    else:
        members = graph.edges([experiment], Direction.UP, {EdgeKind.IN_EXPERIMENT})
        nodes = _ordered(graph.get({edge.source for edge in members}).values(), newest_first, after)
        steps = (nodes[start : start + _STEP] for start in range(0, len(nodes), _STEP))

    def wanted(nodes: Sequence[Node]) -> Iterable[Node]:
        runs = [node for node in nodes if node.kind == NodeKind.RUN and reading.is_known(node)]
        return (node for node in runs if not statuses or reading.run(node).status in statuses)

    found = searching.sift(steps, wanted, one_more(limit))
    return _sifted(found, reading.page(found.nodes, [reading.run(node) for node in found.nodes], limit))


def _all_runs(graph: Graph, *, newest_first: bool, after: Cursor | None) -> Iterator[Sequence[Node]]:
    while nodes := graph.find(kinds=[NodeKind.RUN], newest_first=newest_first, after=after, limit=_STEP):
        yield nodes
        if len(nodes) < _STEP:
            return
        after = Cursor(nodes[-1].created, nodes[-1].id)


def _sifted(found: searching.Sifted, page: Page) -> Page:
    """Say where looking for a page of what was sifted stopped, if it did."""
    return page if found.stopped is None else replace(page, next=found.stopped, stopped=True)


def _ordered(nodes: Iterable[Node], newest_first: bool, after: Cursor | None) -> Sequence[Node]:
    ordered = sorted(nodes, key=lambda node: (node.created, node.id), reverse=newest_first)
    if after is None:
        return ordered
    mark = (after.created, after.id)
    return [n for n in ordered if ((n.created, n.id) < mark if newest_first else (n.created, n.id) > mark)]


def models_of(graph: Graph, experiment: NodeId, *, newest_first: bool, after: Cursor | None, limit: int | None) -> Page:
    """Return the models of an experiment, as a page of `Artifact`, counted."""
    models = graph.get(questions.models_of(graph, experiment)).values()
    known = [node for node in models if reading.is_known(node)]
    nodes = _ordered(known, newest_first, after)[: one_more(limit)]
    return reading.page(nodes, [reading.artifact(node) for node in nodes], limit, len(known))


def search(
    graph: Graph,
    *,
    text: str | None,
    kinds: Collection[str],
    where: str | None,
    newest_first: bool,
    after: Cursor | None,
    limit: int | None,
) -> Page:
    """Return things by name, kind and value, as a page of whatever they are; see `Repository.search`."""
    conditions = filters.parse(where) if where is not None else ()
    words = _MEASURED if conditions else _SEARCHED
    wanted = [_kind(kind, {**_SEARCHED, **_MEASURED}, "to search for") for kind in kinds]
    found = searching.search(
        graph,
        kinds=wanted or list(words.values()),
        text=text,
        where=conditions,
        newest_first=newest_first,
        after=after,
        limit=one_more(limit),
    )
    return _sifted(found, _page_of(graph, found.nodes, limit))


def closure(
    graph: Graph,
    start: Sequence[NodeId],
    direction: Direction,
    *,
    kinds: Collection[str],
    depth: int | None,
    since: int | None,
    until: int | None,
    after: Cursor | None,
    limit: int | None,
) -> Page:
    """Return what made something, or what stands on it, as a page of artifacts and runs, counted."""
    _check_depth(depth)
    wanted = [_kind(kind, _REACHED, "that lineage leads to") for kind in kinds] or list(_LINEAGE.values())
    along = questions.STANDING if NodeKind.EVALUATION in wanted and direction is Direction.DOWN else PROVENANCE
    within: dict[str, Any] = {"nodes": wanted, "depth": depth, "since": since, "until": until}
    nodes = graph.closure(start, direction, along, after=after, limit=one_more(limit), **within)
    whole = after is None and (limit is None or len(nodes) <= limit)
    total = len(nodes) if whole else graph.closure_size(start, direction, along, **within)
    return _page_of(graph, nodes, limit, total)


def path(graph: Graph, one: Found, other: Found) -> Way | None:
    """Return a shortest way between two things, from the first to the second if there is one, else back."""
    along = PROVENANCE | {EdgeKind.HAS_CONTENT, EdgeKind.EVALUATED, EdgeKind.EVALUATED_ON, EdgeKind.EVALUATED_BY}
    for source, target in ((one, other), (other, one)):
        edges = questions.path(graph, _way_starts(source), _way_ends(target), along)
        if edges is not None:
            return way(graph, edges, _way_starts(source)[0], backwards=source is other)
    return None


def way(graph: Graph, edges: Sequence[Edge], start: NodeId, *, backwards: bool = False) -> Way:
    """Turn the edges of a path into its record; `start` is where a path without edges stays."""
    ids = [edges[0].source if edges else start, *(edge.target for edge in edges)]
    known = reading.records(graph, graph.get(ids).values())
    nodes = [known.get(key) for key in ids]
    return Way(
        tuple(node if not isinstance(node, Experiment) else None for node in nodes),
        tuple(trace_edge(edge) for edge in edges),
        backwards,
    )


def _way_starts(found: Found) -> Sequence[NodeId]:
    if isinstance(found, Experiment):
        raise InvalidInputError(
            f"{found.name!r} is an experiment, between which there are no ways", hint="Name an artifact or a run."
        )
    return [found.digest.value if isinstance(found, Content) else found.id.value]


def _way_ends(found: Found) -> Sequence[NodeId]:
    if isinstance(found, Content):  # a way to bytes is one to an artifact that holds them
        return [artifact.id.value for artifact in found.artifacts[:_MOST_ENDS]]
    return _way_starts(found)


def leaks(graph: Graph, models: Collection[NodeId] | None, *, after: Cursor | None, limit: int | None) -> Page:
    """Return evaluations of models on what they learned from, as a page of `Leak`."""
    found = questions.leaks(graph, models, after=after, limit=one_more(limit))
    nodes = [leak.evaluation for leak in found]
    shown = found if limit is None else found[:limit]
    known = leak_records(graph, shown)
    items = tuple(known[leak.evaluation.id] for leak in shown if leak.evaluation.id in known)
    return Page(items, reading.after(nodes, limit), len(found) if after is None and shown is found else None)


def leak_records(graph: Graph, leaks: Sequence[questions.Leak]) -> Mapping[NodeId, Leak]:
    """Return the record of each leak whose model and dataset are known here, by evaluation."""
    known = {item.id.value: item for item in reading.evaluations(graph, [leak.evaluation for leak in leaks])}
    learned = graph.get({node for leak in leaks for node in leak.learned})
    return {
        leak.evaluation.id: Leak(
            known[leak.evaluation.id],
            tuple(reading.artifact(learned[node]) for node in leak.learned if reading.is_known(learned[node])),
        )
        for leak in leaks
        if leak.evaluation.id in known
    }


def _page_of(graph: Graph, nodes: Sequence[Node], limit: int | None, total: int | None = None) -> Page:
    """Make a page of nodes that were asked for with one more than `limit`."""
    shown = nodes if limit is None else nodes[:limit]
    found = reading.records(graph, shown)
    return Page(tuple(found[node.id] for node in shown if node.id in found), reading.after(nodes, limit), total)


def _kind(word: str, known: Mapping[str, NodeKind], what: str) -> NodeKind:
    if word not in known:
        raise InvalidInputError(f"there is no kind {word!r} {what}", hint=f"One of: {', '.join(known)}.")
    return known[word]


def _check_depth(depth: int | None) -> None:
    if depth is not None and depth < 0:
        raise InvalidInputError(f"a depth cannot be {depth}", hint="0 is the thing itself, 1 what it touches.")


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
    _check_depth(depth)
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


def impact(graph: Graph, start: Sequence[NodeId], limit: int | None) -> Impact:
    """Return what stands on these artifacts or runs: how much, and the first of each sort."""
    found = questions.impact(graph, start, limit=limit)
    return Impact(
        models=tuple(reading.artifact(node) for node in found.models if reading.is_known(node)),
        evaluations=tuple(reading.evaluations(graph, found.evaluations)),
        aliases=tuple(reading.aliases(graph, found.aliases)),
        model_count=found.model_count,
        evaluation_count=found.evaluation_count,
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
