"""How two tables differ: columns, rows added, removed and changed, and what the columns hold.

Rows are compared by the columns that both tables have. A row that is in one table more often than in the other is added
or removed as often. With a key, one that was removed and one that was added under the same key are one that changed.
The rows stay on disk, sorted by their digests; in memory are some numbers a row, and the rows that are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lin.errors import InvalidInputError
from lin.records import Record

from .cached import TableCache
from .overlapping import cell
from .records import ColumnDifference, Shape
from .rowfile import Array, RowFile
from .sameness import difference, pairs, types_changed
from .sides import Facts, Side

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = 10
LOOKED_AT = 100_000
"""Changed rows, the first, in which changed cells are counted by column."""
_GUESSES = 3
"""Columns that are tried as a key."""
_TOLD = ("nulls", "distinct", "min", "max")


@dataclass(frozen=True, slots=True)
class CellChange(Record):
    """A cell that changed: its column, and what it held."""

    column: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class RowChange(Record):
    """A row that was added, removed or changed.

    Attributes:
        change: `added`, `removed` or `changed`.
        old: Its number in the first table, from 1; None where it was added.
        new: Its number in the second; None where it was removed.
        values: Its cells as text; of a changed row those of the key.
        cells: Of a changed row, the cells that changed.
    """

    change: str
    old: int | None
    new: int | None
    values: Mapping[str, str | None]
    cells: tuple[CellChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnChange(Record):
    """What a column held, and holds.

    Attributes:
        name: Its name.
        old: Nulls, different values, least and greatest, and quantiles, in the first table.
        new: In the second.
    """

    name: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TableDiff(Record):
    """How two tables differ.

    Attributes:
        old: The first.
        new: The second.
        key: The columns that tell which row is which; empty where none was given or found.
        found: Whether the key was found, and not given.
        added_columns: Columns that only the second has.
        removed_columns: Columns that only the first has.
        renamed: (name in the first, name in the second) of columns with equal cells.
        types: Columns whose types differ.
        equal: Rows that both have.
        added: Rows that only the second has.
        removed: Rows that only the first has.
        changed: Rows with one key and other cells; counted neither as added nor as removed.
        cells: How many cells changed by column, in the first `LOOKED_AT` changed rows.
        rows: The first of the rows that differ.
        columns: The columns whose content differs.
    """

    old: Shape
    new: Shape
    key: tuple[str, ...]
    found: bool
    added_columns: tuple[str, ...]
    removed_columns: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    types: tuple[ColumnDifference, ...]
    equal: int
    added: int
    removed: int
    changed: int
    cells: Mapping[str, int]
    rows: tuple[RowChange, ...]
    columns: tuple[ColumnChange, ...]

    @property
    def same(self) -> bool:
        """Whether both are one table, but for the order of rows and the types of columns."""
        return not (self.added or self.removed or self.changed or self.added_columns or self.removed_columns)


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows that differ, by their numbers from 0, ascending; pairs of changed ones go together."""

    both: Sequence[str]
    added: Array
    removed: Array
    changed_old: Array
    changed_new: Array


def table_diff(
    cache: TableCache,
    old: Side,
    new: Side,
    *,
    key: Sequence[str] | None = None,
    examples: int = EXAMPLES,
    arrow: Path | None = None,
) -> TableDiff:
    """Compare two tables row by row.

    Args:
        cache: What is known of them.
        old: The first.
        new: The second.
        key: The columns that tell which row is which; looked for when None, and none when empty.
        examples: At most so many rows of each sort are shown.
        arrow: A file to write all rows that differ to; see `write_arrow`.

    Raises:
        NotATableError: One of them is no table.
        InvalidInputError: Several rows of one table have the same key, or a column is not in both.
    """
    before, after = cache.facts(old), cache.facts(new)
    both = [name for name in before.names if name in set(after.names)]
    chosen = tuple(key) if key is not None else ()
    for name in chosen:
        if name not in both:
            raise InvalidInputError(f"{name!r} is not a column of both tables", hint=f"Both have: {', '.join(both)}")
    removed, added, equal = _unmatched(cache, (old, before), (new, after), both)
    searched = key is None and len(removed) > 0 and len(added) > 0
    if searched:
        chosen = _guess(cache, (old, before), (new, after), both)
    changed_old, changed_new = np.empty(0, np.int64), np.empty(0, np.int64)
    if chosen and len(removed) and len(added):
        files = [cache.rows(side, chosen) for side in (old, new)]
        for side, file in zip((old, new), files, strict=True):
            if len(file.firsts()) != file.rows:
                repeated = file.rows - len(file.firsts())
                raise InvalidInputError(
                    f"{', '.join(chosen)} is no key of {side.label}: {repeated:,} rows repeat one",
                    hint="Name more columns, or none: --key ''",
                )
        changed_old, changed_new = _paired(files[0], files[1], removed, added)
        removed = np.setdiff1d(removed, changed_old, assume_unique=True)
        added = np.setdiff1d(added, changed_new, assume_unique=True)
    found = _Found(both, added, removed, changed_old, changed_new)
    cells, shown = _changes(old, new, (before, after), found, chosen, examples)
    if arrow is not None:
        write_arrow(arrow, old, new, found)
    ours, theirs = ({column.name: column for column in facts.columns} for facts in (before, after))
    gone = [column for column in before.columns if column.name not in theirs]
    fresh = [column for column in after.columns if column.name not in ours]
    renamed = pairs(gone, fresh) if before.rows == after.rows else ()
    return TableDiff(
        old=old.shape(before),
        new=new.shape(after),
        key=chosen,
        found=searched and bool(chosen),
        added_columns=tuple(column.name for column in fresh),
        removed_columns=tuple(column.name for column in gone),
        renamed=renamed,
        types=tuple(_types(before, after)),
        equal=equal,
        added=len(added),
        removed=len(removed),
        changed=len(changed_old),
        cells=cells,
        rows=shown,
        columns=tuple(_columns(before, after)),
    )


