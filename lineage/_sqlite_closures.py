"""Questions that may reach far, answered from the SQLite index alone or over its adjacency snapshot."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from . import _sqlite_paths, _sqlite_search
from . import _sqlite_statements as sql
from ._sqlite_adjacency import SnapshotKeeper
from ._sqlite_file import SqliteFile
from ._sqlite_rows import KINDS, arrays, created_within, id_of, keys_of, number, page_of, rows_of
from ._sqlite_search import levels_of, reach, reach_some, take
from .graph import Direction, EdgeKind, NodeId, NodeKind
from .wanted import Wanted

if TYPE_CHECKING:
    from .adjacency import Adjacency

T = TypeVar("T")

FEW_MODELS = 50
"""Models up to which leaks are looked for one by one."""

Answer = Callable[[sqlite3.Connection, Sequence[Collection[int]], bool], T]
"""Given what lies at distance 0, 1, … and whether there is more."""


class Closures:
    """Search one index, and make its snapshot when a question needs it."""

    def __init__(self, file: SqliteFile, snapshot: SnapshotKeeper) -> None:
        self._file = file
        self._snapshot = snapshot

    def rows(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        depth: int | None,
        wanted: Wanted,
    ) -> list[Any]:
        """Return the rows of `Graph.closure`, in order."""

        def few(db: sqlite3.Connection, reached: Collection[int]) -> list[Any]:
            return rows_of(db, reached, wanted)

        def many(db: sqlite3.Connection, adjacency: Adjacency, keys: Collection[int]) -> list[Any]:
            if direction is Direction.DOWN and depth is None:
                first = adjacency.first(keys, kinds, wanted, partial(id_of, db))
                if first is not None:
                    return rows_of(db, first, wanted)
            return page_of(db, adjacency, adjacency.reach(keys, direction, kinds, depth), wanted)

        return self._search(start, direction, kinds, depth, few, many)

    def size(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        depth: int | None,
        wanted: Wanted,
    ) -> int:
        """Answer `Graph.closure_size`."""
        created, moments = created_within(wanted.since, wanted.until)
        statement = sql.count_by_key(wanted.nodes or set(NodeKind)) + created

        def few(db: sqlite3.Connection, reached: Collection[int]) -> int:
            if not wanted.nodes and not created:
                return len(reached)
            return sum(number(db.execute(statement, (*some, *moments))) for some in arrays(reached))

        def many(db: sqlite3.Connection, adjacency: Adjacency, keys: Collection[int]) -> int:  # noqa: ARG001 - as `few`
            return len(adjacency.those(adjacency.reach(keys, direction, kinds, depth), wanted))

        return self._search(start, direction, kinds, depth, few, many)

    def kinds(
        self, start: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]
    ) -> Mapping[NodeKind, int]:
        """Answer `Graph.closure_kinds`."""

        def few(db: sqlite3.Connection, reached: Collection[int]) -> Mapping[NodeKind, int]:
            counts: Counter[NodeKind] = Counter()
            for some in arrays(reached):
                for kind, count in db.execute(sql.count_kinds_by_key(), some):
                    counts[KINDS[kind]] += count
            return counts

        def many(db: sqlite3.Connection, adjacency: Adjacency, keys: Collection[int]) -> Mapping[NodeKind, int]:  # noqa: ARG001 - as `few`
            counts = adjacency.count_kinds(adjacency.reach(keys, direction, kinds))
            return {KINDS[kind]: count for kind, count in counts.items()}

        return self._search(start, direction, kinds, None, few, many)

    def _search(  # noqa: PLR0917 - as `closure` names them, and two ways to answer
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        depth: int | None,
        few: Callable[[sqlite3.Connection, Collection[int]], T],
        many: Callable[[sqlite3.Connection, Adjacency, Collection[int]], T],
    ) -> T:
        """Answer from a closure: small ones are found by the index itself, large ones over its snapshot.

        Args:
            start: Where it begins.
            direction: Which way.
            kinds: Along these edges.
            depth: So many edges at most.
            few: Answer, given the keys of all that can be reached.
            many: Answer, given the snapshot and the keys of the start.
        """
        for may_make in (True, False):
            with self._file.reading() as db:
                keys = list(keys_of(db, start).values())
                adjacency = self._snapshot.opened(db) if kinds else None
                if adjacency is None:
                    reached = reach_some(db, keys, direction, kinds, depth)
                    if reached is not None:
                        return few(db, reached)
                    adjacency = self._snapshot.open(db)
                due = may_make and self._snapshot.is_due(db)
                if adjacency is not None and not due:
                    return many(db, adjacency, keys)
                if not due:
                    return few(db, reach(db, keys, direction, kinds, depth))
            self._snapshot.make()
        raise AssertionError  # pragma: no cover - the second round returns

    def levels(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        depth: int | None,
        answer: Answer[T],
    ) -> T:
        """Answer from what lies at each distance up to a depth."""
        for may_make in (True, False):
            with self._file.reading() as db:
                keys = set(keys_of(db, start).values())
                found = None
                adjacency = self._snapshot.opened(db) if kinds else None
                if adjacency is None:
                    small = _sqlite_search.SMALL_CLOSURE
                    found = take(keys, levels_of(db, keys, direction, kinds, seen=keys), depth, small)
                    adjacency = None if found else self._snapshot.open(db)
                if found is not None or not (may_make and self._snapshot.is_due(db)):
                    if adjacency is not None:
                        found = take(keys, adjacency.levels(keys, direction, kinds, closed=True), depth)
                    elif found is None:
                        found = take(keys, levels_of(db, keys, direction, kinds, seen=keys), depth)
                    assert found is not None  # noqa: S101 - without a limit
                    return answer(db, *found)
            self._snapshot.make()
        raise AssertionError  # pragma: no cover - the second round returns

    def path(
        self,
        source: NodeId,
        target: NodeId,
        kinds: Collection[EdgeKind],
        answer: Callable[[sqlite3.Connection, list[int] | None], T],
    ) -> T:
        """Answer from the keys of one shortest way; None where there is none."""
        for may_make in (True, False):
            with self._file.reading() as db:
                keys = keys_of(db, (source, target))
                if len(keys) < 2 or not kinds:  # noqa: PLR2004 - both ends
                    return answer(db, None)
                ends = keys[source], keys[target]
                way, is_all = _sqlite_paths.shortest(db, *ends, kinds, _sqlite_paths.MANY_EDGES)
                if is_all:
                    return answer(db, way)
                adjacency = self._snapshot.opened(db) or self._snapshot.open(db)
                due = may_make and self._snapshot.is_due(db)
                if adjacency is not None and not due:
                    return answer(db, _sqlite_paths.shortest_across(adjacency, *ends, kinds))
                if not due:
                    return answer(db, _sqlite_paths.shortest(db, *ends, kinds, None)[0])
            self._snapshot.make()
        raise AssertionError  # pragma: no cover - the second round returns

    def leaks(
        self, learning: Collection[EdgeKind], models: Collection[NodeId] | None, wanted: Wanted
    ) -> list[Any] | None:
        """Return the rows of `Graph.leaks`, in order; None where another search has to answer."""
        for may_make in (True, False) if models is None or len(models) > FEW_MODELS else ():
            with self._file.reading() as db:
                adjacency = self._snapshot.opened(db) or self._snapshot.open(db)
                due = may_make and self._snapshot.is_due(db)
                if adjacency is not None and not due:
                    from ._leak_search import leaking  # noqa: PLC0415 - it needs NumPy

                    found = leaking(adjacency, learning, None if models is None else keys_of(db, models).values())
                    return None if found is None else page_of(db, adjacency, found, wanted)
                if not due:
                    return None
            self._snapshot.make()
        return None
