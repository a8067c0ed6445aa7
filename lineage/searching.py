"""Search by name, kind and value, over any engine.

A run has its own parameters and metrics, an evaluation its metrics. An artifact, such as a model, has those of the run
that generated it and of its evaluations: each condition may hold by another one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby, islice

from .filters import Condition
from .graph import ARTIFACT_KINDS, Cursor, Direction, EdgeKind, Graph, Node, NodeId, NodeKind, ascii_lower

FEW = 2_000
"""Nodes with a value up to which their artifacts are looked up at once; otherwise artifacts are sifted in order."""
_STEP = 500

_HAVE_VALUES = frozenset({NodeKind.RUN, NodeKind.EVALUATION})
_GENERATED = frozenset({EdgeKind.GENERATED})
_EVALUATED = frozenset({EdgeKind.EVALUATED})


def search(
    graph: Graph,
    *,
    kinds: Collection[NodeKind],
    text: str | None = None,
    where: Sequence[Condition] = (),
    newest_first: bool = True,
    after: Cursor | None = None,
    limit: int | None = None,
) -> Sequence[Node]:
    """Return the nodes that meet every condition given, in the order (`created`, `id`).

    It visits what meets the rarest condition, a page at a time, or, for artifacts where every condition is met by many,
    the artifacts in order until there are enough.

    Args:
        graph: Where to look.
        kinds: Any of these.
        text: The name holds this text, A to Z in either case.
        where: Conditions on values; experiments have none.
        newest_first: Reverse the order.
        after: Only what comes after this cursor in the order asked for.
        limit: At most so many.
    """
    if not where:
        return graph.find(kinds=kinds, text=text, newest_first=newest_first, after=after, limit=limit)
    samples = [_sample(graph, condition) for condition in where]
    rarest = min(range(len(where)), key=lambda index: len(samples[index]))
    if not samples[rarest]:
        return []
    asked = _Asked(graph, text, where, newest_first, after)
    streams: list[Iterable[Node]] = []
    if direct := _HAVE_VALUES & set(kinds):
        streams.append(asked.measured(where[rarest], direct))
    if made := ARTIFACT_KINDS & set(kinds):
        few = samples[rarest] if len(samples[rarest]) < FEW else None
        streams.append(asked.artifacts(made, few))
    return list(islice(merge(*streams, key=_order, reverse=newest_first), limit))


class _Asked:
    """A question in parts."""

    def __init__(
        self, graph: Graph, text: str | None, where: Sequence[Condition], newest_first: bool, after: Cursor | None
    ) -> None:
        self._graph = graph
        self._text = None if text is None else ascii_lower(text)
        self._given = text
        self._where = where
        self._newest_first = newest_first
        self._after = after

    def measured(self, condition: Condition, kinds: Collection[NodeKind]) -> Iterator[Node]:
        """Yield the runs and evaluations that meet one condition, and then all of them."""
        streams = [
            self._pages(
                lambda after, what=what: self._graph.measured(  # type: ignore[misc]
                    condition.name,
                    condition.within,
                    what=what,
                    kinds=kinds,
                    newest_first=self._newest_first,
                    after=after,
                    limit=_STEP,
                )
            )
            for what in condition.measures
        ]
        for _, same in groupby(merge(*streams, key=_order, reverse=self._newest_first), key=_order):
            node = next(same)
            if self._named(node) and all(each.holds([node]) for each in self._where):
                yield node

    def artifacts(self, kinds: Collection[NodeKind], few: Sequence[Node] | None) -> Iterator[Node]:
        """Yield the artifacts that meet all conditions: of these few runs and evaluations, else of all artifacts."""
        if few is None:
            candidates = self._pages(
                lambda after: self._graph.find(
                    kinds=kinds, text=self._given, newest_first=self._newest_first, after=after, limit=_STEP
                )
            )
        else:
            ids = {edge.target for edge in self._graph.edges(_ids(few), Direction.DOWN, _GENERATED)}
            ids |= {edge.source for edge in self._graph.edges(_ids(few), Direction.UP, _EVALUATED)}
            nodes = [n for n in self._graph.get(ids).values() if n.kind in kinds and self._named(n) and self._beyond(n)]
            candidates = iter(sorted(nodes, key=_order, reverse=self._newest_first))
        while some := list(islice(candidates, _STEP)):
            sources = _sources(self._graph, some)
            yield from (node for node in some if all(each.holds(sources.get(node.id, ())) for each in self._where))

    def _named(self, node: Node) -> bool:
        return self._text is None or (node.name is not None and self._text in ascii_lower(node.name))

    def _beyond(self, node: Node) -> bool:
        if self._after is None:
            return True
        place = (self._after.created, self._after.id)
        return _order(node) < place if self._newest_first else _order(node) > place

    def _pages(self, read: Callable[[Cursor | None], Sequence[Node]]) -> Iterator[Node]:
        after = self._after
        while some := read(after):
            yield from some
            if len(some) < _STEP:
                return
            after = Cursor(some[-1].created, some[-1].id)


def _sample(graph: Graph, condition: Condition) -> Sequence[Node]:
    found = {
        node.id: node
        for what in condition.measures
        for node in graph.measured(condition.name, condition.within, what=what, limit=FEW)
    }
    return list(found.values())


def _sources(graph: Graph, artifacts: Sequence[Node]) -> Mapping[NodeId, Sequence[Node]]:
    """Return for each artifact the run that generated it and its evaluations."""
    made = graph.edges(_ids(artifacts), Direction.UP, _GENERATED)
    measured = graph.edges(_ids(artifacts), Direction.DOWN, _EVALUATED)
    pairs = [*((edge.target, edge.source) for edge in made), *((edge.source, edge.target) for edge in measured)]
    nodes = graph.get({source for _, source in pairs})
    answer: dict[NodeId, list[Node]] = {}
    for artifact, source in pairs:
        answer.setdefault(artifact, []).append(nodes[source])
    return answer


def _ids(nodes: Sequence[Node]) -> list[NodeId]:
    return [node.id for node in nodes]


def _order(node: Node) -> tuple[int, NodeId]:
    return node.created, node.id
