"""A table that can be read: what every reader gives, whatever it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lin.lineage.events import Scalar

if TYPE_CHECKING:  # importing it takes 200 ms
    import pyarrow as pa

CELLS = 2_000_000
"""Cells that a batch has at most, about: so that 10,000 columns take no more memory than 10."""
ROWS = 65_536
"""Rows that a batch has at most."""
BYTES = 32 * 1024 * 1024
"""Bytes that a batch should have at most; one row can have more."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of some content.

    Attributes:
        reader: What reads it: one of `options.FORMATS`, which names the format and not the folder it is spread over.
        schema: Names and types as they are read. A CSV's columns are text.
        batches: Reads all rows, in order; can be called again.
        texts: The names of the columns that came as text from a format without types, and so are typed as a CSV's.
        part: Which of several tables that the content holds.
        options: What was chosen about the reading, as an event holds it.
        name: What the content is called, for messages.
    """

    reader: str
    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]] = field(repr=False)
    texts: frozenset[str] = frozenset()
    part: str | None = None
    options: Mapping[str, Scalar] = field(default_factory=dict)
    name: str = ""


def batch_rows(columns: int, row_bytes: float = 0) -> int:
    """Return how many rows to read at once, for so many columns and so many bytes a row."""
    by_cells = CELLS // max(columns, 1)
    by_bytes = int(BYTES / row_bytes) if row_bytes > 0 else ROWS
    return max(1, min(ROWS, by_cells, by_bytes))


def cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield a batch in pieces of bounded size, without copying."""
    rows = batch.num_rows
    step = batch_rows(batch.num_columns, batch.nbytes / rows if rows else 0)
    for start in range(0, rows, step):
        yield batch.slice(start, step)
