"""Which metrics and parameters a node has, and whether a value is within bounds: pure functions, for every engine."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .events import plain_number
from .graph import Measure, Node, NodeKind, Value, Within

_PLACES = {
    NodeKind.RUN: ((Measure.METRIC, "finished", "metrics"), (Measure.PARAMETER, "started", "parameters")),
    NodeKind.EVALUATION: ((Measure.METRIC, "evaluation", "metrics"),),
}
"""Facets count only where they belong: a `run.finished` that names an artifact measures nothing."""


def values_of(node: Node) -> Iterator[tuple[Measure, str, Value]]:
    """Yield each metric and parameter of a node, with its name: those of runs and evaluations, and of nothing else.

    What JSON has no number for comes as the text that events write for it (`plain_number`).
    """
    for what, facet, field in _PLACES.get(node.kind, ()):
        values = node.facets.get(facet, {}).get(field)
        if isinstance(values, dict):
            for name, value in values.items():
                if isinstance(value, (str, int, float)):
                    yield what, name, plain_number(value)


def is_number(value: object) -> bool:
    """Tell a number, which has an order, from what can only be equal; `True` and `False` are no numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def is_within(value: Value, within: Within) -> bool:
    """Tell whether a value, as `values_of` gives it, meets a condition; see `Within`."""
    if within.equals is not None:
        wanted = plain_number(within.equals)
        return value == wanted and isinstance(value, (bool, str)) == isinstance(wanted, (bool, str))
    low, high = within.low, within.high
    if low is None and high is None:
        return True
    if isinstance(value, (str, bool)):
        return False
    above = low is None or (value > low if within.low_open else value >= low)
    below = high is None or (value < high if within.high_open else value <= high)
    return above and below


def has_value(node: Node, what: Measure, name: str, within: Within) -> bool:
    """Tell whether a node has a metric or parameter of this name that meets a condition."""
    return any(w is what and n == name and is_within(value, within) for w, n, value in values_of(node))
