"""Find nodes in the SQLite index: by name, text, prefix and kind, and by what was measured."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from . import _sqlite_statements as sql
from ._sqlite_rows import CHUNK, chunks, number
from .graph import Cursor, Measure, NodeKind, Within, ascii_lower

SEEN_KINDS = frozenset(NodeKind) - {NodeKind.UNSEEN}

_HEX_DIGITS = 64


def find(
    db: sqlite3.Connection,
    kinds: Collection[NodeKind],
    *,
    name: str | None,
    text: str | None,
    prefix: str | None,
    newest_first: bool,
    after: Cursor | None,
    limit: int | None,
) -> list[Any]:
    """Return the rows of `Graph.find`, in order."""
    wanted = set(kinds) or SEEN_KINDS
    cursor = (after.created, after.id) if after is not None else ()

    def rows(where: str, some: Collection[NodeKind], parameters: Sequence[Any], at_most: int | None) -> Iterator[Any]:
        statement = sql.find(where, some, after=after is not None, newest_first=newest_first)
        return db.execute(statement, (*parameters, *cursor, -1 if at_most is None else at_most))

    found: list[Any] = []
    if prefix:
        bounds = _bounds(prefix)
        if bounds is None:
            return []
        # Few ids share a prefix, so the other conditions are looked at one by one.
        found = [row for row in rows(sql.BY_PREFIX, wanted, bounds, None) if _is_named(row[4], name, text)]
    elif name is not None or text is not None:
        names = [name] if name is not None else [row[0] for row in db.execute(sql.NAMES)]
        names = [one for one in names if _is_named(one, name, text)]
        for some in chunks(names, CHUNK):
            found += rows(sql.by_name(len(some)), wanted, some, limit)
    else:
        for kind in wanted:
            found += rows(sql.BY_KIND, {kind}, (), limit)
    found.sort(key=lambda row: (row[3], row[1]), reverse=newest_first)
    return found[:limit]


def measured(  # noqa: PLR0917 - as `Graph.measured` names them
    db: sqlite3.Connection,
    name: str,
    within: Within,
    what: Measure,
    kinds: Collection[NodeKind],
    newest_first: bool,
    after: Cursor | None,
    limit: int | None,
) -> list[Any]:
    """Return the rows of `Graph.measured`, in order."""
    where, bounds = sql.by_value(within)
    statement = sql.find(where, set(kinds) or set(NodeKind), after=after is not None, newest_first=newest_first)
    cursor = (after.created, after.id) if after is not None else ()
    parameters = (int(what), name, *bounds, *cursor, -1 if limit is None else limit)
    return db.execute(statement, parameters).fetchall()


def measured_size(db: sqlite3.Connection, name: str, within: Within, what: Measure, at_most: int | None) -> int:
    """Count the rows of `Graph.measured`."""
    where, bounds = sql.count_by_value(within)
    return number(db.execute(where, (int(what), name, *bounds, -1 if at_most is None else at_most)))


def _is_named(candidate: str | None, name: str | None, text: str | None) -> bool:
    if name is None and text is None:
        return True
    if candidate is None or (name is not None and candidate != name):
        return False
    return text is None or ascii_lower(text) in ascii_lower(candidate)


def _bounds(prefix: str) -> tuple[bytes, bytes] | None:
    """Return the lowest and the highest id that start with these hex digits; None where no id can."""
    missing = _HEX_DIGITS - len(prefix)
    if missing < 0 or not all(digit in "0123456789abcdefABCDEF" for digit in prefix):
        return None
    return bytes.fromhex(prefix + "0" * missing), bytes.fromhex(prefix + "f" * missing)
