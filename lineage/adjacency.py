"""Searches that reach far, over arrays: a snapshot of the graph's edges in a mapped file, and what came since.

Following a popular dataset to a hundred thousand models costs SQLite a look-up for every edge. Here the edges of
a node lie side by side, so that a whole level of a search is a few operations on arrays. The snapshot is a file
that a token ties to one state of the index; what was added since is small, is read from the index, and is
followed beside it. Both hold nothing that the index does not.

This module needs NumPy. Where that is missing, the index answers the same questions by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace

import numpy as np

from ._adjacency_file import Array, Edges, Snapshot, allow, sorted_edges
from .graph import PROVENANCE, Cursor, Direction, EdgeKind, NodeId
from .wanted import Wanted

_BUDGET = 20_000
"""Edges looked at one by one in search of a page; beyond, computing the whole closure is faster."""


_NOTHING = np.empty(0, np.int32)

IdOf = Callable[[int], NodeId]
"""Return the id of the node with this key."""


@dataclass(frozen=True, slots=True)
class Adjacency:
    """A snapshot and what was added to the index since.

    Attributes:
        snapshot: The larger part.
        down: Newer edges by source.
        up: Newer edges by target.
        fresh: Newer nodes, and those that changed: `key` (ascending), `kind`, `created`.
        is_fresh: For each key whether it is among them.
        bound: No later than the moment of any such node, and of all that newer edges lead to; None where there are
            no such.
    """

    snapshot: Snapshot
    down: Edges
    up: Edges
    fresh: Array
    is_fresh: Array
    bound: int | None

    @classmethod
    def of(cls, snapshot: Snapshot, edges: Array, nodes: Array) -> Adjacency:
        """Join a snapshot, newer edges, and nodes that are newer or changed, each once."""
        last = max(snapshot.last, int(nodes["key"].max(initial=0)))
        source, target, kind = (np.ascontiguousarray(edges[name]) for name in ("source", "target", "kind"))
        moments = [int(nodes["created"].min())] if len(nodes) else []
        old = target[target <= snapshot.last]
        if len(old):
            first = int(snapshot.earliest[old].min())
            moments.append(int(snapshot.created[snapshot.ranked[first]]))
        is_fresh = np.zeros(last + 1, dtype=bool)
        is_fresh[nodes["key"]] = True
        return cls(
            snapshot,
            sorted_edges(source, target, kind, last),
            sorted_edges(target, source, kind, last),
            nodes[np.argsort(nodes["key"])],
            is_fresh,
            min(moments, default=None),
        )

    @property
    def length(self) -> int:
        """One more than the highest key."""
        return len(self.is_fresh)

    def across(self, keys: Array, direction: Direction, kinds: Collection[EdgeKind]) -> tuple[Array, Array, Array]:
        """Return the edges of these kinds: the place of the near end among `keys`, the far end, and the kind."""
        allowed = allow(kinds)
        both = [edges.down if direction is Direction.DOWN else edges.up for edges in (self.snapshot, self)]
        parts = [edges.across(keys, allowed) for edges in both if len(edges.far)]
        if len(parts) == 1:
            return parts[0]
        # An edge that was said again since is in both.
        place, far, kind = (np.concatenate([part[at] for part in parts] or [_NOTHING]) for at in range(3))
        return place, far, kind

    def degree(self, keys: Array, direction: Direction) -> int:
        """Return how many edges these nodes have in one direction."""
        both = [edges.down if direction is Direction.DOWN else edges.up for edges in (self.snapshot, self)]
        return sum(int(edges.places(keys)[1].sum()) for edges in both if len(edges.far))

    def levels(
        self, start: Iterable[int], direction: Direction, kinds: Collection[EdgeKind], *, closed: bool
    ) -> Iterator[Array]:
        """Yield the keys at distance 1, 2, … of these, each once, until there are no more.

        Args:
            start: Keys.
            direction: Which way.
            kinds: Along these edges only.
            closed: A start is not found again where a cycle leads to it.
        """
        allowed = allow(kinds)
        both = [edges.down if direction is Direction.DOWN else edges.up for edges in (self.snapshot, self)]
        both = [edges for edges in both if len(edges.far)]
        seen = np.zeros(len(self.is_fresh), dtype=bool)
        turn = np.empty(len(self.is_fresh), dtype=np.int32)
        level = np.fromiter(start, dtype=np.int32)
        if closed:
            seen[level] = True
        while both and len(level):
            parts = [edges.beyond(level, allowed) for edges in both]
            found = parts[0] if len(parts) == 1 else np.concatenate(parts)
            found = found[~seen[found]]
            if not len(found):
                return
            # Of those that were found twice the last one stays: no sort is needed to see which.
            numbers = np.arange(len(found), dtype=np.int32)
            turn[found] = numbers
            level = found[turn[found] == numbers]
            seen[level] = True
            yield level

    def reach(
        self, start: Iterable[int], direction: Direction, kinds: Collection[EdgeKind], depth: int | None = None
    ) -> Array:
        """Return the keys of all that can be reached, in no order; a start only if a way leads back to it."""
        found: list[Array] = [_NOTHING]
        if depth is None or depth > 0:
            for level in self.levels(start, direction, kinds, closed=False):
                found.append(level)
                if len(found) - 1 == depth:
                    break
        return np.concatenate(found)

    def kinds_of(self, keys: Array) -> Array:
        """Return the kinds of these nodes, as numbers."""
        kinds: Array = self.snapshot.kind[np.minimum(keys, self.snapshot.last)]
        at = np.flatnonzero(self.is_fresh[keys]) if len(self.fresh) else ()
        if len(at):
            kinds[at] = self.fresh["kind"][np.searchsorted(self.fresh["key"], keys[at])]
        return kinds

    def created_of(self, keys: Array) -> Array:
        """Return when these nodes were created."""
        created: Array = self.snapshot.created[np.minimum(keys, self.snapshot.last)]
        at = np.flatnonzero(self.is_fresh[keys]) if len(self.fresh) else ()
        if len(at):
            created[at] = self.fresh["created"][np.searchsorted(self.fresh["key"], keys[at])]
        return created

    def those(self, keys: Array, wanted: Wanted) -> Array:
        """Return those that are wanted by kind and time."""
        if wanted.nodes:
            keys = keys[allow(wanted.nodes)[self.kinds_of(keys)]]
        if wanted.since is not None:
            keys = keys[self.created_of(keys) >= wanted.since]
        if wanted.until is not None:
            keys = keys[self.created_of(keys) <= wanted.until]
        return keys

    def count_kinds(self, keys: Array) -> dict[int, int]:
        """Count these nodes by kind."""
        counts = np.bincount(self.kinds_of(keys))
        return {int(kind): int(counts[kind]) for kind in np.flatnonzero(counts)}

    def page(self, keys: Array, wanted: Wanted, id_of: IdOf) -> list[int]:
        """Return those wanted, or a few more, in no order: all newer nodes among them, whatever the limit."""
        keys = self.those(keys, wanted)
        newer: list[int] = []
        if len(self.fresh):
            fresh = self.is_fresh[keys]
            newer, keys = keys[fresh].tolist(), keys[~fresh]
        ranks = self.snapshot.rank[keys]
        if wanted.after is not None:
            ranks = ranks[ranks >= self._rank_after(wanted.after, id_of)]
        if wanted.limit is not None and wanted.limit < len(ranks):
            ranks = np.partition(ranks, wanted.limit)[: wanted.limit]
        settled: list[int] = self.snapshot.ranked[ranks].tolist()
        return settled + newer

    def first(  # noqa: C901 - one loop, whose steps share all of its state
        self, start: Iterable[int], kinds: Collection[EdgeKind], wanted: Wanted, id_of: IdOf
    ) -> list[int] | None:
        """Return the keys of the first nodes downstream that are wanted, in order, without finding all there are.

        The search goes on where the earliest node may still be found: each node knows a rank that nothing
        downstream of it is before. What is before all that is left to search is next in the answer. Newer edges
        and nodes are not looked at: the search ends before the first moment that they could speak of.

        Returns:
            None where that does not lead to the end soon enough.
        """
        snapshot = self.snapshot
        if not snapshot.ordered or wanted.limit is None or not PROVENANCE.issuperset(kinds):
            return None
        row, far, kind = snapshot.down.start.data, snapshot.down.far.data, snapshot.down.kind.data
        rank, ranked, earliest = snapshot.rank.data, snapshot.ranked.data, snapshot.earliest.data
        node_kind, created, changed = snapshot.kind.data, snapshot.created.data, self.is_fresh.data
        low = 0 if wanted.after is None else self._rank_after(wanted.after, id_of)
        numbers = {int(one) for one in kinds}
        ways = [
            (earliest[far[row[key]]], row[key], row[key + 1])
            for key in dict.fromkeys(start)
            if key <= snapshot.last and row[key] < row[key + 1]
        ]
        heapify(ways)
        seen: set[int] = set()
        waiting: list[int] = []
        answer: list[int] = []
        for _ in range(_BUDGET):
            while waiting and (not ways or waiting[0] <= ways[0][0]):
                key = ranked[heappop(waiting)]
                moment = created[key]
                if (self.bound is not None and moment >= self.bound) or len(answer) == wanted.limit:
                    return answer if len(answer) == wanted.limit else None
                if (
                    not changed[key]
                    and (not wanted.nodes or node_kind[key] in wanted.nodes)
                    and (wanted.since is None or moment >= wanted.since)
                    and (wanted.until is None or moment <= wanted.until)
                ):
                    answer.append(key)
            if len(answer) == wanted.limit:
                return answer
            if not ways:
                return answer if self.bound is None else None
            _, at, end = ways[0]
            key = far[at]
            if at + 1 < end:
                heapreplace(ways, (earliest[far[at + 1]], at + 1, end))
            else:
                heappop(ways)
            if kind[at] in numbers and key not in seen:
                seen.add(key)
                if rank[key] >= low:
                    heappush(waiting, rank[key])
                if row[key] < row[key + 1]:
                    heappush(ways, (earliest[far[row[key]]], row[key], row[key + 1]))
        return None

    def _rank_after(self, cursor: Cursor, id_of: IdOf) -> int:
        """Return the lowest rank after a cursor."""
        snapshot = self.snapshot
        ranked, created = snapshot.ranked.data, snapshot.created.data

        def is_after(rank: int) -> bool:
            moment = created[ranked[rank]]
            if moment != cursor.created:
                return moment > cursor.created
            return id_of(ranked[rank]) > cursor.id

        low, high = 0, len(ranked)
        while low < high:
            middle = (low + high) // 2
            if is_after(middle):
                high = middle
            else:
                low = middle + 1
        return low
