"""The same columns under other names, where the rows are in another order.

A column's digest is of its cells in the order of the rows, so it says nothing here. What does not depend on the order
(nulls, kinds of cells, bounds, how many differ) rules most pairs of columns out for nothing. The cells of each column
alone, as a table of one column, say which may be which; and the whole table under the names that follow, whether its
rows are the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import islice, permutations, product
from typing import TYPE_CHECKING

from lin.errors import LinError
from lin.lineage.tables import Digester

from .sides import Column, Facts, Side

if TYPE_CHECKING:
    import pyarrow as pa

TRIES = 24
"""Ways to name the columns that are tried, where several columns hold the same cells."""
COLUMNS = 500
"""Of tables with more columns nothing is tried: it would take too much memory."""
_MEMORY = 32 << 20
_TOLD = ("distinct", "min", "max")


def renamed_rows(old: Side, new: Side, before: Facts, after: Facts) -> tuple[tuple[str, str], ...] | None:
    """Return which columns are called otherwise, if two tables hold the same rows but for that; None if they do not.

    Reads both tables once, and the second again for each way to try; nothing is read where the columns cannot match.

    Args:
        old: The first, whose columns' names count.
        new: The second.
        before: What is known of the first.
        after: What is known of the second, whose rows are not the first's.
    """
    if before.rows != after.rows or not before.rows or len(before.columns) > COLUMNS or not _alike(before, after):
        return None
    with suppress(LinError):  # bytes that are not here any more tell nothing
        for names in islice(_ways(_groups(old, new, before, after)), TRIES):
            if _is(new, after, names, before):
                return tuple((names[name], name) for name in after.names if names[name] != name)
    return None


def _alike(before: Facts, after: Facts) -> bool:
    return Counter(map(_mark, before.columns)) == Counter(map(_mark, after.columns))


def _mark(column: Column) -> Hashable:
    told = tuple(str(column.summary.get(each)) for each in _TOLD)
    return (column.summary.get("nulls"), column.kinds, told)


def _groups(old: Side, new: Side, before: Facts, after: Facts) -> Sequence[tuple[Sequence[str], Sequence[str]]]:
    """Return the columns of both that hold the same cells, in whatever order; nothing if they do not all find one."""
    ours, theirs = _alone(old, before), _alone(new, after)
    if Counter(ours.values()) != Counter(theirs.values()):
        return []
    grouped: dict[bytes, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for at, side in enumerate((ours, theirs)):
        for name, cells in side.items():
            grouped[cells][at].append(name)
    for mine, other in grouped.values():
        kept = [name for name in mine if name in other]  # a name that stayed is tried first where it was
        mine[:] = kept + [name for name in mine if name not in kept]
        other[:] = kept + [name for name in other if name not in kept]
    return list(grouped.values())


def _alone(side: Side, facts: Facts) -> Mapping[str, bytes]:
    """Return for each column what a table of its cells alone would be."""
    table = side.table()
    with ExitStack() as stack:
        digesters = {}
        for field in table.schema:
            texts = {"": facts.texts[field.name]} if field.name in facts.texts else {}
            memory = max(1 << 20, _MEMORY // len(table.schema))
            digester = Digester(_schema([field.with_name("")]), texts=texts, memory=memory)
            digesters[field.name] = stack.enter_context(digester)
        for batch in table.batches():
            for name, digester in digesters.items():
                digester.update(batch.select([name]).rename_columns([""]))
        return {name: digester.finish().set for name, digester in digesters.items()}


def _ways(groups: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Iterator[Mapping[str, str]]:
    """Yield names of the first table for the columns of the second."""
    if groups:
        for chosen in product(*(permutations(mine) for mine, _ in groups)):
            pairs = zip(chosen, (other for _, other in groups), strict=True)
            yield {there: here for mine, other in pairs for here, there in zip(mine, other, strict=True)}


def _is(side: Side, facts: Facts, names: Mapping[str, str], wanted: Facts) -> bool:
    """Tell whether a table is the wanted one once its columns are called so."""
    table = side.table()
    called = [names[name] for name in table.schema.names]
    schema = _schema([field.with_name(names[field.name]) for field in table.schema])
    with Digester(schema, texts={names[name]: mode for name, mode in facts.texts.items()}) as digester:
        for batch in table.batches():
            digester.update(batch.rename_columns(called))
        return digester.finish().set == wanted.set.value


def _schema(fields: Sequence[pa.Field]) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415 - takes long

    return pa.schema(fields)
