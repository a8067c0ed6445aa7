"""Find evaluations on what a model was made from, for all models at once, over the arrays of an adjacency.

From every evaluated model the search goes upstream in step, as pairs of (model, ancestor). A content that such a pair
leads to is compared with those that this model was tested on. Only the front of the search is kept: the ancestors of
one model are few, but those of all models together need not be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from ._adjacency_file import Array, Edges, allow, sorted_edges
from .adjacency import Adjacency
from .graph import ARTIFACT_KINDS, Direction, EdgeKind, NodeKind

_MANY_LEVELS = 256
"""After so many steps the search makes sure that it does not go in circles."""


def leaking(adjacency: Adjacency, learning: Collection[EdgeKind], models: Iterable[int] | None = None) -> Array | None:
    """Return the keys of the evaluations that leak.

    Args:
        adjacency: The graph.
        learning: The edges through which content reaches a model.
        models: The keys of the models whose evaluations are looked at; all when None.

    Returns:
        None where what models learned from goes in circles: another search has to answer then.
    """
    kinds = adjacency.kinds_of(np.arange(adjacency.length, dtype=np.int32))
    chosen = None if models is None else np.unique(np.fromiter(models, dtype=np.int32))
    if chosen is None:
        evaluations = np.flatnonzero(kinds == int(NodeKind.EVALUATION))
    else:
        evaluations = np.unique(adjacency.across(chosen, Direction.DOWN, {EdgeKind.EVALUATED})[1])
        evaluations = evaluations[kinds[evaluations] == int(NodeKind.EVALUATION)]
    of, model, _ = adjacency.across(evaluations, Direction.UP, {EdgeKind.EVALUATED})
    if chosen is not None:
        asked = np.isin(model, chosen)
        of, model = of[asked], model[asked]
    on, dataset, _ = adjacency.across(evaluations, Direction.UP, {EdgeKind.EVALUATED_ON})
    holding, content, _ = adjacency.across(dataset, Direction.UP, {EdgeKind.HAS_CONTENT})
    # Each evaluation's models beside each content that it was made on.
    row, column = _join(of, on[holding])
    leaks = _search(adjacency, learning, model[row], content[column], allow(ARTIFACT_KINDS)[kinds])
    return None if leaks is None else np.unique(evaluations[of[row][leaks]])


def _search(
    adjacency: Adjacency, learning: Collection[EdgeKind], models: Array, contents: Array, is_artifact: Array
) -> Array | None:
    """Tell for each pair of a model and a content whether the content is among the model's ancestors'."""
    size = adjacency.length
    tests, test = np.unique(models.astype(np.int64) * size + contents, return_inverse=True)
    wanted = (tests % size).astype(np.int32)
    found = np.zeros(len(tests), dtype=bool)
    parents = _parents(adjacency, learning)
    holding = _contents(adjacency, contents, is_artifact)
    number, node = np.arange(len(tests), dtype=np.int32), (tests // size).astype(np.int32)
    level = 0
    while len(node):
        before = len(node)
        at, many = parents.places(node)
        number, node = np.repeat(number, many), parents.far[at]
        for content in holding:
            found[number[content[node] == wanted[number]]] = True
        # What is found need not be looked for any more, and some have no parents.
        more = ~found[number] & (parents.start[node + 1] > parents.start[node])
        number, node = number[more], node[more]
        if len(node) > before:
            both = np.unique(number.astype(np.int64) * size + node)
            number, node = (both // size).astype(np.int32), (both % size).astype(np.int32)
        level += 1
        if level == _MANY_LEVELS and _has_circles(adjacency, learning):
            return None
    answer: Array = found[test]
    return answer


def _parents(adjacency: Adjacency, learning: Collection[EdgeKind]) -> Edges:
    """Return the edges upstream of these kinds alone, each once, so that no step has to choose among them."""
    every = np.arange(adjacency.length, dtype=np.int32)
    target, source, kind = adjacency.across(every, Direction.UP, learning)
    if len(adjacency.up.far):
        target, source = np.divmod(np.unique(target.astype(np.int64) * adjacency.length + source), adjacency.length)
        kind = np.zeros(len(target), dtype="u1")
    return sorted_edges(target, source.astype(np.int32), kind, adjacency.length - 1)


def _contents(adjacency: Adjacency, contents: Array, is_artifact: Array) -> list[Array]:
    """Return tables of the contents that each artifact holds, as far as they are among these.

    As many tables as some artifact has contents: one, unless a log is forged.
    """
    some = np.unique(contents)
    place, artifact, _ = adjacency.across(some, Direction.DOWN, {EdgeKind.HAS_CONTENT})
    pairs = np.unique(
        artifact[is_artifact[artifact]].astype(np.int64) * adjacency.length + some[place][is_artifact[artifact]]
    )
    artifact, content = np.divmod(pairs, adjacency.length)
    tables = []
    while len(artifact):
        first = np.ones(len(artifact), dtype=bool)
        first[1:] = artifact[1:] != artifact[:-1]
        table = np.full(adjacency.length, -1, dtype=np.int32)
        table[artifact[first]] = content[first]
        tables.append(table)
        artifact, content = artifact[~first], content[~first]
    return tables


def _has_circles(adjacency: Adjacency, kinds: Collection[EdgeKind]) -> bool:
    """Tell whether some way along these edges leads back to where it began."""
    every = np.arange(adjacency.length, dtype=np.int32)
    incoming = np.bincount(adjacency.across(every, Direction.DOWN, kinds)[1], minlength=len(every))
    front = np.flatnonzero(incoming == 0)
    rest = len(every)
    while len(front):
        rest -= len(front)
        far = adjacency.across(front, Direction.DOWN, kinds)[1]
        np.subtract.at(incoming, far, 1)
        front = np.unique(far[incoming[far] == 0])
    return rest > 0


def _join(left: Array, right: Array) -> tuple[Array, Array]:
    """Return all pairs of places at which both hold the same number."""
    order = np.argsort(right, kind="stable")
    begin = np.searchsorted(right[order], left, side="left")
    count = np.searchsorted(right[order], left, side="right") - begin
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    row = np.repeat(np.arange(len(left)), count)
    return row, order[np.arange(total) + np.repeat(begin - ends + count, count)]
