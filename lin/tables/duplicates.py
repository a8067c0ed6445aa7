"""What is held more than once: equal bytes, equal tables, and tables that share many rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING

from lin import reading
from lin.errors import BlobNotFoundError, NotATableError
from lin.identifying import KINDS, Identifying
from lin.lineage.graph import Graph, NodeId, NodeKind
from lin.lineage.tables.rowkeys import distinct, shared
from lin.records import Artifact
from lin.store.digest import Digest

from .cached import TableCache, blob_keys
from .known import Known, all_tables, contents_with, holders, tables_in
from .records import Duplicates, Group, Near, Relation
from .sides import Side
from .sketches import Estimate, SketchIndex, estimate

if TYPE_CHECKING:
    from .rowfile import Array

AT_LEAST = 0.5
"""Share of rows from which tables are called near, unless something else is asked for."""
CERTAIN = 5.0
"""Standard errors by which an estimate has to lie beyond a bound to be believed."""
_DATA = frozenset(NodeKind.of(kind) for kind in KINDS)


def duplicates_of(cache: TableCache, repository: Identifying, side: Side, *, at_least: float = AT_LEAST) -> Duplicates:
    """Return what else holds a dataset's bytes, its table, or many of its rows; it need not have been put.

    Raises:
        NotATableError: Never: what is no table is compared by its bytes.
    """
    graph = repository.graph
    same = reading.artifacts_with(graph, [side.digest.value])[side.digest.value]
    groups = []
    others = [each for each in same if side.artifact is None or each.id != side.artifact.id]
    if others:
        mine = [side.artifact] if side.artifact is not None else []
        groups.append(Group(Relation.BYTES, (*mine, *others)))
    index = SketchIndex(repository.cache / "tables")
    tables = all_tables(graph)
    try:
        facts = cache.facts(side)
    except NotATableError:
        return Duplicates(tuple(groups), (), len(tables), unidentified(graph))
    equal = [a for a in holders(graph, [facts.set])[facts.set] if a.digest != side.digest] if facts.rows else []
    if equal:
        ordered = tables_in(graph, [each.digest.value for each in equal])
        in_order = all(facts.seq in {t.seq for t in ordered.get(a.digest.value, ())} for a in equal)
        relation = Relation.ORDERED if in_order else Relation.ROWS
        groups.append(Group(relation, tuple(equal), facts.rows, facts.set))
    numbers = index.follow(tables, repository.store.read)
    subject = Known(facts.set, facts.rows, None, None, None)
    near = _near(
        repository, index, numbers, subject, (facts.names, cache.sketch(side)), at_least, lambda _: cache.keys(side)
    )
    return Duplicates(tuple(groups), tuple(near), len(tables), unidentified(graph))


def _near(  # noqa: PLR0917 - what is compared, and where the parts are found
    repository: Identifying,
    index: SketchIndex,
    numbers: Mapping[int, Known],
    subject: Known,
    sketched: tuple[Sequence[str], Array],
    at_least: float,
    keys: Callable[[Known], Array],
) -> list[Near]:
    """Compare one table, given its columns and sketch, with all known ones."""
    names, sketch = sketched
    if not len(sketch):
        return []
    import numpy as np  # noqa: PLC0415 - takes 80 ms

    candidates = set(index.near(names, sketch))
    # A table that is small beside another one may share none of its values with the other's sketch.
    for number, (size, last) in index.bounds(names).items():
        if number in numbers and size >= len(sketch) and np.searchsorted(sketch, np.uint64(last), "right") < _FEW:
            candidates.add(number)
    others = [number for number in candidates if number in numbers and numbers[number].id != subject.id]
    found = []
    read = blob_reader(repository)
    held = index.sketches(others)
    for number in others:
        table = numbers[number]
        guess = estimate(sketch, held[number])
        if not believed(guess, at_least):
            exact = counted(index, subject, table, keys, read)
            if exact is None:
                continue
            share_old, share_new, is_exact = *exact, True
        else:
            share_old, share_new, is_exact = guess.share_old, guess.share_new, guess.whole
        if max(share_old, share_new) >= at_least:
            found.append((subject, table, share_old, share_new, is_exact))
    return _told(repository.graph, found)


_FEW = 64
"""Rows in a sample below which nothing follows from their absence."""


def believed(guess: Estimate, at_least: float) -> bool:
    """Tell whether an estimate leaves no reasonable doubt on which side of the bound both shares are."""
    if guess.whole:
        return True
    for share, size in ((guess.share_old, guess.old), (guess.share_new, guess.new)):
        if abs(share - at_least) * sqrt(max(size, 1)) < CERTAIN * 0.5:
            return False
    return True


def counted(
    index: SketchIndex,
    one: Known,
    other: Known,
    keys_one: Callable[[Known], Array],
    keys_other: Callable[[Known], Array],
) -> tuple[float, float] | None:
    """Count by row keys which part of each table's different rows the other has; None where the keys are not here."""
    try:
        ours, theirs = keys_one(one), keys_other(other)
    except BlobNotFoundError:
        return None
    before = index.shared(one.id, other.id)
    if before is None:
        found = shared(ours, theirs)
        index.remember(one.id, other.id, len(found.keys), 0)
        both = len(found.keys)
    else:
        both = before[0]
    return both / max(distinct(ours), 1), both / max(distinct(theirs), 1)


