"""The engine for teams: the graph in a Neo4j server (5.26 or later, Community suffices), through the official driver.

Every method is a few statements with plans that are safe (`_neo4j_statements`), seen as one state of the graph
(`_neo4j_server`). Where no single statement is safe, the search goes level by level from here.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lin.errors import ConflictError, DamagedIndexError

from . import _neo4j_errors as errors
from . import _neo4j_setup as setup
from . import _neo4j_statements as cypher
from ._neo4j_rows import Run, handle, hexed, in_order, read_edge, read_node, stored, value_place
from ._neo4j_search import Way, nearest_subgraph, reach, whole_subgraph
from ._neo4j_server import Neo4jServer
from ._neo4j_writing import add
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
    Within,
    ascii_lower,
)
from .leaking import leaks

FEW_STARTS = 4
"""Starts up to which one statement follows all of them; it goes over what they share once for each."""

_LAST = cypher.NO_LIMIT
_FAR = 2**31 - 1
_SEEN_KINDS = frozenset(NodeKind) - {NodeKind.UNSEEN}
_DIGITS = frozenset("0123456789abcdef")


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
        with self._reading():
            state = self._server.position()
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
        with self._reading():
            rows = self._server.ask_for(cypher.EVENTS, hexed(ids))
            return {bytes.fromhex(event): at for event, at in rows}

    def get(self, ids: Collection[NodeId]) -> Mapping[NodeId, Node]:
        """Return the nodes that are there, by id."""
        with self._reading():
            found = map(read_node, self._server.ask_for(cypher.NODES, hexed(ids)))
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
            "limit": _bounded(limit),
        }
        if not (_DIGITS.issuperset(where["prefix"]) and _is_text(name or "") and _is_text(text or "")):
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
        with self._reading():
            return [read_node(row) for row in self._server.ask(statement, **where)]

    def count(self, *, kinds: Collection[NodeKind] = ()) -> int:
        """Count nodes of these kinds; all but `UNSEEN` when empty."""
        with self._reading():
            return _number(self._server.ask(cypher.count(set(kinds or _SEEN_KINDS))))

    def max_version(self, name: str) -> int:
        """Return the highest version among the artifacts of this name; 0 where there is none."""
        if not _is_text(name):
            return 0
        with self._reading():
            return _number(self._server.ask(cypher.MAX_VERSION, handle=handle(name), name=name))

    def edges(self, ids: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]) -> Sequence[Edge]:
        """Return the edges of these kinds into or out of these nodes; see `Graph.edges`."""
        if not kinds:
            return []
        with self._reading():
            return in_order(self._server.ask_for(cypher.edges(direction, set(kinds)), hexed(ids)))

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
        if not kinds:
            return []
        where = {**_wanted(nodes, since, until), **_cursor(after), "limit": _bounded(limit)}
        way, starts = Way(direction, frozenset(kinds), depth), hexed(start)
        with self._reading():
            if depth is None and len(starts) <= FEW_STARTS:
                rows = self._server.ask(cypher.closure(direction, way.kinds), ids=starts, **where)
            else:
                # One list however long: the order is over all of them.
                some = cypher.among(counted=False)
                rows = self._server.read(lambda run: run(some, ids=reach(run, starts, way), **where))
            return [read_node(row) for row in rows]

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
        if not kinds:
            return 0
        way, starts, where = Way(direction, frozenset(kinds), depth), hexed(start), _wanted(nodes, since, until)
        with self._reading():
            if depth is None and len(starts) <= FEW_STARTS:
                return _number(self._server.ask(cypher.closure_size(direction, way.kinds), ids=starts, **where))
            some = cypher.among(counted=True)
            return self._server.read(lambda run: _number(run(some, ids=reach(run, starts, way), **where)))

    def closure_kinds(
        self, start: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]
    ) -> Mapping[NodeKind, int]:
        """Count what `closure` would return without a limit, by kind of node."""
        if not kinds:
            return {}
        way, starts = Way(direction, frozenset(kinds)), hexed(start)
        with self._reading():
            if len(starts) <= FEW_STARTS:
                rows = self._server.ask(cypher.closure_kinds(direction, way.kinds), ids=starts)
            else:
                rows = self._server.read(lambda run: run(cypher.KINDS_AMONG, ids=reach(run, starts, way)))
            return {NodeKind(kind): count for kind, count in rows}

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
        """Return the runs and evaluations with a metric or parameter within bounds; see `Graph.measured`."""
        if (where := _valued(name, within, what)) is None:
            return []
        where |= {
            "kinds": _numbers(kinds or NodeKind),
            **_cursor(after, newest_first=newest_first),
            "limit": _bounded(limit),
        }
        with self._reading():
            statement = cypher.measured(within, newest_first=newest_first)
            return [read_node(row) for row in self._server.ask(statement, **where)]

    def measured_size(
        self, name: str, within: Within = ANYTHING, *, what: Measure = Measure.METRIC, at_most: int | None = None
    ) -> int:
        """Count what `measured` would return without a limit, of all kinds; `at_most` where there are more."""
        if (where := _valued(name, within, what)) is None:
            return 0
        with self._reading():
            return _number(self._server.ask(cypher.measured_size(within), **where, limit=_bounded(at_most)))

    def leaks(
        self,
        learning: Collection[EdgeKind],
        *,
        models: Collection[NodeId] | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the evaluations on content that their model was made from; see `Graph.leaks`."""
        return leaks(self, learning, models=models, after=after, limit=limit)

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
        with self._reading():
            # For up to one hop the planner takes an operator that enumerates paths.
            if kinds and len(starts) <= FEW_STARTS and (depth is None or depth > 1):
                # One node more than wanted shows that there are more.
                more = _bounded(None if max_nodes is None else max_nodes + 1)
                rows = self._server.ask(cypher.subgraph(direction, way.kinds, way.depth), ids=starts, limit=more)
                if len(rows) < more:
                    return whole_subgraph(rows, starts, way)
                return self._server.read(lambda run: nearest_subgraph(run, starts, way, max_nodes, counted=True))
            return self._server.read(lambda run: nearest_subgraph(run, starts, way, max_nodes, counted=False))

    def path(self, source: NodeId, target: NodeId, kinds: Collection[EdgeKind]) -> Sequence[Edge] | None:
        """Return one shortest way downstream from `source` to `target`; None where there is none, () for itself."""
        if source == target:
            return []
        if not kinds:
            return None
        with self._reading():
            rows = self._server.ask(cypher.path(set(kinds)), source=source.hex(), target=target.hex())
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

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._prepared():
            try:
                yield
            except (KeyError, ValueError, TypeError) as error:
                raise DamagedIndexError(
                    f"the graph in {self._server.place} holds what cannot be read", hint=errors.REBUILD
                ) from error


