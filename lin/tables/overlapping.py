"""The rows that two tables share: found by row keys, confirmed on full digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lin.errors import InvalidInputError
from lin.lineage.tables.rowkeys import shared

from .cached import TableCache, rows_of
from .records import Example, Overlap
from .rowfile import Array, RowFile
from .sides import Facts, Side

EXAMPLES = 5
_CELL = 60


@dataclass(frozen=True, slots=True)
class Common:
    """Rows that both of two tables have.

    Attributes:
        old: Where each of the shared digests stands first among the first table's rows, ascending.
        new: Where it stands among the second's.
        rows_old: Rows of the first with one of these digests.
        rows_new: Rows of the second with one of them.
    """

    old: Array
    new: Array
    rows_old: int
    rows_new: int


def common(one: RowFile, other: RowFile, keys: Array | None = None) -> Common:
    """Find the digests that are in both files.

    Args:
        one: The first.
        other: The second.
        keys: Where to look: the keys that both have. Looked for if None.
    """
    small, large = (one, other) if one.rows <= other.rows else (other, one)
    asked = shared(one.heads, other.heads).keys if keys is None else keys
    if not len(asked):
        nothing = np.empty(0, np.int64)
        return Common(nothing, nothing, 0, 0)
    at = small.firsts(_within(small, asked))
    there = large.find(small, at)
    at, there = at[there >= 0], there[there >= 0]
    counted = int((small.ends(at) - at).sum()), int((large.ends(there) - there).sum())
    if small is one:
        return Common(at, there, *counted)
    return Common(there, at, counted[1], counted[0])


def _within(rows: RowFile, keys: Array) -> Array:
    """Return the places of all digests that begin with one of these keys, ascending."""
    low = np.searchsorted(rows.heads, keys, "left")
    length = np.searchsorted(rows.heads, keys, "right") - low
    starts = np.cumsum(length) - length
    return np.repeat(low - starts, length) + np.arange(int(length.sum()))


def overlap(
    cache: TableCache,
    old: Side,
    new: Side,
    *,
    columns: Sequence[str] | None = None,
    key: Sequence[str] | None = None,
    examples: int = EXAMPLES,
) -> Overlap:
    """Count the rows that are in both tables.

    Args:
        cache: What is known of them.
        old: The first.
        new: The second.
        columns: Compare these only; all when None, and then tables whose columns differ share nothing.
        key: Likewise, and say how many of the rows with one key are equal in all columns that both tables have.
        examples: At most so many rows are shown.

    Raises:
        NotATableError: One of them is no table.
        InvalidInputError: One of them lacks a column that is named.
    """
    before, after = cache.facts(old), cache.facts(new)
    chosen = key if key is not None else columns
    if chosen is not None:
        _check(chosen, (old, before), (new, after))
    shapes = old.shape(before), new.shape(after)
    named = None if chosen is None else tuple(chosen)
    is_key = key is not None
    if chosen is None and set(before.names) != set(after.names):
        return Overlap(*shapes, None, is_key, 0, 0, 0)
    keys = None
    if chosen is None:
        keys = shared(cache.keys(old), cache.keys(new)).keys
        if not len(keys):  # no row key is in both, so no row is
            return Overlap(*shapes, None, is_key, 0, 0, 0)
    ours, theirs = cache.rows(old, chosen), cache.rows(new, chosen)
    found = common(ours, theirs, keys)
    equal = _equal(cache, (old, before), (new, after), found, (ours, theirs)) if is_key else None
    shown = _examples(old, before, found, (ours, theirs), examples) if examples else ()
    return Overlap(*shapes, named, is_key, found.rows_old, found.rows_new, len(found.old), equal, shown)


def _check(columns: Sequence[str], *sides: tuple[Side, Facts]) -> None:
    for side, facts in sides:
        missing = [name for name in columns if name not in facts.names]
        if missing or not columns:
            raise InvalidInputError(
                f"{side.label} has no column {missing[0]!r}" if missing else "no column is named",
                hint=f"Its columns: {', '.join(facts.names[:20])}{', …' if len(facts.names) > 20 else ''}",  # noqa: PLR2004
            )


def _equal(
    cache: TableCache,
    old: tuple[Side, Facts],
    new: tuple[Side, Facts],
    found: Common,
    files: tuple[RowFile, RowFile],
) -> int:
    """Count the rows of the first that share their key with a row of the second that is equal in all common columns."""
    both = [name for name in old[1].names if name in new[1].names]
    everything = [None if len(both) == len(side[1].names) else both for side in (old, new)]
    ours, theirs = (cache.rows(side[0], some) for side, some in zip((old, new), everything, strict=True))
    # Rows that agree in all columns agree in the key, so those are counted whatever their key is.
    return common(ours, theirs).rows_old if len(found.old) and files[0].rows else 0


def _examples(
    side: Side, facts: Facts, found: Common, files: tuple[RowFile, RowFile], count: int
) -> tuple[Example, ...]:
    """Read the first shared rows of the first table."""
    if not len(found.old):
        return ()
    numbers = files[0].numbers[found.old]
    few = np.argsort(numbers, kind="stable")[:count]
    wanted = {int(numbers[place]): int(files[1].numbers[found.new[place]]) for place in few}
    cells = cells_of(side, facts, sorted(wanted))
    return tuple(Example(number + 1, wanted[number] + 1, cells[number]) for number in sorted(wanted))


def cells_of(side: Side, facts: Facts, numbers: Sequence[int]) -> Mapping[int, dict[str, str | None]]:
    """Read some rows, by their numbers from 0 (ascending): their cells as text, shortened."""
    answer: dict[int, dict[str, str | None]] = {}
    if not numbers:
        return answer
    waiting, at = list(numbers), 0
    for batch in side.table().batches():
        while waiting and waiting[0] < at + batch.num_rows:
            row = batch.slice(waiting[0] - at, 1)
            answer[waiting.pop(0)] = {name: cell(row.column(name)[0].as_py()) for name in facts.names}
        at += batch.num_rows
        if not waiting:
            break
    return answer


def cell(value: Any) -> str | None:
    """Write a cell for people."""
    if value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _CELL else f"{text[:_CELL]}…"


def check_rows(side: Side, facts: Facts, columns: Sequence[str] | None = None) -> Array:
    """Return the digest of each row of a table, in order: for tables that fit into memory."""
    pieces = [digests for _, digests in rows_of(side, facts.texts, columns)]
    return np.concatenate(pieces) if pieces else np.empty((0, 32), np.uint8)
