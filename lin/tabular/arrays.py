"""NumPy's files: the columns of an array, or several arrays of one length.

The columns of a plain array have no names and are called "0", "1", … as pandas calls them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lin.errors import NotATableError

from .options import Options
from .source import FileSource
from .table import Table, batch_rows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

LARGEST = 1 << 29
"""Bytes of arrays in an .npz, which have to be unpacked into memory."""


def npy(source: FileSource, options: Options) -> Table:
    """Open an .npy as a table: an array of one or two dimensions, or a structured one.

    Raises:
        NotATableError: It has another shape, or holds Python objects, or is damaged.
    """
    with source.on_disk() as path:
        columns = _columns(source.name, _load(source.name, path))
        schema = _schema(source.name, columns)

    def batches() -> Iterator[pa.RecordBatch]:
        with source.on_disk() as path:
            yield from _batches(_columns(source.name, _load(source.name, path)), schema)

    return Table("npy", schema, batches, options=options.scalars())


def npz(source: FileSource, options: Options) -> Sequence[Table]:
    """Open an .npz: one table if all of its arrays are columns of one length, else a table for each array.

    Raises:
        NotATableError: There is no array in it that is a table.
    """
    import numpy as np  # noqa: PLC0415

    def arrays() -> Mapping[str, np.ndarray]:
        with source.open() as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    size = sum(each.file_size for each in archive.infolist())
                if size > LARGEST:
                    raise NotATableError(
                        f"{source.name} unpacks to {size} bytes", hint="Write its arrays as .npy files."
                    )
                file.seek(0)
                with np.load(file, allow_pickle=False) as loaded:
                    return {name: loaded[name] for name in loaded.files}
            except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
                raise NotATableError(f"{source.name} cannot be read as .npz: {error}") from error

    found = arrays()
    if found and all(array.ndim == 1 and array.dtype.names is None for array in found.values()):
        lengths = {len(array) for array in found.values()}
        if len(lengths) == 1:
            schema = _schema(source.name, found)
            return [Table("npz", schema, lambda: _batches(arrays(), schema), options=options.scalars())]
    tables, reasons = [], []
    for name, array in found.items():
        try:
            columns = _columns(f"{source.name}: {name}", array)
            schema = _schema(f"{source.name}: {name}", columns)
        except NotATableError as error:
            reasons.append(error.message)
            continue

        def batches(name: str = name, schema: pa.Schema = schema) -> Iterator[pa.RecordBatch]:
            return _batches(_columns(name, arrays()[name]), schema)

        tables.append(Table("npz", schema, batches, part=name, options=options.scalars()))
    if not tables:
        raise NotATableError(reasons[0] if reasons else f"there is no array in {source.name}")
    return tables


def _load(name: str, path: Any) -> np.ndarray:
    import numpy as np  # noqa: PLC0415

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (ValueError, OSError, EOFError) as error:
        raise NotATableError(f"{name} cannot be read as .npy: {error}") from error


def _columns(name: str, array: np.ndarray) -> Mapping[str, np.ndarray]:
    if array.dtype.names is not None and array.ndim == 1:
        return {field: array[field] for field in array.dtype.names}
    if array.ndim == 1:
        return {"0": array}
    if array.ndim == 2:  # noqa: PLR2004 - rows and columns
        return {str(number): array[:, number] for number in range(array.shape[1])}
    raise NotATableError(f"{name} is an array of {array.ndim} dimensions, not of rows and columns")


def _schema(name: str, columns: Mapping[str, np.ndarray]) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415

    fields = []
    for column, array in columns.items():
        if array.dtype.kind not in "biufMmUS" or array.ndim > 1:
            raise NotATableError(f"{name}: column {column!r} is of {array.dtype}, which is no type of cells")
        if array.dtype.kind == "f" and array.dtype.itemsize > 8:  # noqa: PLR2004 - bytes of a double
            raise NotATableError(f"{name}: column {column!r} is of {array.dtype}, beyond 64 bits")
        fields.append(pa.field(column, _arrow(array[:0]).type))
    return pa.schema(fields)


def _arrow(values: np.ndarray) -> pa.Array:
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    plain = np.ascontiguousarray(values)
    if plain.dtype.byteorder not in "=|" and not plain.dtype.isnative:
        plain = plain.astype(plain.dtype.newbyteorder("="))
    if plain.dtype.kind == "U":
        return pa.array(plain.tolist(), pa.string())
    if plain.dtype.kind == "S":
        return pa.array(plain.tolist(), pa.binary())
    if plain.dtype.kind in "Mm":
        unit = np.datetime_data(plain.dtype)[0]
        if unit not in {"s", "ms", "us", "ns"}:
            plain = plain.astype(f"{plain.dtype.kind}8[{'s' if unit != 'generic' else 'ns'}]")
    return pa.array(plain)


def _batches(columns: Mapping[str, np.ndarray], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # noqa: PLC0415

    arrays = list(columns.values())
    rows = len(arrays[0]) if arrays else 0
    step = batch_rows(len(arrays), sum(array.dtype.itemsize for array in arrays))
    for start in range(0, rows, step):
        pieces = [_arrow(array[start : start + step]) for array in arrays]
        yield pa.RecordBatch.from_arrays(pieces, schema=schema)
