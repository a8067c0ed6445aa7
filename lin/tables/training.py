"""Which contents count as some data, when models are asked for that were trained on it."""

from __future__ import annotations

from collections.abc import Collection

from lin.identifying import Identifying
from lin.lineage.graph import NodeId
from lin.lineage.tables.rowkeys import distinct, shared_rows

from .cached import TableCache
from .duplicates import blob_reader
from .known import Known, all_tables, contents_with
from .match import By, Match
from .sides import Side
from .sketches import SketchIndex, estimate


def matching(cache: TableCache, repository: Identifying, side: Side, match: Match) -> Collection[NodeId]:
    """Return the contents that count as some data: its own bytes, and what matches.

    A table is looked at row key by row key unless its sketch leaves no doubt, so that no table is missed because it
    is large beside the data.

    Raises:
        NotATableError: The data is no table, and more than its bytes was asked for.
    """
    found = {side.digest.value}
    if match.by is By.BYTES:
        return found
    facts, graph = cache.facts(side), repository.graph
    if not facts.rows:
        return found
    tables = {facts.set}
    if match.by is By.ROWS:
        tables |= {table.id for table in holding(cache, repository, side, match.least)}
    for some in contents_with(graph, tables).values():
        found.update(some)
    return found


def holding(cache: TableCache, repository: Identifying, side: Side, least: float) -> Collection[Known]:
    """Return the known tables that hold at least this share of a table's rows."""
    facts = cache.facts(side)
    tables = all_tables(repository.graph)
    index = SketchIndex(repository.cache / "tables")
    numbers = index.follow(tables, repository.store.read)
    alike = index.bounds(facts.names)
    numbers = {number: table for number, table in numbers.items() if number in alike}
    held = index.sketches(list(numbers))
    sketch, read, keys = cache.sketch(side), blob_reader(repository), cache.keys(side)
    different = distinct(keys)
    found = []
    for number, table in numbers.items():
        guess = estimate(sketch, held[number])
        # The sample is of different rows, each once; all copies of any may be among those that the table holds.
        at_most = (guess.share_old + _MARGIN) * different + facts.rows - different
        if guess.old >= _ENOUGH and at_most < least * facts.rows:
            continue
        rows = shared_rows(keys, read(table))
        if rows >= least * facts.rows:
            found.append(table)
    known = {table.id for table in numbers.values()}
    return [*found, *(table for table in tables if table.id not in known and table.id == facts.set)]


_ENOUGH = 1_000
"""Different rows in a sample from which it is believed that a table holds too few."""
_MARGIN = 0.2
"""By how much more such a sample may hide: ten standard errors."""
