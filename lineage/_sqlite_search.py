"""Searches over the SQLite index's own tables: by one recursive statement, or level by level."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator

from . import _sqlite_statements as sql
from ._sqlite_rows import arrays
from .graph import Direction, EdgeKind

SMALL_CLOSURE = 5_000
"""Nodes up to which one recursive statement is faster than a search level by level."""


def reach_some(
    db: sqlite3.Connection,
    start: Collection[int],
    direction: Direction,
    kinds: Collection[EdgeKind],
    depth: int | None,
) -> set[int] | None:
    """Return what can be reached; None if that is more than `SMALL_CLOSURE`."""
    if not kinds or (depth is not None and depth <= 0):
        return set()
    if depth is None:
        some = json.dumps(list(start))
        reached = {row[0] for row in db.execute(sql.reach(direction, set(kinds)), (some, SMALL_CLOSURE))}
        return reached if len(reached) < SMALL_CLOSURE else None
    reached = set()
    # Level by level, as a depth beside the key would make every visit a new row.
    for level in levels_of(db, start, direction, kinds):
        reached |= level
        depth -= 1
        if depth == 0:
            return reached
        if len(reached) >= SMALL_CLOSURE:
            return None
    return reached


def reach(
    db: sqlite3.Connection,
    start: Collection[int],
    direction: Direction,
    kinds: Collection[EdgeKind],
    depth: int | None,
) -> set[int]:
    """Return what can be reached, level by level."""
    reached: set[int] = set()
    if depth is None or depth > 0:
        for hops, level in enumerate(levels_of(db, start, direction, kinds), 1):
            reached |= level
            if hops == depth:
                break
    return reached


def levels_of(
    db: sqlite3.Connection,
    start: Collection[int],
    direction: Direction,
    kinds: Collection[EdgeKind],
    seen: Collection[int] = (),
) -> Iterator[set[int]]:
    """Yield what is at distance 1, 2, …, each key once, until there is no more; none that were seen before."""
    known = set(seen)
    level = step(db, start, direction, kinds) - known
    while level:
        yield level
        known |= level
        level = step(db, level, direction, kinds) - known


def step(db: sqlite3.Connection, level: Collection[int], direction: Direction, kinds: Collection[EdgeKind]) -> set[int]:
    """Return the neighbours of a level."""
    if not kinds:
        return set()
    statement = sql.step(direction, set(kinds))
    return {row[0] for some in arrays(level) for row in db.execute(statement, some)}


def take(
    start: Collection[int], following: Iterator[Collection[int]], depth: int | None, at_most: int | None = None
) -> tuple[list[Collection[int]], bool] | None:
    """Return a start and the levels that follow it up to a depth, and whether there are more.

    None if they hold more than `at_most` keys together.
    """
    levels: list[Collection[int]] = []
    level, total = start, 0
    while len(level) and (depth is None or len(levels) <= depth):
        levels.append(level)
        total += len(level)
        if at_most is not None and total > at_most:
            return None
        level = next(following, ())
    return levels, len(level) > 0


def nearest(levels: Iterable[Collection[int]], limit: int | None) -> dict[int, int]:
    """Return the distances of all keys in the first levels: whole ones, up to that in which the limit falls."""
    distance: dict[int, int] = {}
    for hops, level in enumerate(levels):
        if limit is not None and len(distance) >= limit:
            break
        distance.update(dict.fromkeys(map(int, level), hops))
    return distance
