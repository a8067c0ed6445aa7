"""Sorted row keys of two tables against each other."""

from __future__ import annotations

import numpy as np

from .rowfile import Array


def shared(left: Array, right: Array) -> Array:
    """Return the keys that are in both, ascending, each once."""
    small, large = (left, right) if len(left) <= len(right) else (right, left)
    if not len(small):
        return np.empty(0, "<u8")
    wanted = np.unique(small)
    if len(wanted) * 16 < len(large):
        at = np.searchsorted(large, wanted)
        at[at == len(large)] = 0
        return wanted[large[at] == wanted]
    return np.intersect1d(wanted, large)


def counts(keys: Array, wanted: Array) -> Array:
    """Return how often each of the wanted keys (ascending) is among the sorted keys."""
    return np.searchsorted(keys, wanted, "right") - np.searchsorted(keys, wanted, "left")


def shared_rows(left: Array, right: Array) -> int:
    """Count the rows of the left whose keys the right has: a row as often as the left has it."""
    return int(counts(left, shared(left, right)).sum())


def distinct(keys: Array) -> int:
    """Count different keys of an ascending array, a piece at a time."""
    total, step = 0, 1 << 22
    for start in range(0, len(keys), step):
        piece = keys[max(start - 1, 0) : start + step]
        total += int((piece[1:] != piece[:-1]).sum())
    return total + (1 if len(keys) else 0)
