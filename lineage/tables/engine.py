"""What turns batches into row digests: the kernel, or plain Python where the kernel is missing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

from .identity import TextMode

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

STREAMS = 4
"""What a column's digest is made of: tags, payloads of 8 bytes, lengths, bytes."""


class Engine(Protocol):
    """Encode the rows of one table, batch by batch; not safe from several threads."""

    def begin(self, batch: pa.RecordBatch) -> None:
        """Take the next batch, whose schema is the table's."""

    def encode(self, start: int, out: np.ndarray) -> tuple[int, int]:
        """Digest rows of the batch from `start` on into `out`, (rows, 32) bytes.

        Returns:
            How many rows were digested, at most as many as `out` holds; and the index of a column whose mode does not
            suit the next rows, or -1. `drain` has to be called before the next `encode`.

        Raises:
            InvalidInputError: A cell is too long to be written.
        """
        ...

    def drain(self) -> Iterator[tuple[int, int, memoryview]]:
        """Hand out what the rows digested since the last time add to the columns' streams: column, stream, bytes."""
        ...

    def classify(self, start: int, columns: Sequence[int]) -> dict[int, int]:
        """See what cells of text there are in these columns of the batch from `start` on: bits of `texts.Seen`."""
        ...

    def set_mode(self, column: int, mode: TextMode) -> None:
        """Read a column of text in another mode from the next row on."""

    def counts(self, column: int) -> Sequence[int]:
        """Count a column's cells by tag."""
        ...

    def close(self) -> None:
        """Give back what the engine holds."""


def open_engine(schema: pa.Schema, order: Sequence[int], modes: dict[int, TextMode], *, streams: bool = True) -> Engine:
    """Choose the kernel, or where it is missing or can't serve this schema, plain Python.

    Args:
        schema: What `schemas.check` let pass.
        order: The columns' indices in canonical order.
        modes: How columns of text files are read, by index.
        streams: Whether the columns' digests are wanted.
    """
    from . import kernel, reference  # noqa: PLC0415 - NumPy and the library, only where tables are read
    from .schemas import has_nul  # noqa: PLC0415

    if have_kernel() and not has_nul(schema):
        return kernel.KernelEngine(schema, order, modes, streams=streams)
    return reference.ReferenceEngine(schema, order, modes)


@cache
def have_kernel() -> bool:
    """Tell whether the kernel can be used; the first time that it can't, warn."""
    if os.environ.get("LIN_KERNEL") == "0":
        return False
    from . import kernel  # noqa: PLC0415

    reason = kernel.load_failure()
    if reason is not None:
        warnings.warn(f"tables are digested by slow Python, as lin's kernel is missing: {reason}", stacklevel=3)
    return reason is None
