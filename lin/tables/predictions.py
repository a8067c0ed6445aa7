"""A metric as it would have been without some rows, where a run kept what the model predicted.

A run keeps predictions when it writes a table with one row for each row of the test data, in its order, and a column
of predictions; the truth stands in that table or in the test data. Then accuracy, or for numbers the mean absolute and
the root mean square error, is worked out over all rows and over those that the model had not learned from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lin import reading
from lin.errors import LinError
from lin.identifying import Identifying
from lin.records import Evaluation, MetricPair

from .cached import TableCache
from .rowfile import Array
from .sides import Side, sides_of

PREDICTED = ("prediction", "predicted", "predictions", "y_pred", "pred", "y_hat")
TRUE = ("target", "label", "actual", "truth", "y_true", "y", "class")
TARGET = ("target", "target_column", "label", "label_column")
"""Parameters of runs that name the column with the truth."""
CLASSES = 1_000
"""Different whole numbers up to which they are taken for classes."""


def without(
    cache: TableCache, repository: Identifying, evaluation: Evaluation, test: Side, leaked: Array
) -> tuple[MetricPair, ...]:
    """Return the metrics of an evaluation over all rows, and without those that leaked; none without predictions.

    Args:
        cache: What is known of tables.
        repository: Where.
        evaluation: Of which model, on which dataset.
        test: That dataset.
        leaked: The numbers of the rows to leave out, from 0.
    """
    try:
        pair = _columns(cache, repository, evaluation, test)
    except LinError:
        return ()  # predictions that cannot be read are none
    if pair is None:
        return ()
    kept = np.ones(len(pair[0]), bool)
    kept[leaked] = False
    clean = dict(_measured(*pair, kept))
    return tuple(MetricPair(name, number, clean.get(name)) for name, number in _measured(*pair, np.ones_like(kept)))


def _columns(
    cache: TableCache, repository: Identifying, evaluation: Evaluation, test: Side
) -> tuple[Array, Array] | None:
    rows = cache.facts(test).rows
    for artifact in reading.generated(repository.graph, [evaluation.run.value]).get(evaluation.run.value, ()):
        for side in sides_of(repository, artifact):
            facts = cache.facts(side)
            predicted = next((name for name in PREDICTED if name in facts.names), None)
            if predicted is None or facts.rows != rows:
                continue
            wanted = [*_named(repository, evaluation), *TRUE]
            for holder in (side, test):
                names = cache.facts(holder).names
                true = next((name for name in wanted if name in names and name != predicted), None)
                if true is not None:
                    return _column(side, predicted), _column(holder, true)
    return None


def _named(repository: Identifying, evaluation: Evaluation) -> list[str]:
    runs = repository.get_many([evaluation.run.value, *([evaluation.model.run.value] if evaluation.model.run else [])])
    given = [getattr(run, "parameters", {}).get(name) for run in runs.values() for name in TARGET]
    return [name for name in given if isinstance(name, str)]


def _column(side: Side, name: str) -> Array:
    pieces = [batch.column(name) for batch in side.table().batches()]
    values = [_plain(value) for piece in pieces for value in piece.to_pylist()]
    return np.array(values, object)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value.strip()
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _measured(predicted: Array, true: Array, kept: Array) -> list[tuple[str, float]]:
    predicted, true = predicted[kept], true[kept]
    if not len(true):
        return []
    numbers = all(isinstance(value, float) for array in (predicted, true) for value in array)
    if numbers:
        truths, guesses = true.astype(float), predicted.astype(float)
        if not (truths == np.floor(truths)).all() or len(np.unique(truths)) > CLASSES:
            errors = np.abs(truths - guesses)
            return [("mae", float(errors.mean())), ("rmse", float(np.sqrt((errors**2).mean())))]
    return [("accuracy", float(np.mean([a == b for a, b in zip(predicted, true, strict=True)])))]