def _numbers(kinds: Iterable[NodeKind]) -> list[int]:
    return sorted({int(kind) for kind in kinds})


def _wanted(nodes: Collection[NodeKind], since: int | None, until: int | None) -> dict[str, Any]:
    return {
        "kinds": _numbers(nodes or NodeKind),
        "since": -_LAST if since is None else max(since, -_LAST),
        "until": _bounded(until),
    }


def _valued(name: str, within: Within, what: Measure) -> dict[str, Any] | None:
    """Return the parameters of a search by value; None where nothing is called so, or no value is within."""
    texts = [name, within.equals] if isinstance(within.equals, str) else [name]
    if not all(map(_is_text, texts)):
        return None
    where: dict[str, Any] = {"place": value_place(what, name), "name": name}
    if within.equals is not None:
        wanted = stored(within.equals)
        return {**where, "equals": wanted["value"], "text": wanted.get("text")}
    bounds = {"low": within.low, "high": within.high}
    return where | {side: float(bound) for side, bound in bounds.items() if bound is not None}


def _bounded(number: int | None) -> int:
    return _LAST if number is None else min(number, _LAST)


def _is_text(text: str) -> bool:
    """Say whether a text can be stored: half a surrogate pair can not, so that nothing is called so."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cursor(after: Cursor | None, *, newest_first: bool = False) -> dict[str, Any]:
    if after is not None:
        return {"created": max(_bounded(after.created), -_LAST - 1), "id": after.id.hex()}
    return {"created": _LAST if newest_first else -_LAST - 1, "id": ""}


def _number(rows: Sequence[list[Any]]) -> int:
    number: int = rows[0][0] if rows else 0
    return number
