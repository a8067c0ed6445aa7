"""Test rows that a model learned from, counted: through every derived dataset and base model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lin import reading
from lin.errors import LinError
from lin.identifying import KINDS, Identifying, TableRecord
from lin.lineage import questions
from lin.lineage.graph import ARTIFACT_KINDS, Cursor, Direction, EdgeKind, Graph, Node, NodeId, NodeKind
from lin.records import Artifact, Evaluation, Leak, LeakedFrom, Uncompared

from .cached import TableCache
from .keys import shared
from .known import all_tables, contents_with, tables_in
from .overlapping import common
from .predictions import without
from .rowfile import Array
from .sides import Side, sides_of

BYTES, TABLE, ROWS = "bytes", "table", "rows"
_EVALUATED = frozenset({EdgeKind.EVALUATED})
_EVALUATED_ON = frozenset({EdgeKind.EVALUATED_ON})
_HAS_CONTENT = frozenset({EdgeKind.HAS_CONTENT})
_STEP = 200


@dataclass(slots=True)
class Looked:
    """What was found on the way, for the next evaluation.

    Attributes:
        ancestors: What each model learned from.
        uncompared: What could not be compared, by (tested, learned).
    """

    ancestors: dict[NodeId, Sequence[Artifact]] = field(default_factory=dict)
    uncompared: dict[tuple[bytes, bytes], Uncompared] = field(default_factory=dict)


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


def ancestors(graph: Graph, model: NodeId, looked: Looked) -> Sequence[Artifact]:
    """Return what a model learned from: every artifact upstream of it through training, the model itself not."""
    if model not in looked.ancestors:
        nodes = graph.closure([model], Direction.UP, questions.LEARNING, nodes=ARTIFACT_KINDS)
        looked.ancestors[model] = [
            reading.artifact(node) for node in nodes if reading.is_known(node) and node.id != model
        ]
    return looked.ancestors[model]


def _leak(  # noqa: PLR0917 - what to compare, and how
    cache: TableCache,
    repository: Identifying,
    evaluation: Evaluation,
    looked: Looked,
    common_columns: bool,
    numbers: bool,
) -> Leak | None:
    graph = repository.graph
    learned = ancestors(graph, evaluation.model.id.value, looked)
    tables = tables_in(graph, {each.digest.value for each in learned} | {evaluation.dataset.digest.value})
    leak: Leak | None = None
    for test in sides_of(repository, evaluation.dataset):
        if test.record is None or not test.record.rows:
            continue
        found, numbered = _sources(cache, repository, test, learned, tables, looked, common_columns)
        if found and (leak is None or len(numbered) > (leak.leaked or 0)):
            rows = test.record.rows
            whole = any(each.set == test.record.set for a in found for each in tables.get(a.artifact.digest.value, ()))
            same = any(a.artifact.digest == evaluation.dataset.digest for a in found)
            leak = Leak(
                evaluation=evaluation,
                learned=tuple(each.artifact for each in found),
                by=BYTES if same else TABLE if whole else ROWS,
                tested=rows,
                leaked=len(numbered),
                sources=tuple(found),
                metrics=without(cache, repository, evaluation, test, numbered),
                rows=tuple(int(number) + 1 for number in numbered) if numbers else (),
            )
    return leak


def _sources(  # noqa: PLR0917 - what to compare, and how
    cache: TableCache,
    repository: Identifying,
    test: Side,
    learned: Sequence[Artifact],
    tables: Mapping[NodeId, Sequence[TableRecord]],
    looked: Looked,
    common_columns: bool,
) -> tuple[list[LeakedFrom], Array]:
    """Return where test rows came from, and the numbers of all of them, ascending."""
    assert test.record is not None and test.artifact is not None  # noqa: S101, PT018 - whoever calls looked
    everything = np.zeros(test.record.rows, bool)
    found: list[LeakedFrom] = []
    done: dict[bytes, Array | None] = {}
    for artifact in learned:
        if artifact.digest.value not in tables:
            if artifact.kind in KINDS and repository.unread(artifact.digest) is None:
                _note(looked, test.artifact, artifact, "nobody has looked yet which table it holds")
            continue
        for train in sides_of(repository, artifact):
            assert train.record is not None  # noqa: S101 - so are they made
            name = train.record.set.value
            if name not in done:
                try:
                    done[name] = shared_numbers(cache, test, train, common_columns=common_columns)
                except LinError as error:
                    _note(looked, test.artifact, artifact, error.message)
                    done[name] = None
            rows = done[name]
            if rows is None:
                continue
            if rows.ndim == 0:  # other columns, and not to be compared by those that both have
                _note(looked, test.artifact, artifact, "the columns differ")
                continue
            if len(rows):
                everything[rows] = True
                found.append(LeakedFrom(artifact, len(rows)))
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
        keys = shared(cache.keys(test), cache.keys(train))
        if not len(keys):
            return np.empty(0, np.int64)
    tested = cache.rows(test, columns)
    both = common(tested, cache.rows(train, columns), keys)
    pieces = [tested.numbers[low:high] for low, high in zip(both.old, tested.ends(both.old), strict=True)]
    return np.sort(np.concatenate(pieces)).astype(np.int64) if pieces else np.empty(0, np.int64)


def _note(looked: Looked, tested: Artifact, learned: Artifact, reason: str) -> None:
    looked.uncompared.setdefault((tested.digest.value, learned.digest.value), Uncompared(tested, learned, reason))
