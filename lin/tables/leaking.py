"""Test rows that a model learned from, counted: through every derived dataset and base model (`walking`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from lin import reading
from lin.errors import LinError
from lin.identifying import KINDS, Identifying
from lin.lineage.graph import Cursor, Direction, EdgeKind, Graph, Node, NodeId, NodeKind
from lin.lineage.tables.rowkeys import shared
from lin.records import Artifact, Evaluation, Leak, LeakedFrom, Uncompared

from .cached import TableCache
from .known import all_tables, contents_with, tables_in
from .overlapping import common
from .predictions import without
from .rowfile import Array
from .sides import Side, sides_of
from .walking import Upstream, upstream

BYTES, TABLE, ROWS = "bytes", "table", "rows"
OTHER_COLUMNS = "the columns differ"
NOT_LOOKED_AT = "nobody has looked yet which table it holds"
_EVALUATED = frozenset({EdgeKind.EVALUATED})
_EVALUATED_ON = frozenset({EdgeKind.EVALUATED_ON})
_HAS_CONTENT = frozenset({EdgeKind.HAS_CONTENT})
_STEP = 200
_KEPT = 64 << 20
"""Bytes of numbers of shared rows that are kept from one evaluation to the next."""


@dataclass(slots=True)
class Looked:
    """What was found on the way, for the next evaluation.

    Attributes:
        learned: What each model learned from, as far as tables with some columns are concerned.
        columns: The names of the columns of the tables in some content.
        uncompared: What could not be compared, by (tested, learned).
        shared: Rows that two tables share, by (tested, learned): of the last ones, as far as memory goes.
    """

    learned: dict[tuple[NodeId, frozenset[str]], Upstream] = field(default_factory=dict)
    columns: dict[bytes, Sequence[frozenset[str]]] = field(default_factory=dict)
    uncompared: dict[tuple[bytes, bytes], Uncompared] = field(default_factory=dict)
    shared: dict[tuple[str, str], Array] = field(default_factory=dict)

    def compared(self, cache: TableCache, test: Side, train: Side, *, common_columns: bool) -> Array:
        """Return what `shared_numbers` does, which is worked out once for each pair of tables."""
        pair = test.reading, train.reading
        if pair not in self.shared:
            found = shared_numbers(cache, test, train, common_columns=common_columns)
            while self.shared and sum(each.nbytes for each in self.shared.values()) + found.nbytes > _KEPT:
                del self.shared[next(iter(self.shared))]
            self.shared[pair] = found
        return self.shared[pair]


def row_leaks(
    cache: TableCache,
    repository: Identifying,
    models: Collection[NodeId] | None,
    *,
    after: Cursor | None,
    common_columns: bool = False,
    numbers: bool = False,
    looked: Looked,
) -> Iterator[tuple[Node, Leak]]:
    """Yield the evaluations on rows that their model learned from, in the order (`created`, `id`).

    Args:
        cache: What is known of tables.
        repository: Where.
        models: Evaluations of these only; of all models when None.
        after: Only what comes after this cursor.
        common_columns: Where columns differ, compare the rows by those that both tables have.
        numbers: Also tell which rows.
        looked: Takes what was found on the way, and what could not be compared.
    """
    graph = repository.graph
    nodes = _evaluations(graph, models, after)
    for start in range(0, len(nodes), _STEP):
        some = nodes[start : start + _STEP]
        known = {each.id.value: each for each in reading.evaluations(graph, some)}
        for node in some:
            if node.id in known:
                leak = _leak(cache, repository, known[node.id], looked, common_columns, numbers)
                if leak is not None:
                    yield node, leak


def _evaluations(graph: Graph, models: Collection[NodeId] | None, after: Cursor | None) -> Sequence[Node]:
    """Return the evaluations on datasets that are known to be tables."""
    tables = [table.id for table in all_tables(graph) if table.rows]
    if not tables:
        return []
    contents = {each for some in contents_with(graph, tables).values() for each in some}
    datasets = {edge.target for edge in graph.edges(contents, Direction.DOWN, _HAS_CONTENT)}
    found = {edge.target for edge in graph.edges(datasets, Direction.DOWN, _EVALUATED_ON)}
    if models is not None:
        found &= {edge.target for edge in graph.edges(models, Direction.DOWN, _EVALUATED)}
    nodes = [node for node in graph.get(found).values() if node.kind is NodeKind.EVALUATION]
    nodes.sort(key=lambda node: (node.created, node.id))
    return [node for node in nodes if after is None or (node.created, node.id) > (after.created, after.id)]


def _leak(  # noqa: PLR0917 - what to compare, and how
    cache: TableCache,
    repository: Identifying,
    evaluation: Evaluation,
    looked: Looked,
    common_columns: bool,
    numbers: bool,
) -> Leak | None:
    leak: Leak | None = None
    for test in sides_of(repository, evaluation.dataset):
        if test.record is None or not test.record.rows:
            continue
        learned = _upstream(cache, repository, evaluation.model.id.value, test, looked, common_columns)
        found, numbered = _sources(cache, repository, test, learned, looked, common_columns)
        if found and (leak is None or len(numbered) > (leak.leaked or 0)):
            known = tables_in(repository.graph, {each.artifact.digest.value for each in found})
            whole = any(each.set == test.record.set for some in known.values() for each in some)
            same = any(each.artifact.digest == evaluation.dataset.digest for each in found)
            leak = Leak(
                evaluation=evaluation,
                learned=tuple(each.artifact for each in found),
                by=BYTES if same else TABLE if whole else ROWS,
                tested=test.record.rows,
                leaked=len(numbered),
                sources=tuple(found),
                metrics=without(cache, repository, evaluation, test, numbered),
                rows=tuple(int(number) + 1 for number in numbered) if numbers else (),
            )
    return leak


def _upstream(  # noqa: PLR0917 - what to compare, and how
    cache: TableCache, repository: Identifying, model: NodeId, test: Side, looked: Looked, common_columns: bool
) -> Upstream:
    names = frozenset(cache.facts(test).names)
    if (model, names) not in looked.learned:

        def ends(artifact: Artifact) -> bool:
            return any(
                names == other or (common_columns and names & other)
                for other in columns_of(cache, repository, artifact, looked)
            )

        looked.learned[model, names] = upstream(repository.graph, model, ends)
    return looked.learned[model, names]


def columns_of(
    cache: TableCache, repository: Identifying, artifact: Artifact, looked: Looked
) -> Sequence[frozenset[str]]:
    """Return the names of the columns of each table that an artifact is known to hold."""
    digest = artifact.digest.value
    if digest not in looked.columns:
        found = []
        for side in sides_of(repository, artifact):
            with suppress(LinError):  # what cannot be read ends no way, and is named where it should have
                found.append(frozenset(cache.facts(side).names))
        looked.columns[digest] = found
    return looked.columns[digest]


def _sources(  # noqa: PLR0917 - what to compare, and how
    cache: TableCache,
    repository: Identifying,
    test: Side,
    learned: Upstream,
    looked: Looked,
    common_columns: bool,
) -> tuple[list[LeakedFrom], Array]:
    """Return where test rows came from, and the numbers of all of them, ascending."""
    assert test.record is not None and test.artifact is not None  # noqa: S101, PT018 - whoever calls looked
    everything = np.zeros(test.record.rows, bool)
    found: list[LeakedFrom] = []
    for artifact in learned.open:
        if artifact.kind in KINDS and repository.unread(artifact.digest) is None:
            known = bool(repository.tables_of(artifact.digest))
            _note(looked, test.artifact, artifact, OTHER_COLUMNS if known else NOT_LOOKED_AT)
    for artifact in learned.tables:
        rows = np.zeros(test.record.rows, bool)
        for train in sides_of(repository, artifact):
            try:
                numbers = looked.compared(cache, test, train, common_columns=common_columns)
            except LinError as error:
                _note(looked, test.artifact, artifact, error.message)
                continue
            if numbers.ndim:
                rows[numbers] = True
        if rows.any():
            everything |= rows
            found.append(LeakedFrom(artifact, int(rows.sum())))
    found.sort(key=lambda each: (-(each.rows or 0), each.artifact.created))
    return found, np.flatnonzero(everything)


def shared_numbers(cache: TableCache, test: Side, train: Side, *, common_columns: bool = False) -> Array:
    """Return the numbers, from 0 and ascending, of the test rows that a table holds.

    An array without dimensions says that the columns differ and it was not asked to compare by the common ones.

    Raises:
        LinError: What that takes is not here.
    """
    assert test.record is not None and train.record is not None  # noqa: S101, PT018 - both are known tables
    if test.record.set == train.record.set:
        return np.arange(test.record.rows)
    if not train.record.rows:
        return np.empty(0, np.int64)
    ours, theirs = cache.facts(test).names, cache.facts(train).names
    columns = None
    if set(ours) != set(theirs):
        columns = [name for name in ours if name in set(theirs)]
        if not columns:
            return np.empty(0, np.int64)
        if not common_columns:
            return np.array(0)
    keys = None
    if columns is None:
        keys = shared(cache.keys(test), cache.keys(train)).keys
        if not len(keys):
            return np.empty(0, np.int64)
    tested = cache.rows(test, columns)
    both = common(tested, cache.rows(train, columns), keys)
    pieces = [tested.numbers[low:high] for low, high in zip(both.old, tested.ends(both.old), strict=True)]
    return np.sort(np.concatenate(pieces)).astype(np.int64) if pieces else np.empty(0, np.int64)


def _note(looked: Looked, tested: Artifact, learned: Artifact, reason: str) -> None:
    looked.uncompared.setdefault((tested.digest.value, learned.digest.value), Uncompared(tested, learned, reason))
