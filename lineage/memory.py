"""The in-memory engine: dictionaries and plain searches, the reference that other engines are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from threading import RLock

from lin.errors import ConflictError

from . import leaking
from .graph import (
    ANYTHING,
    Batch,
    Cursor,
    Direction,
    Edge,
    EdgeKind,
    Measure,
    Node,
    NodeId,
    NodeKind,
    Position,
    Subgraph,
    Truncation,
    Within,
    ascii_lower,
)
from .measures import has_value
from .union import combine, merge, merge_edge, version_of


class MemoryGraph:
    """A graph in this process's memory, gone when it ends."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._position = Position()
        self.clear()

    def position(self) -> Position:
        """Return how much of the log this graph holds."""
        return self._position

    def apply(self, batch: Batch, *, expected: int, position: Position) -> None:
        """Add a batch and move to `position`; see `Graph.apply`."""
        with self._lock:
            if self._position.size != expected:
                raise ConflictError(
                    f"the index holds {self._position.size} events, not {expected}", hint="Read its position again."
                )
            batch = combine([batch])  # the only step that a malformed batch can make fail
            for node in batch.nodes:
                self._nodes[node.id] = merge(self._nodes.get(node.id, node), node)
            for edge in batch.edges:
                key = (edge.source, edge.kind, edge.target)
                for end in (edge.source, edge.target):
                    self._nodes.setdefault(end, Node(end, NodeKind.UNSEEN))
                edge = merge_edge(self._edges.get(key, edge), edge)  # noqa: PLW2901 - the union replaces it
                self._edges[key] = edge
                self._around[Direction.DOWN].setdefault(edge.source, {})[key] = edge.target
                self._around[Direction.UP].setdefault(edge.target, {})[key] = edge.source
            for event, at in batch.events:
                self._events[event] = min(at, self._events.get(event, at))
            self._position = position

    def clear(self) -> None:
        """Remove everything and go back to position 0."""
        with self._lock:
            self._position = Position()
            self._nodes: dict[NodeId, Node] = {}
            self._edges: dict[tuple[NodeId, EdgeKind, NodeId], Edge] = {}
            # For each direction and node: the edges to follow, and where they lead.
            self._around: dict[Direction, dict[NodeId, dict[tuple[NodeId, EdgeKind, NodeId], NodeId]]] = {
                Direction.UP: {},
                Direction.DOWN: {},
            }
            self._events: dict[bytes, int] = {}

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def events(self, ids: Collection[bytes]) -> Mapping[bytes, int]:
        """Return the log position of each of these events that the graph holds."""
        with self._lock:
            return {event: self._events[event] for event in ids if event in self._events}

    def get(self, ids: Collection[NodeId]) -> Mapping[NodeId, Node]:
        """Return the nodes that are there, by id."""
        with self._lock:
            return {node: self._nodes[node] for node in ids if node in self._nodes}

    def find(
        self,
        *,
        kinds: Collection[NodeKind] = (),
        name: str | None = None,
        text: str | None = None,
        prefix: str | None = None,
        newest_first: bool = False,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the nodes that meet every condition; see `Graph.find`."""

        def meets(node: Node) -> bool:
            return (
                (node.kind in kinds if kinds else node.kind != NodeKind.UNSEEN)
                and (name is None or node.name == name)
                and (text is None or (node.name is not None and ascii_lower(text) in ascii_lower(node.name)))
                and (prefix is None or node.id.hex().startswith(prefix.lower()))
            )

        with self._lock:
            found = [node for node in self._nodes.values() if meets(node)]
        return _page(found, after, limit, newest_first=newest_first)

    def count(self, *, kinds: Collection[NodeKind] = ()) -> int:
        """Count nodes of these kinds; all but `UNSEEN` when empty."""
        return len(self.find(kinds=kinds))

    def max_version(self, name: str) -> int:
        """Return the highest version among the artifacts of this name; 0 where there is none."""
        return max((version_of(node) or 0 for node in self.find(name=name)), default=0)

    def edges(self, ids: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]) -> Sequence[Edge]:
        """Return the edges of these kinds into or out of these nodes; see `Graph.edges`."""
        with self._lock:
            keys = {key for node in ids for key in self._around[direction].get(node, ()) if key[1] in kinds}
            return [self._edges[key] for key in sorted(keys)]

    def measured(
        self,
        name: str,
        within: Within = ANYTHING,
        *,
        what: Measure = Measure.METRIC,
        kinds: Collection[NodeKind] = (),
        newest_first: bool = False,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the runs and evaluations that have such a metric or parameter; see `Graph.measured`."""
        with self._lock:
            found = [
                node
                for node in self._nodes.values()
                if (not kinds or node.kind in kinds) and has_value(node, what, name, within)
            ]
        return _page(found, after, limit, newest_first=newest_first)

    def measured_size(
        self, name: str, within: Within = ANYTHING, *, what: Measure = Measure.METRIC, at_most: int | None = None
    ) -> int:
        """Count what `measured` would return without a limit."""
        return len(self.measured(name, within, what=what)[:at_most])

    def closure(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        nodes: Collection[NodeKind] = (),
        depth: int | None = None,
        since: int | None = None,
        until: int | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return everything that can be reached; see `Graph.closure`."""

        def meets(node: Node) -> bool:
            return (
                (not nodes or node.kind in nodes)
                and (since is None or node.created >= since)
                and (until is None or node.created <= until)
            )

        with self._lock:
            seen: set[NodeId] = set()
            level: Iterable[NodeId] = start
            hops = 0
            while level and (depth is None or hops < depth):
                level = set(self._step(level, direction, kinds)) - seen
                seen |= level
                hops += 1
            found = [self._nodes[node] for node in seen]
        return _page([node for node in found if meets(node)], after, limit)

    def closure_size(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        nodes: Collection[NodeKind] = (),
        depth: int | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> int:
        """Count what `closure` would return without a limit."""
        return len(self.closure(start, direction, kinds, nodes=nodes, depth=depth, since=since, until=until))

    def closure_kinds(
        self, start: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]
    ) -> Mapping[NodeKind, int]:
        """Count what `closure` would return without a limit, by kind of node."""
        return Counter(node.kind for node in self.closure(start, direction, kinds))

    def leaks(
        self,
        learning: Collection[EdgeKind],
        *,
        models: Collection[NodeId] | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the evaluations on content that their model was made from; see `Graph.leaks`."""
        return leaking.leaks(self, learning, models=models, after=after, limit=limit)

    def subgraph(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        depth: int | None = None,
        max_nodes: int | None = None,
    ) -> Subgraph:
        """Return what can be reached with the edges between; see `Graph.subgraph`."""
        with self._lock:
            distance: dict[NodeId, int] = {}
            level = {node for node in start if node in self._nodes}
            hops = 0
            while level and (depth is None or hops <= depth):
                distance.update(dict.fromkeys(level, hops))
                level = set(self._step(level, direction, kinds)) - distance.keys()
                hops += 1
            kept = sorted(distance, key=lambda node: (distance[node], node))[:max_nodes]
            cut = Truncation.NODES if len(kept) < len(distance) else Truncation.DEPTH if level else None
            inside = set(kept)
            edges = [e for e in self.edges(kept, direction, kinds) if e.source in inside and e.target in inside]
            return Subgraph(
                tuple(self._nodes[node] for node in kept),
                tuple(edges),
                {node: distance[node] for node in kept},
                len(distance),
                cut,
            )

    def path(self, source: NodeId, target: NodeId, kinds: Collection[EdgeKind]) -> Sequence[Edge] | None:
        """Return one shortest way downstream from `source` to `target`; None where there is none, () for itself."""
        with self._lock:
            came: dict[NodeId, Edge | None] = {source: None}
            level = [source]
            while level and target not in came:
                following: list[NodeId] = []
                for edge in self.edges(level, Direction.DOWN, kinds):
                    if edge.target not in came:
                        came[edge.target] = edge
                        following.append(edge.target)
                level = following
        if target not in came:
            return None
        way: list[Edge] = []
        while (edge_in := came[target]) is not None:
            way.append(edge_in)
            target = edge_in.source
        return way[::-1]

    def _step(self, level: Iterable[NodeId], direction: Direction, kinds: Collection[EdgeKind]) -> Iterator[NodeId]:
        for node in level:
            for key, end in self._around[direction].get(node, {}).items():
                if key[1] in kinds:
                    yield end


def _order(node: Node) -> tuple[int, NodeId]:
    return node.created, node.id


def _page(nodes: list[Node], after: Cursor | None, limit: int | None, *, newest_first: bool = False) -> Sequence[Node]:
    beyond: Callable[[Node], bool] = lambda _: True  # noqa: E731 - replaced below where there is a cursor
    if after is not None:
        place = (after.created, after.id)
        beyond = (lambda n: _order(n) < place) if newest_first else (lambda n: _order(n) > place)
    return sorted(filter(beyond, nodes), key=_order, reverse=newest_first)[:limit]