def _types(before: Facts, after: Facts) -> Sequence[ColumnDifference]:
    """Return the columns whose types differ, or whose cells are of other kinds."""
    found = {each.name: each for each in types_changed(before, after, aligned=False)}
    ours = {column.name: column for column in before.columns}
    for column in after.columns:
        other = ours.get(column.name)
        if other is not None and other.kinds != column.kinds:
            found[column.name] = difference(other, column)
    return list(found.values())


def _columns(before: Facts, after: Facts) -> Iterator[ColumnChange]:
    ours = {column.name: column for column in before.columns}
    for column in after.columns:
        other = ours.get(column.name)
        if other is not None and other.digest != column.digest:
            old, new = (
                {name: c.summary[name] for name in (*_TOLD, "quantiles") if name in c.summary} for c in (other, column)
            )
            if old != new:
                yield ColumnChange(column.name, old, new)


def _unmatched(
    cache: TableCache, old: tuple[Side, Facts], new: tuple[Side, Facts], both: Sequence[str]
) -> tuple[Array, Array, int]:
    """Return the numbers of the rows that only the first and only the second table has, and how many both have."""
    if old[1].set == new[1].set:
        return np.empty(0, np.int64), np.empty(0, np.int64), old[1].rows
    if not both:
        return np.arange(old[1].rows), np.arange(new[1].rows), 0
    ours, theirs = (cache.rows(s, None if len(both) == len(f.names) else both) for s, f in (old, new))
    removed, added = _extra(ours, theirs), _extra(theirs, ours)
    return removed, added, ours.rows - len(removed)


def _extra(one: RowFile, other: RowFile) -> Array:
    """Return the numbers, ascending, of the rows that one file has more of than the other: the last copies."""
    firsts = one.firsts()
    ends = one.ends(firsts)
    there = other.find(one, firsts)
    known = np.zeros(len(firsts), np.int64)
    at = there[there >= 0]
    known[there >= 0] = other.ends(at) - at
    extra = np.maximum(ends - firsts - known, 0)
    starts = ends - extra
    offsets = np.cumsum(extra) - extra
    places = np.repeat(starts - offsets, extra) + np.arange(int(extra.sum()))
    return np.sort(one.numbers[places].astype(np.int64))


def _guess(cache: TableCache, old: tuple[Side, Facts], new: tuple[Side, Facts], both: Sequence[str]) -> tuple[str, ...]:
    """Find a column whose cells are all different in both tables; the most likely ones are tried."""
    likely = []
    for position, name in enumerate(both):
        distinct = 0.0
        for _, facts in (old, new):
            (column,) = (each for each in facts.columns if each.name == name)
            counted = column.summary.get("distinct", 0)
            distinct += abs(counted / facts.rows - 1) if facts.rows and not column.summary.get("nulls") else 1
            distinct += 1 if "float" in column.kinds else 0  # a measurement is no name
        if distinct < _UNSURE:
            is_named = name.lower() in {"id", "key", "uuid"} or name.lower().endswith(("_id", "id", "_key"))
            likely.append((not is_named, position, name))
    for *_, name in sorted(likely)[:_GUESSES]:
        files = [cache.rows(side, [name]) for side, _ in (old, new)]
        if all(len(file.firsts()) == file.rows for file in files):
            return (name,)
    return ()


_UNSURE = 0.4
"""How far off the estimated numbers of different cells may be, of both tables together, for a column to be tried."""


def _paired(ours: RowFile, theirs: RowFile, removed: Array, added: Array) -> tuple[Array, Array]:
    """Return the rows with one key that were removed here and added there, in the order of the first table."""
    here, there = _marked(ours, removed), _marked(theirs, added)
    found = theirs.find(ours, here)
    is_added = np.zeros(theirs.rows, bool)
    is_added[there] = True
    good = (found >= 0) & is_added[found]
    old, new = ours.numbers[here[good]].astype(np.int64), theirs.numbers[found[good]].astype(np.int64)
    order = np.argsort(old, kind="stable")
    return old[order], new[order]


