"""The engine for teams: the graph in a Neo4j server (5.26 or later, Community suffices), through the official driver.

Every method is a few statements with plans that are safe (`_neo4j_statements`), seen as one state of the graph
(`_neo4j_server`). Where no single statement is safe, the search goes level by level from here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from lin.errors import ConflictError, DamagedIndexError

from . import _neo4j_errors as errors
from . import _neo4j_setup as setup
from . import _neo4j_statements as cypher
from ._neo4j_rows import Run, by_ids, chunks, handle, hexed, in_order, read_edge, read_node
from ._neo4j_search import Way, large_subgraph, reach, small_subgraph
from ._neo4j_server import Neo4jServer
from ._neo4j_writing import add
from .graph import (
    Batch,
    Cursor,
    Direction,
    Edge,
    EdgeKind,
    Node,
    NodeId,
    NodeKind,
    Position,
    Subgraph,
    ascii_lower,
)

FEW_STARTS = 4
"""Starts up to which one statement follows all of them; it goes over what they share once for each."""

_LAST = cypher.NO_LIMIT
_FAR = 2**31 - 1
_SEEN_KINDS = frozenset(NodeKind) - {NodeKind.UNSEEN}
_DIGITS = frozenset("0123456789abcdef")

T = TypeVar("T")


class Neo4jGraph:
    """A graph in a database of a Neo4j server, set up on first use.

    Safe to use from several threads at once, and from several processes each with its own. It outlives restarts of the
    server: while that is away every method raises `BackendError`, within seconds, and afterwards goes on.

    Args:
        uri: Such as `neo4j://graph.example:7687`; without credentials.
        auth: User and password; None where the server asks for none.
        database: Its name; the user's home database if None.
        repository: The id of the repository; a database that holds another one's graph is refused.

    Raises:
        InvalidInputError: The URI names no server; by any method also if the database holds someone else's data.
        PermissionDeniedError: By any method: wrong credentials.
        UnsupportedFormatError: By any method: a newer lin made the graph.
        DamagedIndexError: By any method but `clear`, which repairs it.
    """

    def __init__(
        self,
        uri: str,
        auth: tuple[str, str] | None = None,
        database: str | None = None,
        *,
        repository: str = "",
    ) -> None:
        self._server = Neo4jServer(uri, auth, database)
        self._repository = repository
        self._lock = threading.Lock()
        self._is_prepared = False

    def position(self) -> Position:
        """Return how much of the log this graph holds."""
        state = self._read(self._server.state)
        return Position(state.size, tuple(bytes.fromhex(root) for root in state.frontier))

    def apply(self, batch: Batch, *, expected: int, position: Position) -> None:
        """Add a batch and move to `position`, atomically and durably; see `Graph.apply`."""

        def work(run: Run) -> None:
            size = self._server.state(run).size
            if size != expected:
                raise ConflictError(f"the index holds {size} events, not {expected}", hint="Read its position again.")
            add(run, batch)
            frontier = [root.hex() for root in position.frontier]
            run(cypher.MOVE, size=position.size, frontier=frontier, emptying=False)

        with self._prepared():
            self._server.write(work)

    def clear(self) -> None:
        """Remove everything, whatever state it is in, and go back to position 0."""
        setup.clear(self._server, self._repository)

    def close(self) -> None:
        """Release the connections; closing twice is no error."""
        self._server.close()

    def events(self, ids: Collection[bytes]) -> Mapping[bytes, int]:
        """Return the log position of each of these events that the graph holds."""
        rows = self._read(lambda run: by_ids(run, cypher.EVENTS, hexed(ids)))
        return {bytes.fromhex(event): at for event, at in rows}

    def get(self, ids: Collection[NodeId]) -> Mapping[NodeId, Node]:
        """Return the nodes that are there, by id."""
        found = self._read(lambda run: [read_node(row) for row in by_ids(run, cypher.NODES, hexed(ids))])
        return {node.id: node for node in found}

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
        where = {
            "kinds": _numbers(kinds or _SEEN_KINDS),
            "name": name,
            "handle": None if name is None else handle(name),
            "text": None if text is None else ascii_lower(text),
            "prefix": (prefix or "").lower(),
            **_cursor(after, newest_first=newest_first),
            "limit": _LAST if limit is None else limit,
        }
        if not _DIGITS.issuperset(where["prefix"]):
            return []
        if prefix:
            statement = cypher.find_by_prefix(newest_first=newest_first)
        elif name is not None:
            if text is not None and ascii_lower(text) not in ascii_lower(name):
                return []
            statement = cypher.find_by_name(newest_first=newest_first)
        elif text is not None:
            statement = cypher.find_by_text(newest_first=newest_first)
        else:
            statement = cypher.find_by_kind(newest_first=newest_first)
        return self._read(lambda run: [read_node(row) for row in run(statement, **where)])

    def count(self, *, kinds: Collection[NodeKind] = ()) -> int:
        """Count nodes of these kinds; all but `UNSEEN` when empty."""
        return self._read(lambda run: _number(run(cypher.count(set(kinds or _SEEN_KINDS)))))

    def max_version(self, name: str) -> int:
        """Return the highest version among the artifacts of this name; 0 where there is none."""
        return self._read(lambda run: _number(run(cypher.MAX_VERSION, handle=handle(name), name=name)))

    def edges(self, ids: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]) -> Sequence[Edge]:
        """Return the edges of these kinds into or out of these nodes; see `Graph.edges`."""
        if not kinds:
            return []
        statement = cypher.edges(direction, set(kinds))
        rows = self._read(lambda run: by_ids(run, statement, hexed(ids)))
        return in_order(rows)

    def closure(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        nodes: Collection[NodeKind] = (),
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return everything that can be reached; see `Graph.closure`."""
        if not kinds:
            return []
        where = {
            "kinds": _numbers(nodes or NodeKind),
            **_cursor(after),
            "limit": _LAST if limit is None else limit,
        }
        starts = hexed(start)

        def work(run: Run) -> list[Node]:
            if len(starts) <= FEW_STARTS:
                rows = run(cypher.closure(direction, set(kinds)), ids=starts, **where)
            else:
                # One list however long: the order is over all of them.
                rows = run(
                    cypher.among(counted=False), ids=reach(run, starts, Way(direction, frozenset(kinds))), **where
                )
            return [read_node(row) for row in rows]

        return self._read(work)

    def closure_size(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        nodes: Collection[NodeKind] = (),
    ) -> int:
        """Count what `closure` would return without a limit."""
        if not kinds:
            return 0
        wanted = _numbers(nodes or NodeKind)
        starts = hexed(start)

        def work(run: Run) -> int:
            if len(starts) <= FEW_STARTS:
                return _number(run(cypher.closure_size(direction, set(kinds)), ids=starts, kinds=wanted))
            reached = reach(run, starts, Way(direction, frozenset(kinds)))
            if not nodes:
                return len(reached)
            return sum(_number(run(cypher.among(counted=True), ids=some, kinds=wanted)) for some in chunks(reached))

        return self._read(work)

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
        way = Way(direction, frozenset(kinds), depth if depth is None or depth < _FAR else None)
        starts = hexed(start)
        # For up to one hop the planner takes an operator that enumerates paths.
        if kinds and len(starts) <= FEW_STARTS and (depth is None or depth > 1):
            return self._read(lambda run: small_subgraph(run, starts, way, max_nodes))
        return self._read(lambda run: large_subgraph(run, starts, way, max_nodes))

    def path(self, source: NodeId, target: NodeId, kinds: Collection[EdgeKind]) -> Sequence[Edge] | None:
        """Return one shortest way downstream from `source` to `target`; None where there is none, () for itself."""
        if source == target:
            return []
        if not kinds:
            return None
        statement = cypher.path(set(kinds))
        rows = self._read(lambda run: run(statement, source=source.hex(), target=target.hex()))
        return [read_edge(row) for row in rows] or None

    # ------------------------------------------------------------------ within

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        with self._lock:
            if not self._is_prepared:
                setup.prepare(self._server, self._repository)
                self._is_prepared = True
        try:
            yield
        except DamagedIndexError:
            # An empty database may have taken its place: the next question looks again.
            self._is_prepared = False
            raise

    def _read(self, work: Callable[[Run], T]) -> T:
        with self._prepared():
            try:
                return self._server.read(work)
            except (KeyError, ValueError, TypeError) as error:
                raise DamagedIndexError(
                    f"the graph in {self._server.place} holds what cannot be read", hint=errors.REBUILD
                ) from error


def _numbers(kinds: Iterable[NodeKind]) -> list[int]:
    return sorted({int(kind) for kind in kinds})


def _cursor(after: Cursor | None, *, newest_first: bool = False) -> dict[str, Any]:
    if after is not None:
        return {"created": after.created, "id": after.id.hex()}
    return {"created": _LAST if newest_first else -_LAST - 1, "id": ""}


def _number(rows: Sequence[list[Any]]) -> int:
    number: int = rows[0][0] if rows else 0
    return number
