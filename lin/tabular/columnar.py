"""Files that hold columns: Parquet, Arrow's own (IPC, which Feather is now), ORC."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lin.errors import NotATableError

from .options import Options
from .source import FileSource
from .table import Table, batch_rows, cut

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BLOCK = 1 << 29
"""Bytes of one column of a Parquet row group, an Arrow batch or an ORC stripe that have to be in memory at once."""


@contextmanager
def _damage(source: FileSource, format_name: str) -> Iterator[None]:
    """Tell in lin's words that a file is broken; Arrow has several ways to say so."""
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, and not the file's
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise NotATableError(f"{source.name} cannot be read as {format_name}: {reason}") from error


def parquet(source: FileSource, options: Options) -> Table:
    """Open Parquet as a table.

    Raises:
        NotATableError: It is damaged.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    with _damage(source, "Parquet"), source.open() as file:
        schema = pq.ParquetFile(file).schema_arrow.remove_metadata()

    def batches() -> Iterator[pa.RecordBatch]:
        with source.open() as file, _damage(source, "Parquet"):
            opened = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
            rows, size = opened.metadata.num_rows, _unpacked(source, opened.metadata)
            step = batch_rows(len(schema), size / rows if rows else 0)
            for batch in opened.iter_batches(step, use_threads=False):
                yield from cut(batch)

    return Table("parquet", schema, batches, options=options.scalars())


def _unpacked(source: FileSource, metadata: Any) -> int:
    """Return a Parquet file's bytes in memory, about; refuse one whose columns would not fit there."""
    total = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        total += group.total_byte_size
        if group.total_byte_size > MAX_BLOCK:
            for column in range(group.num_columns):
                size = group.column(column).total_uncompressed_size
                if size > MAX_BLOCK * 8:
                    raise NotATableError(f"{source.name} has a row group with {size} bytes of one column")
    return total


def arrow(source: FileSource, options: Options) -> Table:
    """Open an Arrow IPC file or stream as a table.

    Raises:
        NotATableError: It is damaged.
    """
    with _damage(source, "Arrow"), _ipc(source) as reader:
        schema = reader.schema.remove_metadata()

    def batches() -> Iterator[pa.RecordBatch]:
        with _damage(source, "Arrow"), _ipc(source) as reader:
            count = getattr(reader, "num_record_batches", None)
            for batch in reader if count is None else map(reader.get_batch, range(count)):
                # Nobody has looked at its offsets and indices yet, and what reads them next trusts them.
                batch.validate(full=True)
                yield from cut(batch)

    return Table("arrow", schema, batches, options=options.scalars())


@contextmanager
def _ipc(source: FileSource) -> Iterator[Any]:
    """Open an IPC file, or a stream; mapped into memory where it is a file on disk, since a batch can be large."""
    import pyarrow as pa  # noqa: PLC0415

    with source.open() as file:
        head = file.read(6)
        file.seek(0)
        if head[:4] == b"FEA1":
            raise NotATableError(f"{source.name} is Feather of version 1", hint="Write it again as Feather or Parquet.")
        try:
            number = file.fileno()
            mapped = pa.memory_map(f"/dev/fd/{number}") if os.path.exists("/dev/fd") else file  # noqa: PTH110
        except (OSError, AttributeError):  # in memory
            mapped = file
        yield pa.ipc.open_file(mapped) if head == b"ARROW1" else pa.ipc.open_stream(mapped)


def orc(source: FileSource, options: Options) -> Table:
    """Open ORC as a table.

    Raises:
        NotATableError: It is damaged.
    """
    from pyarrow import orc as arrow_orc  # noqa: PLC0415

    with _damage(source, "ORC"), source.open() as file:
        schema = arrow_orc.ORCFile(file).schema.remove_metadata()

    def batches() -> Iterator[pa.RecordBatch]:
        with source.open() as file, _damage(source, "ORC"):
            opened = arrow_orc.ORCFile(file)
            for number in range(opened.nstripes):
                yield from cut(opened.read_stripe(number))

    return Table("orc", schema, batches, options=options.scalars())