def blob_reader(repository: Identifying) -> Callable[[Known], Array]:
    """Return what maps the row keys of a known table."""
    folder = repository.cache / "tables" / "known"

    def read(table: Known) -> Array:
        if table.keys is None:
            raise BlobNotFoundError(f"nobody kept the row keys of the table {table.id.short}")
        return blob_keys(repository.store, folder, table.keys)

    return read


def all_duplicates(
    repository: Identifying, *, at_least: float = AT_LEAST, versions: bool = False, exact: bool = False
) -> Duplicates:
    """Return everything that is held more than once.

    Args:
        repository: Where.
        at_least: Share of either table's different rows from which two are near.
        versions: Also what only versions of one name have in common.
        exact: Count shared rows by their keys, instead of believing good estimates.
    """
    graph = repository.graph
    index = SketchIndex(repository.cache / "tables")
    tables = all_tables(graph)
    numbers = index.follow(tables, repository.store.read)
    candidates = [(a, b) for a, b in index.pairs() if a in numbers and b in numbers]
    held = index.sketches(sorted({number for pair in candidates for number in pair}))
    read = blob_reader(repository)
    found = []
    for one, other in candidates:
        guess = estimate(held[one], held[other])
        shares: tuple[float, float] | None = (guess.share_old, guess.share_new)
        is_exact = guess.whole
        if exact and not is_exact:
            shares, is_exact = counted(index, numbers[one], numbers[other], read, read) or shares, True
        if shares is not None and max(shares) >= at_least:
            found.append((numbers[one], numbers[other], *shares, is_exact))
    near = _told(graph, found)
    groups = [*_equal_bytes(graph), *_equal_tables(graph, tables)]
    if not versions:
        groups = [each for each in groups if len({a.name for a in each.artifacts}) > 1]
        near = [each for each in near if not _is_of_one_name(each)]
    groups.sort(key=lambda each: (each.relation, each.artifacts[0].created))
    return Duplicates(tuple(groups), tuple(near), len(tables), unidentified(graph))


def _is_of_one_name(near: Near) -> bool:
    return {a.name for a in near.old} == {a.name for a in near.new}


def _told(graph: Graph, found: Sequence[tuple[Known, Known, float, float, bool]]) -> list[Near]:
    artifacts = holders(graph, {table.id for one, other, *_ in found for table in (one, other)})
    told = [
        Near(tuple(artifacts[a.id]), tuple(artifacts[b.id]), of_a, of_b, exact, a.rows, b.rows)
        for a, b, of_a, of_b, exact in found
        if artifacts[b.id]
    ]
    return sorted(told, key=lambda each: (-max(each.share_old, each.share_new), each.new[0].created))


def _equal_bytes(graph: Graph) -> Sequence[Group]:
    grouped: dict[Digest, list[Artifact]] = {}
    for node in graph.find(kinds=_DATA):
        if reading.is_known(node):
            artifact = reading.artifact(node)
            grouped.setdefault(artifact.digest, []).append(artifact)
    known = tables_in(graph, [digest.value for digest, some in grouped.items() if len(some) > 1])
    groups = []
    for digest, some in grouped.items():
        if len(some) > 1:
            table = next(iter(known.get(digest.value, ())), None)
            groups.append(
                Group(Relation.BYTES, tuple(some), table.rows if table else None, table.set if table else None)
            )
    return groups


def _equal_tables(graph: Graph, tables: Sequence[Known]) -> Sequence[Group]:
    contents = contents_with(graph, [table.id for table in tables if table.rows])
    several = {table: some for table, some in contents.items() if len(some) > 1}
    if not several:
        return []
    held: Collection[NodeId] = {each for some in several.values() for each in some}
    said = tables_in(graph, held)
    artifacts = reading.artifacts_with(graph, held)
    rows = {table.id: table.rows for table in tables}
    groups = []
    for table, some in several.items():
        of = sorted((a for each in some for a in artifacts[each]), key=lambda a: (a.created, a.id))
        orders = {record.seq for each in some for record in said.get(each, ()) if record.set == table}
        relation = Relation.ORDERED if len(orders) == 1 else Relation.ROWS
        groups.append(Group(relation, tuple(of), rows[table], table))
    return groups


def unidentified(graph: Graph) -> int:
    """Count the contents of datasets of which nobody has said which table they hold."""
    digests = {
        bytes.fromhex(node.facets["artifact"]["digest"][3:])
        for node in graph.find(kinds=[NodeKind.DATASET])
        if "artifact" in node.facets
    }
    return len(digests - tables_in(graph, digests).keys())
