"""Shortest ways, searched from both ends at once.

A whole level at a time is searched, always on the side whose next step looks at fewer edges: a model's ancestors
are few, and what stands on a popular dataset is not. Either side may be a hub; when both are, the search goes over
the adjacency snapshot.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from . import _sqlite_statements as sql
from ._sqlite_rows import arrays, number
from .graph import Direction, EdgeKind

if TYPE_CHECKING:
    from .adjacency import Adjacency

MANY_EDGES = 20_000
"""Edges that a search in SQL looks at before the snapshot is asked."""

Level = Sequence[int]
Step = Callable[[Direction, Level], Iterable[tuple[int, int]]]
"""Yield each neighbour of a level as (node of the level, neighbour)."""
Weigh = Callable[[Direction, Level], int]
"""Return how many edges the next step from a level looks at."""

_OTHER = {Direction.DOWN: Direction.UP, Direction.UP: Direction.DOWN}


def shortest(
    db: sqlite3.Connection, source: int, target: int, kinds: Collection[EdgeKind], at_most: int | None
) -> tuple[list[int] | None, bool]:
    """Return the keys of a shortest way over the index's tables, and whether the search came to an end.

    Args:
        db: The index.
        source: Its first key.
        target: Its last key.
        kinds: Along these edges.
        at_most: Give up before looking at more edges than this.
    """

    def step(direction: Direction, level: Level) -> Iterator[tuple[int, int]]:
        for some in arrays(level):
            yield from db.execute(sql.parents(direction, set(kinds)), some)

    def weigh(direction: Direction, level: Level) -> int:
        # Counting goes on only to where it makes no difference any more.
        most, weight = MANY_EDGES + 1, 0
        for (some,) in arrays(level):
            weight += number(db.execute(sql.degree(direction), (some, most - weight)))
            if weight >= most:
                break
        return weight

    return _meet(source, target, step, weigh, at_most)


def shortest_across(adjacency: Adjacency, source: int, target: int, kinds: Collection[EdgeKind]) -> list[int] | None:
    """Return the keys of a shortest way over the snapshot; None where there is none."""
    import numpy as np  # noqa: PLC0415 - it is there: a snapshot is open

    def step(direction: Direction, level: Level) -> Iterator[tuple[int, int]]:
        near = np.array(level, dtype=np.int32)
        place, far, _ = adjacency.across(near, direction, kinds)
        # Each neighbour once: a hub is next to very many of a level's nodes.
        found, first = np.unique(far, return_index=True)
        return zip(near[place[first]].tolist(), found.tolist(), strict=True)

    def weigh(direction: Direction, level: Level) -> int:
        return adjacency.degree(np.array(level, dtype=np.int32), direction)

    return _meet(source, target, step, weigh, None)[0]


def _meet(source: int, target: int, step: Step, weigh: Weigh, at_most: int | None) -> tuple[list[int] | None, bool]:
    came: dict[Direction, dict[int, int | None]] = {Direction.DOWN: {source: None}, Direction.UP: {target: None}}
    levels: dict[Direction, list[int]] = {Direction.DOWN: [source], Direction.UP: [target]}
    weights = {side: weigh(side, level) for side, level in levels.items()}
    looked = 0
    while all(levels.values()):
        direction = min(levels, key=weights.__getitem__)
        looked += weights[direction]
        if at_most is not None and looked > at_most:
            return None, False
        here, other = came[direction], came[_OTHER[direction]]
        following: list[int] = []
        for near, far in step(direction, levels[direction]):
            if far not in here:
                here[far] = near
                following.append(far)
        meeting = next((key for key in following if key in other), None)
        if meeting is not None:
            return [*reversed(_back(came[Direction.DOWN], meeting)), *_back(came[Direction.UP], meeting)[1:]], True
        levels[direction] = following
        weights[direction] = weigh(direction, following)
    return None, True


def _back(came: Mapping[int, int | None], key: int | None) -> list[int]:
    way = []
    while key is not None:
        way.append(key)
        key = came[key]
    return way
