"""Tables that live in Python: data frames and Arrow's objects become Parquet.

What speaks Arrow's own protocols (`__arrow_c_stream__`, `__arrow_c_array__`, `__dataframe__`) needs no package of its
maker here: pandas, polars, DuckDB, Ibis and pyarrow all do, or nearly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lin.errors import InvalidInputError

from .table import CELLS, ROWS

if TYPE_CHECKING:
    import pyarrow as pa


def is_table(value: Any) -> bool:
    """Tell whether a value is a table of some library, without importing any."""
    if isinstance(value, (str, os.PathLike)):
        return False
    return any(
        hasattr(value, name)
        for name in ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__", "to_arrow", "collect")
    )


def write(value: Any, path: Path) -> None:
    """Write a table as Parquet: Zstandard, row groups of 65,536 rows or fewer, no metadata of its maker.

    The index of a pandas frame is written as columns unless it only counts the rows. A lazy frame is worked out.

    Raises:
        InvalidInputError: It is no table, or one that Parquet cannot hold.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        reader = _reader(value)
        schema = reader.schema.remove_metadata()
        rows = max(1, min(ROWS, CELLS // max(1, len(schema))))
        with pq.ParquetWriter(path, schema, compression="zstd", store_schema=True) as writer:
            for batch in reader:
                writer.write_batch(batch.replace_schema_metadata(None).cast(schema), row_group_size=rows)
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InvalidInputError(
            f"this {type(value).__name__} cannot be kept as a table: {reason}",
            hint="Give each column one type and a name of its own, or write a file yourself and put that.",
        ) from error


def _reader(value: Any) -> Any:
    """Return a reader of record batches."""
    import pyarrow as pa  # noqa: PLC0415

    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        value = _pandas(value)
    elif module == "polars" and hasattr(value, "collect"):
        value = value.collect()
    elif module == "pyarrow" and hasattr(value, "scanner"):  # a dataset
        value = value.scanner()
    elif not _speaks_arrow(value):
        value = _converted(value)
    if isinstance(value, pa.RecordBatchReader):
        return value
    if hasattr(value, "to_reader"):
        return value.to_reader()
    if hasattr(value, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(value)
    return pa.Table.from_batches([pa.record_batch(value)]).to_reader()


def _speaks_arrow(value: Any) -> bool:
    return any(hasattr(value, name) for name in ("__arrow_c_stream__", "__arrow_c_array__", "to_reader"))


def _converted(value: Any) -> Any:
    """Return what does speak Arrow, of what only knows how to become it."""
    for name in ("to_arrow", "arrow"):
        if hasattr(value, name):
            return getattr(value, name)()
    if hasattr(value, "__dataframe__"):
        from pyarrow import interchange  # noqa: PLC0415 - few need it

        return interchange.from_dataframe(value)
    raise TypeError("it speaks none of Arrow's protocols")


def _pandas(frame: Any) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415

    if frame.ndim == 1:  # a series
        frame = frame.to_frame(name=frame.name if frame.name is not None else "0")
    counts = type(frame.index).__name__ == "RangeIndex" and frame.index.start == 0 and frame.index.step == 1
    if not (counts and frame.index.name is None):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise ValueError(f"two columns are called {twice!r}")
    frame = frame.set_axis(names, axis=1)
    return pa.Table.from_pandas(frame, preserve_index=False)


def batches(value: Any) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table in Python without writing it anywhere."""
    return iter(_reader(value))
