"""Sorted row keys: 8 bytes a row, by which tables are found to share rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def open_row_keys(path: Path) -> np.ndarray:
    """Map a file of row keys: ascending `<u8`, checked against its header, duplicates kept."""
    raise NotImplementedError


def shared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Find the keys that are in both, ascending, each once: candidates, to be confirmed on full digests."""
    raise NotImplementedError


def counts(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Count how many rows have each of the wanted keys (ascending)."""
    raise NotImplementedError


def keys_of(digests: np.ndarray) -> np.ndarray:
    """Take the row keys of row digests, (rows, 32) bytes: unsorted `u8` in the order of the rows."""
    raise NotImplementedError
