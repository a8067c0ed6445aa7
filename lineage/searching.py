"""Search by name, kind and value, over any engine.

A run has its own parameters and metrics, an evaluation its metrics. An artifact, such as a model, has those of the run
that generated it and of its evaluations: each condition may hold by another one of these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice

from .filters import Condition
from .graph import ARTIFACT_KINDS, Cursor, Direction, EdgeKind, Graph, Node, NodeId, NodeKind, ascii_lower

FEW = 2_000
"""Nodes with a value up to which these, or their artifacts, are looked up at once; otherwise all are sifted."""
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

    It visits what meets the rarest condition; where every condition is met by many, all nodes of these kinds, in order,
    until there are enough.

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
    sizes = [
        sum(graph.measured_size(each.name, each.within, what=what, at_most=FEW) for what in each.measures)
        for each in where
    ]
    rarest = where[sizes.index(min(sizes))]
    if not min(sizes):
        return []
    few = _measured(graph, rarest) if min(sizes) < FEW else None
    asked = _Asked(graph, text, where, newest_first, after)
    streams: list[Iterable[Node]] = []
    if direct := _HAVE_VALUES & set(kinds):
        streams.append(asked.measured(direct, few))
    if made := ARTIFACT_KINDS & set(kinds):
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

    def measured(self, kinds: Collection[NodeKind], few: Sequence[Node] | None) -> Iterator[Node]:
        """Yield the runs and evaluations that meet all conditions: of these few, else of all there are."""
        for node in self._sifted(few, kinds):
            if all(each.holds([node]) for each in self._where):
                yield node

    def artifacts(self, kinds: Collection[NodeKind], few: Sequence[Node] | None) -> Iterator[Node]:
        """Yield the artifacts that meet all conditions: of these few runs and evaluations, else of all artifacts."""
        if few is not None:
            ids = {edge.target for edge in self._graph.edges(_ids(few), Direction.DOWN, _GENERATED)}
            ids |= {edge.source for edge in self._graph.edges(_ids(few), Direction.UP, _EVALUATED)}
            few = list(self._graph.get(ids).values())
        candidates = self._sifted(few, kinds)
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

    def _sifted(self, few: Sequence[Node] | None, kinds: Collection[NodeKind]) -> Iterator[Node]:
        """Yield the nodes of these kinds and this name, in order, after the cursor: of these few, else of all."""
        if few is not None:
            nodes = [n for n in few if n.kind in kinds and self._named(n) and self._beyond(n)]
            yield from sorted(nodes, key=_order, reverse=self._newest_first)
            return
        after = self._after
        while some := self._graph.find(
            kinds=kinds, text=self._given, newest_first=self._newest_first, after=after, limit=_STEP
        ):
            yield from some
            if len(some) < _STEP:
                return
            after = Cursor(some[-1].created, some[-1].id)


def _measured(graph: Graph, condition: Condition) -> Sequence[Node]:
    found = {
        node.id: node
        for what in condition.measures
        for node in graph.measured(condition.name, condition.within, what=what)
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
