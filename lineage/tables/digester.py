"""Digest a table batch by batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from .identity import TableIdentity, TextMode

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MEMORY = 256 << 20


class Digester:
    """Work out a table's identity; a context manager, which removes what it spilled."""

    def __init__(
        self,
        schema: pa.Schema,
        *,
        texts: Mapping[str, TextMode] | None = None,
        spill: Path | None = None,
        memory: int = MEMORY,
    ) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was spilled."""

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the next rows."""
        raise NotImplementedError

    def finish(self) -> TableIdentity:
        """Hand back the identity of all rows added."""
        raise NotImplementedError

    @property
    def text_modes(self) -> dict[str, TextMode]:
        """Tell how each column of `texts` was read: after `finish`, none is `GUESS`."""
        raise NotImplementedError

    def write_row_keys(self, target: BinaryIO) -> int:
        """Write the sorted row keys after `finish` (`docs/formats/table-identity.md`); returns how many bytes."""
        raise NotImplementedError

    @property
    def sketch(self) -> bytes:
        """Give the 4,096 smallest different row keys after `finish`, 8 bytes each, little endian, ascending."""
        raise NotImplementedError


class TextScanner:
    """Find the mode of each column of a text file without digesting it: after one `Reconsider`, ask this for the rest."""

    def __init__(self, names: list[str]) -> None:
        raise NotImplementedError

    def update(self, batch: pa.RecordBatch) -> None:
        """Look at the next rows."""
        raise NotImplementedError

    def finish(self) -> dict[str, TextMode]:
        """Tell the mode of each column; none is `GUESS`."""
        raise NotImplementedError


def row_digests(batch: pa.RecordBatch, texts: Mapping[str, TextMode] | None = None) -> np.ndarray:
    """Digest each row: an array of (rows, 32) bytes. A batch with fewer columns is the projection on them."""
    raise NotImplementedError


def digest_table(table: pa.Table | pa.RecordBatchReader) -> TableIdentity:
    """Work out the identity of a table that is in memory, or that a reader hands out."""
    raise NotImplementedError
