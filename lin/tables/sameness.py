"""What two tables have in common, from what is known of them; rows are read only where columns may have other names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lin.errors import NotATableError
from lin.lineage.tables.rowkeys import shared_rows

from .cached import TableCache
from .records import ColumnDifference, Relation, Sameness
from .renaming import renamed_rows
from .sides import Column, Facts, Side, unread


def same(cache: TableCache, old: Side, new: Side) -> Sameness:
    """Compare two tables, or two contents that are none."""
    try:
        before, after = cache.facts(old), cache.facts(new)
    except NotATableError as error:
        relation = Relation.BYTES if old.digest == new.digest else Relation.DIFFERENT
        return Sameness(relation, unread(old, error), unread(new, error))
    relation = _relation(old, new, before, after)
    shapes = old.shape(before), new.shape(after)
    types = tuple(types_changed(before, after, aligned=relation is not Relation.ROWS))
    if relation in {Relation.BYTES, Relation.ORDERED, Relation.ROWS}:
        return Sameness(relation, *shapes, types=types)
    if relation is Relation.DIFFERENT and (names := renamed_rows(old, new, before, after)):
        return Sameness(Relation.RENAMED, *shapes, renamed=names, reordered=True)
    ours, theirs = ({column.name: column for column in each.columns} for each in (before, after))
    removed, added = (
        [c for c in one if c.name not in other] for one, other in ((before.columns, theirs), (after.columns, ours))
    )
    renamed = pairs(removed, added) if before.rows == after.rows else ()
    shared = None
    if ours.keys() == theirs.keys():
        shared = shared_rows(cache.keys(old), cache.keys(new))
        if shared:
            relation = Relation.OVERLAPPING
    changed: tuple[ColumnDifference, ...] = ()
    if before.rows == after.rows:
        both = ((ours[name], theirs[name]) for name in ours if name in theirs)
        changed = tuple(difference(a, b) for a, b in both if a.digest != b.digest)
    return Sameness(
        relation,
        *shapes,
        types=types if before.rows == after.rows else (),
        changed=changed,
        removed=tuple(column.name for column in removed),
        added=tuple(column.name for column in added),
        renamed=renamed,
        shared=shared,
    )


def _relation(old: Side, new: Side, before: Facts, after: Facts) -> Relation:
    if old.digest == new.digest and before.seq == after.seq:
        return Relation.BYTES
    if before.seq == after.seq:
        return Relation.ORDERED
    if before.set == after.set:
        return Relation.ROWS
    same_cells = sorted(c.digest for c in before.columns) == sorted(c.digest for c in after.columns)
    if before.columns and before.rows == after.rows and same_cells:
        return Relation.RENAMED
    return Relation.DIFFERENT


def pairs(removed: Sequence[Column], added: Sequence[Column]) -> tuple[tuple[str, str], ...]:
    """Match columns with the same cells under different names, one to one, in order."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for column in added:
        waiting[column.digest].append(column.name)
    return tuple((column.name, waiting[column.digest].pop(0)) for column in removed if waiting[column.digest])


def types_changed(before: Facts, after: Facts, *, aligned: bool) -> Sequence[ColumnDifference]:
    """Return the columns whose cells are equal and whose types are not; a text file's columns have none."""
    ours = {column.name: column for column in before.columns}
    found = []
    for column in after.columns:
        other = ours.get(column.name)
        if other is None or (aligned and other.digest != column.digest):
            continue
        if other.mode is None and column.mode is None and other.type != column.type:
            found.append(ColumnDifference(column.name, other.type, column.type, values=False))
    return found


def difference(old: Column, new: Column) -> ColumnDifference:
    """Tell how two columns of one name with unequal cells differ."""
    kinds = None if old.kinds == new.kinds else (old.kinds, new.kinds)
    return ColumnDifference(old.name, old.type, new.type, values=True, kinds=kinds)