def _marked(file: RowFile, numbers: Array) -> Array:
    """Return the places of the rows with these numbers."""
    wanted = np.zeros(file.rows, bool)
    wanted[numbers] = True
    return np.flatnonzero(wanted[file.numbers.astype(np.int64)])


def _changes(  # noqa: PLR0917 - the two tables, and what is known of them
    old: Side, new: Side, facts: tuple[Facts, Facts], found: _Found, key: Sequence[str], examples: int
) -> tuple[dict[str, int], tuple[RowChange, ...]]:
    """Count changed cells by column, and show the first rows of each sort."""
    changed_old, changed_new = found.changed_old[:LOOKED_AT], found.changed_new[:LOOKED_AT]
    cells: dict[str, int] = {}
    shown: list[RowChange] = []
    if len(changed_old):
        before = take(old, changed_old)
        order = np.argsort(changed_new, kind="stable")
        after = take(new, changed_new[order]).take(np.argsort(order))
        differs = {}
        for name in found.both:
            if name not in key:
                unlike = _unlike(before, after, facts, name)
                if unlike.any():
                    cells[name], differs[name] = int(unlike.sum()), unlike
        for at in range(min(examples, len(changed_old))):
            some = tuple(
                CellChange(name, cell(before[name][at].as_py()), cell(after[name][at].as_py()))
                for name, unlike in differs.items()
                if unlike[at]
            )
            values = {name: cell(after[name][at].as_py()) for name in key}
            shown.append(RowChange("changed", int(changed_old[at]) + 1, int(changed_new[at]) + 1, values, some))
    for change, side, numbers in (("removed", old, found.removed), ("added", new, found.added)):
        few = numbers[:examples]
        rows = take(side, few) if len(few) else None
        for at, number in enumerate(few):
            values = {name: cell(rows[name][at].as_py()) for name in rows.schema.names} if rows is not None else {}
            place = int(number) + 1
            was, now = (place, None) if change == "removed" else (None, place)
            shown.append(RowChange(change, was, now, values))
    return cells, tuple(shown)


def _unlike(before: pa.Table, after: pa.Table, facts: tuple[Facts, Facts], name: str) -> Array:
    """Tell for each row whether the cells of a column differ."""
    from lin.lineage.tables import row_digests  # noqa: PLC0415 - takes Arrow

    digests = []
    for table, known in zip((before, after), facts, strict=True):
        texts = {column: mode for column, mode in known.texts.items() if column == name}
        pieces = [row_digests(batch, texts) for batch in table.select([name]).to_batches() if batch.num_rows]
        digests.append(np.concatenate(pieces))
    return (digests[0] != digests[1]).any(axis=1)


def take(side: Side, numbers: Array) -> pa.Table:
    """Read some rows of a table, by their numbers from 0, ascending."""
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

    table = side.table()
    return pa.Table.from_batches((batch for batch, _ in taken(table.batches(), numbers)), table.schema)


def taken(batches: Iterator[pa.RecordBatch], numbers: Array) -> Iterator[tuple[pa.RecordBatch, Array]]:
    """Yield the rows with these numbers (ascending) in batches, with their numbers."""
    at = 0
    for batch in batches:
        low, high = np.searchsorted(numbers, [at, at + batch.num_rows])
        if high > low:
            some = numbers[low:high]
            yield batch.take(_int64(some - at)), some
        at += batch.num_rows
        if high == len(numbers):
            return


def _int64(values: Array) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

    return pa.array(values, pa.int64())


def write_arrow(path: Path, old: Side, new: Side, found: _Found) -> None:
    """Write all rows that differ to an Arrow IPC file, in constant memory.

    Its columns are `change` (`removed`, `added`, and for a changed row `before` and `after`), `row`, the number in the
    table it is of, from 1, and the columns that both tables have: as text where their types differ.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

    tables = old.table(), new.table()
    types = []
    for name in found.both:
        before, after = (table.schema.field(name).type for table in tables)
        types.append(pa.field(name, before if before == after else pa.string()))
    schema = pa.schema([("change", pa.string()), ("row", pa.int64()), *types])
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for table, only, changed, words in (
            (tables[0], found.removed, found.changed_old, ("removed", "before")),
            (tables[1], found.added, np.sort(found.changed_new), ("added", "after")),
        ):
            numbers = np.sort(np.concatenate([only, changed]))
            for batch, some in taken(table.batches(), numbers):
                is_changed = np.isin(some, changed, assume_unique=True)
                change = pa.array(np.where(is_changed, words[1], words[0]).tolist(), pa.string())
                columns = [batch.column(name).cast(schema.field(name).type) for name in found.both]
                writer.write_batch(pa.record_batch([change, _int64(some + 1), *columns], schema=schema))
