"""Search by name, kind and value, over any engine.

A run has its own parameters and metrics, an evaluation its metrics. An artifact, such as a model, has those of the run
that generated it and of its evaluations: each condition may hold by another one of these.

Nobody waits much longer than `SECONDS` for a page, whatever is asked: then it is what was found so far, with the place
to go on from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from .filters import Condition
from .graph import ARTIFACT_KINDS, Cursor, Direction, EdgeKind, Graph, Node, NodeId, NodeKind, ascii_lower

SECONDS = 5.0
"""After so long a search stops, once it has looked at a step of nodes."""
FEW = 2_000
"""Nodes with a value up to which these, or their artifacts, are looked up at once."""
LOOKED = 5_000
"""Nodes that are sifted, where more than `FEW` meet each condition, before the rarest one is asked for after all."""
MANY = 20_000
"""Nodes with a value up to which these are looked up then; otherwise all are sifted."""
_STEP = 500

_HAVE_VALUES = frozenset({NodeKind.RUN, NodeKind.EVALUATION})
_GENERATED = frozenset({EdgeKind.GENERATED})
_EVALUATED = frozenset({EdgeKind.EVALUATED})


@dataclass(frozen=True, slots=True)
class Sifted:
    """What was found.

    Attributes:
        nodes: In order.
        stopped: Where the search gave up, as its time ran out; None where it came to its end or found enough.
    """

    nodes: Sequence[Node]
    stopped: Cursor | None = None


def sift(
    steps: Iterable[Sequence[Node]], meeting: Callable[[Sequence[Node]], Iterable[Node]], limit: int | None
) -> Sifted:
    """Look at nodes, step by step, until enough of them meet what is asked or time runs out.

    Args:
        steps: Nodes in the order of the answer.
        meeting: Return those of a step that meet it, in the same order.
        limit: At most so many. None asks for all there are, and waits for them.
    """
    ends = monotonic() + SECONDS
    found: list[Node] = []
    for some in steps:
        found += meeting(some)
        if limit is not None and len(found) >= limit:
            return Sifted(found[:limit])
        if limit is not None and monotonic() > ends:
            return Sifted(found, _place(some[-1]))
    return Sifted(found)


def search(
    graph: Graph,
    *,
    kinds: Collection[NodeKind],
    text: str | None = None,
    where: Sequence[Condition] = (),
    newest_first: bool = True,
    after: Cursor | None = None,
    limit: int | None = None,
) -> Sifted:
    """Return the nodes that meet every condition given, in the order (`created`, `id`).

    It visits what meets the rarest condition. Where every condition is met by many, all nodes of these kinds are
    sifted, in order, as a page is soon full then; unless it is not, because hardly any meets all of them.

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
        return Sifted(graph.find(kinds=kinds, text=text, newest_first=newest_first, after=after, limit=limit))
    wanted = (_HAVE_VALUES | ARTIFACT_KINDS) & frozenset(kinds)
    rarest, size = _rarest(graph, where, FEW)
    if not (size and wanted):
        return Sifted([])
    asked = _Asked(graph, wanted, text, where, newest_first)
    return sift(asked.among(rarest, after) if size < FEW else asked.all(after), asked.meeting, limit)


def _rarest(graph: Graph, where: Sequence[Condition], at_most: int) -> tuple[Condition, int]:
    """Return the condition that the fewest meet, and how many these are; at least `at_most` where no less do."""
    sizes = [
        sum(graph.measured_size(each.name, each.within, what=what, at_most=at_most) for what in each.measures)
        for each in where
    ]
    return where[sizes.index(min(sizes))], min(sizes)


class _Asked:
    """A question in parts."""

    def __init__(
        self,
        graph: Graph,
        kinds: frozenset[NodeKind],
        text: str | None,
        where: Sequence[Condition],
        newest_first: bool,
    ) -> None:
        self._graph = graph
        self._kinds = kinds
        self._text = text
        self._where = where
        self._newest_first = newest_first

    def meeting(self, nodes: Sequence[Node]) -> Iterator[Node]:
        """Yield those of these nodes that meet all conditions."""
        sources = _sources(self._graph, [node for node in nodes if node.kind.is_artifact])
        for node in nodes:
            holders = sources.get(node.id, ()) if node.kind.is_artifact else (node,)
            if all(each.holds(holders) for each in self._where):
                yield node

    def all(self, after: Cursor | None) -> Iterator[Sequence[Node]]:
        """Yield all nodes of these kinds and this name; once many were in vain, those alone that may do."""
        looked = 0
        while some := self._graph.find(
            kinds=self._kinds, text=self._text, newest_first=self._newest_first, after=after, limit=_STEP
        ):
            yield some
            if len(some) < _STEP:
                return
            after = _place(some[-1])
            looked += len(some)
            if looked - len(some) < LOOKED <= looked:
                rarest, size = _rarest(self._graph, self._where, MANY)
                if size < MANY:
                    yield from self.among(rarest, after)
                    return

    def among(self, condition: Condition, after: Cursor | None) -> Iterator[Sequence[Node]]:
        """Yield the nodes of these kinds and this name that a condition holds for, as far as its values decide."""
        holders = _measured(self._graph, condition)
        nodes = {node.id: node for node in holders}
        if self._kinds & ARTIFACT_KINDS:
            ids = {edge.target for edge in self._graph.edges(_ids(holders), Direction.DOWN, _GENERATED)}
            ids |= {edge.source for edge in self._graph.edges(_ids(holders), Direction.UP, _EVALUATED)}
            nodes |= self._graph.get(ids)
        text = None if self._text is None else ascii_lower(self._text)
        wanted = sorted(
            (node for node in nodes.values() if self._is_asked_for(node, text, after)),
            key=_order,
            reverse=self._newest_first,
        )
        yield from (wanted[start : start + _STEP] for start in range(0, len(wanted), _STEP))

    def _is_asked_for(self, node: Node, text: str | None, after: Cursor | None) -> bool:
        if node.kind not in self._kinds or (text is not None and text not in ascii_lower(node.name or "")):
            return False
        if after is None:
            return True
        place = (after.created, after.id)
        return _order(node) < place if self._newest_first else _order(node) > place


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


def _place(node: Node) -> Cursor:
    return Cursor(node.created, node.id)
